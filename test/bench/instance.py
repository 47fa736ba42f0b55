"""An engine with a data set in a database of its own: loading, building, and measuring recall and speed in it.

Speed is the server's alone: one statement, `queries CROSS JOIN LATERAL (... ORDER BY v <-> q.v LIMIT k)`, so that no
client and no network is in it; jit off, one process, everything in shared buffers. Seconds are those that the backend
had a processor (Linux's /proc), because on a machine that others use too the clock on the wall measures them; where
nothing is read from disk the two agree on an idle machine.
"""

import re
import sys
import time

import vectors
from datasets import OPERATORS
from engines import Setting
from memory import PeakMemory
from psql import Session

K = 10
FLOOR_ROWS = 60
SCAN_QUERIES = 20
TRUTH = 100
FEW = 250
LONG = 2
SHORT = .3
MOST_PASSES = 10
# no memoize: a query that is repeated is to be answered again
LOADED = ("SET client_min_messages = warning; SET jit = off; SET max_parallel_workers_per_gather = 0; "
          "SET enable_memoize = off")


def note(text):
    print(text, file=sys.stderr, flush=True)


def on_postgres(statement):
    session = Session("postgres")
    session.run(statement)
    session.close()


class Build:
    """What a build took: the fastest time and the highest peak of those that were made."""

    def __init__(self):
        self.seconds = self.cpu_seconds = float("inf")
        self.memory = 0

    def add(self, seconds, cpu_seconds, memory):
        self.seconds = min(self.seconds, seconds)
        self.cpu_seconds = min(self.cpu_seconds, cpu_seconds)
        self.memory = max(self.memory, memory)


