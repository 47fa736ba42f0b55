"""Tables with filter columns, and statements with a WHERE clause over them: what filters.py and filter_grid.py share.

Each table is the data set's with two integer columns, both a permutation of 1 .. rows, so that a bound on one lets an exact
number of rows pass: `random` has nothing to do with where a row lies, `nearness` is the row's rank by distance from one
point of the data. A statement is a query of plpgsql with the bound as a constant and the vector as a parameter, planned
once and started anew for every query: what a filter costs at the start of a scan is paid by every query, as it is by a
client's, while the planner's time is not in the figures.
"""

from dataclasses import dataclass

from instance import LOADED, Instance

QUERIES = 100
LEAST = .2    # seconds that a measurement of speed takes at least
FIRST = 3     # queries by which it is found how many take that long
MOST_PASSES = 20


@dataclass
class Condition:
    """A WHERE clause that lets a share of the rows pass, with the queries that it is tried with."""
    label: str
    share: float
    clause: str
    queries: str
    rows: int  # that pass

    @property
    def percent(self):
        return f"{100 * self.share:g} %"


def passing(instance, share):
    return max(1, round(instance.rows * share))


def random_condition(instance, share):
    count = passing(instance, share)
    return Condition("random", share, f"random <= {count}", "asked", count)


def near_condition(instance, share):
    """Rows near a point, asked for from near it."""
    count = passing(instance, share)
    return Condition("near", share, f"nearness <= {count}", "asked_near", count)


def far_condition(instance, share):
    """The rows that are farthest from a point, asked for from near it."""
    count = passing(instance, share)
    return Condition("far", share, f"nearness > {instance.rows - count}", "asked_near", count)


class FilteredInstance(Instance):
    """An instance whose table has filter columns. `variant` tells databases of one engine apart, `with_columns` puts the
    filter columns into the vector index rather than into btree indexes of their own."""

    def __init__(self, data, engine, options, variant="filters", with_columns=False):
        super().__init__(data, engine, options)
        self.database = f"bench_{engine.name}_{variant}"
        self.with_columns = with_columns

    @property
    def template(self):
        return f"{super().template}_filters"

    @property
    def title(self):
        return f"{self.engine.title} (v, random, nearness)" if self.with_columns else self.engine.title

    def load(self):
        super().load()
        if self.session.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname = 'random'") == "0":
            self.add_columns()

    def add_columns(self):
        """Makes the table anew, in the same order, so that no dead rows are left in it."""
        point = "(SELECT v FROM items WHERE id = 0)"
        self.session.run(
            "CREATE TABLE with_columns AS SELECT id, v, row_number() OVER (ORDER BY hashint4(id), id)::integer AS random, "
            f"row_number() OVER (ORDER BY v {self.operator} {point}, id)::integer AS nearness FROM items ORDER BY id; "
            f"CREATE TABLE asked AS SELECT * FROM queries0 ORDER BY id LIMIT {QUERIES}; "
            f"CREATE TABLE asked_near AS SELECT * FROM queries0 ORDER BY v {self.operator} {point}, id LIMIT {QUERIES}; "
            "DROP TABLE items; ALTER TABLE with_columns RENAME TO items; VACUUM ANALYZE")
        if not self.with_columns:
            self.session.run("CREATE INDEX items_random ON items (random); CREATE INDEX items_nearness ON items (nearness)")

    @property
    def columns(self):
        return f"v {self.operator_class}" + (", random, nearness" if self.with_columns else "")

    # ----------------------------------------------------------------------------------------------------- measurements

    def use(self, settings):
        """Brings the session to these settings, all else as it comes."""
        self.session.run(f"RESET ALL; {LOADED}; SET plan_cache_mode = force_generic_plan")
        self.session.set(settings)

    def filtered(self, condition, k, vector):
        return f"SELECT id FROM items WHERE {condition.clause} ORDER BY v {self.operator} {vector} LIMIT {k}"

    def plan(self, condition, k):
        """The lines of the plan that the statement gets, after it has run."""
        point = "(SELECT v FROM scan_queries LIMIT 1)"
        return [row[0] for row in self.session.rows(
            f"EXPLAIN (ANALYZE, COSTS off, TIMING off) {self.filtered(condition, k, point)}")]

    def ask(self, condition, k, queries):
        """The ids of each answer to so many queries, in the order of the queries."""
        self.session.run(
            "CREATE OR REPLACE FUNCTION pg_temp.answers(queries integer) RETURNS SETOF integer[] LANGUAGE plpgsql AS $$ "
            f"DECLARE q record; BEGIN FOR q IN SELECT v FROM {condition.queries} ORDER BY id LIMIT queries LOOP "
            f"RETURN NEXT ARRAY({self.filtered(condition, k, 'q.v')}); END LOOP; END $$")
        answers = self.session.rows(f"SELECT pg_temp.answers({queries})")
        return [[int(each) for each in row[0].strip("{}").split(",") if each] for row in answers]

    def recall_of(self, condition, k, truth):
        """The share of the true answers that is found, each a set of at most k ids."""
        answers = self.ask(condition, k, len(truth))
        return sum(len(true & set(answer)) for true, answer in zip(truth, answers)) / sum(map(len, truth))

    def truth_of(self, condition, k, queries=QUERIES):
        """The exact answers, by sorting all rows that pass."""
        self.use({"enable_indexscan": "off", "enable_bitmapscan": "off"})
        return [set(answer) for answer in self.ask(condition, k, queries)]

    def speed_of(self, condition, k, least=LEAST):
        """QPS by processor time, of as many queries as take `least` seconds."""
        self.session.run(
            "CREATE OR REPLACE FUNCTION pg_temp.count_answers(queries integer, passes integer) RETURNS bigint "
            "LANGUAGE plpgsql AS $$ DECLARE q record; found bigint; total bigint := 0; BEGIN "
            f"FOR q IN SELECT v FROM (SELECT id, v FROM {condition.queries} ORDER BY id LIMIT queries) AS a "
            "CROSS JOIN generate_series(1, passes) LOOP "
            f"SELECT count(*) INTO found FROM ({self.filtered(condition, k, 'q.v')}) AS a; "
            "total := total + found; END LOOP; RETURN total; END $$")

        def seconds(queries, passes):
            started = self.session.cpu_seconds()
            self.session.run(f"SELECT pg_temp.count_answers({queries}, {passes})")
            return self.session.cpu_seconds() - started

        seconds(1, 1)  # plans the statement
        each = seconds(FIRST, 1) / FIRST
        wanted = max(FIRST, int(least / each))
        queries = min(wanted, QUERIES)
        passes = min(max(1, wanted // QUERIES), MOST_PASSES)
        return queries * passes / seconds(queries, passes)