class Instance:
    def __init__(self, data, engine, options):
        self.data = data
        self.engine = engine
        self.options = options
        self.operator, self.operator_class = OPERATORS[data.metric]
        self.rows = min(options.rows or data.rows, data.rows)
        self.database = f"bench_{engine.name}"
        self.build_cost = Build()
        self.index_bytes = 0
        self.recall = {}  # (query set, label of the setting) -> share
        self.qps = {}     # the same -> the best of all rounds
        self.session = None
        self.setting = ""
        self.expected = {}  # what is measured -> seconds of all queries

    # ------------------------------------------------------------------------------------------------- tables, indexes

    def create(self):
        on_postgres(f"DROP DATABASE IF EXISTS {self.database}")
        on_postgres(f"CREATE DATABASE {self.database}")
        self.reconnect()
        self.session.run(f"CREATE EXTENSION {self.engine.extension}")
        self.create_table("items")

    def reconnect(self):
        self.session = Session(self.database)
        self.session.run(LOADED)

    def create_table(self, name):
        """Vectors are stored in the row itself, as they are in the tables of most users up to about 500 dimensions."""
        self.session.run(f"CREATE TABLE {name} (id integer, v vector({self.data.dimensions}))")

    @property
    def columns(self):
        """What the index is on."""
        return f"v {self.operator_class}"

    def drop(self):
        self.session.close()
        on_postgres(f"DROP DATABASE {self.database}")

    def load(self):
        """Loads all tables; where a finished database of this engine is kept, copies that."""
        if self.kept():
            note(f"{self.data.name}: {self.engine.title} as it was kept")
            self.copy_kept()
            return
        note(f"{self.data.name}: loading into {self.engine.title}")
        self.create()
        vectors.copy_file(self.database, "items (id, v)", self.data.base, self.rows)
        self.load_queries()
        self.session.run(f"CREATE TABLE tiny AS SELECT * FROM items ORDER BY id LIMIT {FLOOR_ROWS}; "
                         f"CREATE INDEX tiny_index ON tiny USING {self.engine.method} (v {self.operator_class})")
        self.session.run("VACUUM ANALYZE")

    def load_queries(self):
        for position, queries in enumerate(self.data.query_sets):
            self.create_table(f"queries{position}")
            self.session.run(f"CREATE TABLE truth{position} (id integer, near integer[])")
            vectors.copy_file(self.database, f"queries{position} (id, v)", queries.path)
            if queries.truth and self.rows == self.data.rows:
                vectors.copy_file(self.database, f"truth{position} (id, near)", queries.truth)
        self.session.run(f"CREATE TABLE scan_queries AS SELECT * FROM queries0 ORDER BY id LIMIT {SCAN_QUERIES}")

    def find_truth(self):
        """Where no file has the exact answers, a sequential scan finds them."""
        for position, _ in enumerate(self.data.query_sets):
            if self.session.value(f"SELECT count(*) FROM truth{position}") == "0":
                note(f"{self.data.name}: exact answers in {self.engine.title}")
                self.store_truth(f"truth{position}", f"queries{position}", TRUTH)

    def store_truth(self, table, queries, k):
        """The exact answers of the queries, by a sequential scan."""
        self.session.run(f"SET enable_indexscan = off; INSERT INTO {table} {self.answers(queries, k)}; "
                         "RESET enable_indexscan")

    def build(self, options=None, name="items_index"):
        """Builds the index anew in a session of its own and adds what it took to build_cost."""
        note(f"{self.data.name}: building {self.engine.title} {options or ''}")
        session = Session(self.database)
        session.set({"maintenance_work_mem": f"'{self.options.memory}'", "client_min_messages": "warning",
                     "max_parallel_maintenance_workers": self.options.workers})
        session.run(f"DROP INDEX IF EXISTS {name}; CHECKPOINT")
        cpu = session.total_cpu_seconds()
        with PeakMemory(session.pid) as observed:
            started = time.monotonic()
            session.run(f"CREATE INDEX {name} ON items USING {self.engine.method} ({self.columns}) "
                        f"{self.engine.options if options is None else options}")
            elapsed = time.monotonic() - started
        cpu = session.total_cpu_seconds() - cpu + observed.worker_cpu_seconds
        session.close()
        self.build_cost.add(elapsed, cpu, observed.peak)
        self.index_bytes = int(self.session.value(f"SELECT pg_relation_size('{name}')"))
        note(f"    {elapsed:.1f} s, processor {cpu:.1f} s, {observed.peak / 2**20:.0f} MB, "
             f"{self.index_bytes / self.rows:.0f} bytes a row")

    # ---------------------------------------------------------------------------------------- databases that are kept

    @property
    def template(self):
        return re.sub(r"\W", "_", f"kept_{self.engine.name}_{self.data.name}_{self.rows}")

    def kept(self):
        """Whether the server has this engine's database with its index from an earlier run."""
        if not self.options.keep or not self.engine.fixed:
            return False
        session = Session("postgres")
        found = session.value(f"SELECT count(*) FROM pg_database WHERE datname = '{self.template}'")
        session.close()
        return found == "1"

    def copy_kept(self):
        on_postgres(f"DROP DATABASE IF EXISTS {self.database}")
        on_postgres(f"CREATE DATABASE {self.database} TEMPLATE {self.template} STRATEGY file_copy")
        self.reconnect()
        costs = self.session.rows("SELECT seconds, cpu_seconds, memory FROM build_cost")[0]
        self.build_cost.add(float(costs[0]), float(costs[1]), int(costs[2]))
        self.index_bytes = int(self.session.value("SELECT pg_relation_size('items_index')"))

    def keep(self):
        """Keeps the database as it is, with what the build took, where that is wanted and not yet done."""
        if not self.options.keep or not self.engine.fixed or self.kept():
            return
        cost = self.build_cost
        self.session.run("CREATE TABLE build_cost (seconds float8, cpu_seconds float8, memory bigint); "
                         f"INSERT INTO build_cost VALUES ({cost.seconds}, {cost.cpu_seconds}, {cost.memory}); CHECKPOINT")
        self.session.close()
        on_postgres(f"CREATE DATABASE {self.template} TEMPLATE {self.database} STRATEGY file_copy")
        self.reconnect()

    # ----------------------------------------------------------------------------------------------------- the settings

    def prepare(self):
        """Settings are known once the library is loaded, which a query does; then "all" lists gets a number."""
        self.session.run("CHECKPOINT")
        self.session.run(self.answers("scan_queries"))
        for setting in self.engine.settings:
            for name, value in setting.values.items():
                if value == "all":
                    setting.values[name] = self.session.value(
                        f"SELECT max_val FROM pg_settings WHERE name = '{name}'")

    def apply(self, setting):
        """Brings the session to a setting. Only with defaults the planner's own choice has to be the index."""
        self.session.run(f"RESET ALL; {LOADED}")
        self.setting = setting.label
        if setting.values:
            self.session.run("SET enable_seqscan = off")
        self.session.set(setting.values)

    def require_index(self, queries="queries0"):
        plan = [row[0] for row in self.session.rows(f"EXPLAIN {self.statement(queries)}")]
        if not any("items_index" in line for line in plan):
            sys.exit(f"the planner does not take {self.engine.title}:\n" + "\n".join(plan))

    # ----------------------------------------------------------------------------------------------------- measurements

    def statement(self, queries, k=K, table="items", offset=0):
        limit = f"LIMIT {k}" + (f" OFFSET {offset}" if offset else "")
        return (f"SELECT count(*) FROM {queries} AS q CROSS JOIN LATERAL "
                f"(SELECT id FROM {table} ORDER BY v {self.operator} q.v {limit}) AS a")

    def answers(self, queries, k=K):
        """The answer of every query, as an array of ids."""
        return (f"SELECT q.id, ARRAY(SELECT id FROM items ORDER BY v {self.operator} q.v LIMIT {k}) AS ids "
                f"FROM {queries} AS q")

    def measure_recall(self, queries, truth, k=K):
        """The share of the k true nearest rows among the k that the index returns, over all queries."""
        started = self.session.cpu_seconds()
        recall = float(self.session.value(
            f"SELECT avg((SELECT count(*) FROM unnest(a.ids) AS id WHERE id = ANY (t.near[1:{k}]))) / {k} "
            f"FROM ({self.answers(queries, k)}) AS a JOIN {truth} AS t USING (id)"))
        self.expected[queries, k, "items", 0, self.setting] = self.session.cpu_seconds() - started
        return recall

    def measure_qps(self, queries, k=K, table="items", offset=0):
        """By all queries: several times over where that is over in no time, by the first FEW where it takes LONG seconds."""
        count = int(self.session.value(f"SELECT count(*) FROM {queries}"))
        key = (queries, k, table, offset, self.setting)
        passes = 1
        if key in self.expected:
            seconds = max(self.expected[key], 1e-4)
            if seconds > LONG and count > FEW:
                queries, count = f"(SELECT * FROM {queries} ORDER BY id LIMIT {FEW})", FEW
            passes = min(max(1, int(SHORT / seconds)), MOST_PASSES)
        if passes > 1:
            # the offset keeps the planner from joining the answers first and repeating them
            queries = f"(SELECT v FROM {queries} CROSS JOIN generate_series(1, {passes}) OFFSET 0)"
        started = self.session.cpu_seconds()
        found = int(self.session.value(self.statement(queries, k, table, offset)))
        elapsed = self.session.cpu_seconds() - started
        self.expected.setdefault(key, elapsed)
        if found != count * passes * k:
            note(f"    {self.engine.title}: {found} rows where {count * passes * k} are asked for")
        return count * passes / elapsed

    def measure_all_recalls(self, settings=None):
        for position, _ in enumerate(self.data.query_sets):
            for setting in settings or self.engine.settings:
                self.apply(setting)
                self.recall[position, setting.label] = self.measure_recall(f"queries{position}", f"truth{position}")
                note(f"    {self.engine.title}, {setting.label}: recall {self.recall[position, setting.label]:.4f}")

    def measure_speed_of(self, position, setting):
        self.apply(setting)
        keep_best(self.qps, (position, setting.label), self.measure_qps(f"queries{position}"))

    def points(self, position, target=.99):
        """What the QPS at a recall is taken from: (recall, QPS) of the settings, without the defaults. Up to .99 annex is
        to reach it without ivf.epsilon."""
        return [(self.recall[position, setting.label], self.qps[position, setting.label])
                for setting in self.engine.settings
                if setting.values and (target > .99 or "ivf.epsilon" not in setting.values)]

    def points_by_probes(self, position):
        """The same of the settings that name ivf.probes alone."""
        return [(self.recall[position, setting.label], self.qps[position, setting.label])
                for setting in self.engine.settings if list(setting.values) == ["ivf.probes"]]


def keep_best(table, key, value):
    table[key] = max(table.get(key, 0), value)


def in_turn(instances):
    """Settings of all instances, alternating between the instances."""
    longest = max(len(each.engine.settings) for each in instances)
    for position in range(longest):
        for instance in instances:
            if position < len(instance.engine.settings):
                yield instance, instance.engine.settings[position]


def measure_rounds(instances, repeat):
    """Every setting of every instance with every set of queries, round after round; the fastest round of each counts,
    so that what else the machine does hits all alike."""
    data = instances[0].data
    for turn in range(repeat):
        note(f"{data.name}: round {turn + 1} of {repeat}")
        for position, _ in enumerate(data.query_sets):
            for instance, setting in in_turn(instances):
                instance.measure_speed_of(position, setting)
        yield turn


SCAN = Setting("scan", {"enable_seqscan": "on", "enable_indexscan": "off"})
FLOOR = Setting("floor", {"enable_seqscan": "off"})
