"""What the functions and operators of the types take beside pgvector's: every distance, norm, comparison, sum, cast, text
and binary form of vector, halfvec, sparsevec and bit.

Both extensions have a database of their own in the same server, with the same rows: random numbers from one seed. A
statement calls one function for ROWS rows, of which none passes `WHERE num_nulls(f(v, constant)) = 1`; the same scan
with num_nulls(v) is taken off. What takes a few nanoseconds is called COPIES times a row. Rows lie in the table itself
(toast_tuple_target), since fetching them from TOAST would hide what is measured. What reads or writes text or arrays is
called for some rows over and over, as often as gives SLOW seconds. Statements of the two and the scans alternate; the
least processor time of all rounds counts.
"""

import statistics
from dataclasses import dataclass

from engines import installed_engines
from instance import LOADED, note, on_postgres
from psql import Session
from report import heading, number, quotient, ratio, row, table

ROWS = 100_000
FORMS = 100  # rows that are called over and over
SLOW = .1
COPIES = 8
FEW_VALUES = 200  # of a vector that most functions are done with in no time
DIMENSIONS = (3, 128, 384, 768, 1536)
BITS = (64, 128, 384, 768, 1536)
NONZEROS = (8, 40, 120, 500, 1000)
SPARSE_DIMENSIONS = 30522
# Nanoseconds beside a scan that cannot be told from none.
RESOLUTION = 2


@dataclass
class Call:
    label: str
    expression: str  # of v and {q}, a constant of the same type, or of x
    form: str = ""   # what x is; empty: the rows of the table are gone through once
    aggregate: bool = False

    def statement(self, passes):
        if self.aggregate:
            return f"SELECT {self.expression} FROM items"
        if not self.form:
            return f"SELECT FROM items WHERE num_nulls({', '.join([self.expression] * passes)}) = {passes}"
        # the condition needs both sides of the join, so that it is not tested before it
        return (f"WITH forms AS MATERIALIZED (SELECT {self.form} AS x FROM items WHERE id <= {FORMS}) "
                f"SELECT FROM generate_series(1, {passes}) AS pass CROSS JOIN forms "
                f"WHERE CASE WHEN pass > 0 THEN ({self.expression}) IS NULL END")


@dataclass
class Rows:
    """A type at one size, and how a row of it is made of random numbers."""
    kind: str
    size: int

    @property
    def type(self):
        return f"{self.kind}({SPARSE_DIMENSIONS if self.kind == 'sparsevec' else self.size})"

    @property
    def random(self):
        """An expression, different for each `n`."""
        if self.kind == "bit":
            return (f"(SELECT string_agg((random() > .5)::int::text, '') FROM generate_series(1, {self.size}) "
                    f"WHERE n > 0)::bit({self.size})")
        if self.kind == "sparsevec":
            # some indices are more frequent than others, as those of words are
            step = SPARSE_DIMENSIONS // self.size
            return (f"(SELECT format('{{%s}}/{SPARSE_DIMENSIONS}', string_agg(format('%s:%s', "
                    f"i * {step} + 1 + floor({step} * random() ^ 3), (random() + .001)::real), ',')) "
                    f"FROM generate_series(0, {self.size - 1}) AS i WHERE n > 0)::{self.type}")
        return (f"(SELECT array_agg((random() * 2 - 1)::real) FROM generate_series(1, {self.size}) "
                f"WHERE n > 0)::{self.type}")


def dense_calls(kind, size):
    other = "halfvec" if kind == "vector" else "vector"
    part = max(size // 2, 1)
    calls = distance_calls(kind) + [
        Call("spherical", f"{kind}_spherical_distance(v, {{q}})"),
        Call("norm", "vector_norm(v)" if kind == "vector" else "l2_norm(v)"),
        Call("l2_normalize", "l2_normalize(v)"),
        Call("vector_dims", "vector_dims(v)"),
        Call("+", "v + {q}"),
        Call("-", "v - {q}"),
        Call("*", "v * {q}"),
        Call("||", "v || {q}"),
        Call("subvector", f"subvector(v, 2, {part})"),
        Call("binary_quantize", "binary_quantize(v)"),
        *comparison_calls(kind),
        Call("avg", "avg(v)", aggregate=True),
        Call("sum", "sum(v)", aggregate=True),
        Call(f"{kind}(n)", f"{kind}(v, {size}, false)"),
        Call(f"to {other}", f"v::{other}"),
        Call("to real[]", "v::real[]"),
        *form_calls(kind),
        Call("to sparsevec", "x::sparsevec", "v"),
        Call("from sparsevec", f"x::{kind}", "v::sparsevec"),
    ]
    for array in ("integer", "real", "double precision", "numeric"):
        calls.append(Call(f"from {array}[]", f"x::{kind}", f"v::real[]::{array}[]"))
    return calls


def distance_calls(kind):
    calls = [Call(operator, f"v {operator} {{q}}") for operator in ("<->", "<#>", "<=>", "<+>")]
    return calls + [
        Call("inner_product", "inner_product(v, {q})"),
        Call("l2_squared_distance", f"{kind}_l2_squared_distance(v, {{q}})"),
    ]


def comparison_calls(kind):
    """Values that differ at once, and values that do not differ."""
    return [Call("<, other", "v < {q}"), Call("<, equal", "v < v"), Call("=, equal", "v = v"),
            Call("cmp, other", f"{kind}_cmp(v, {{q}})"), Call("cmp, equal", f"{kind}_cmp(v, v)")]


def form_calls(kind):
    return [Call("to text", "x::text", "v"), Call("from text", f"x::{kind}", "v::text"),
            Call("to binary", f"{kind}_send(x)", "v")]


# Whatever the number of values is.
QUICK = {"vector_dims", "<, other", "cmp, other", "vector(n)", "halfvec(n)", "sparsevec(n)"}


def calls_of(kind, size):
    if kind == "bit":
        return [Call("<~>", "v <~> {q}"), Call("<%>", "v <%> {q}")]
    if kind == "sparsevec":
        return distance_calls(kind) + [
            Call("norm", "l2_norm(v)"), Call("l2_normalize", "l2_normalize(v)"), *comparison_calls(kind),
            Call("sparsevec(n)", f"sparsevec(v, {SPARSE_DIMENSIONS}, false)"), *form_calls(kind)]
    return dense_calls(kind, size)


@dataclass
class Times:
    """Seconds of one call at one size: a list for each engine, and what the scan alone took."""
    rows: Rows
    call: Call
    count: int
    seconds: list
    scans: list

    def of(self, engine, middle=False):
        """Seconds without the scan: the least, or the median."""
        pick = statistics.median if middle else min
        return max(pick(self.seconds[engine]) - pick(self.scans[engine]), 1e-9)

    def nanoseconds(self, engine):
        return 1e9 * self.of(engine) / self.count

    @property
    def known(self):
        return min(self.nanoseconds(0), self.nanoseconds(1)) >= RESOLUTION

    @property
    def ratio(self):
        return quotient(self.of(1), self.of(0)) if self.known else None

    @property
    def median_ratio(self):
        return quotient(self.of(1, True), self.of(0, True)) if self.known else None

    @property
    def statement_ratio(self):
        return quotient(min(self.seconds[1]), min(self.seconds[0]))

    @property
    def slower(self):
        return self.known and self.ratio < 1 and self.median_ratio < 1


class Measurement:
    """A type at one size in the databases of all engines."""

    def __init__(self, sessions, rows, repeat, count):
        self.sessions = sessions
        self.rows = rows
        self.repeat = repeat
        self.count = count
        for session in sessions:
            self.load(session)
        self.query = sessions[0].value("SELECT v FROM query")

    def load(self, session):
        session.run(f"DROP TABLE IF EXISTS items, query; SELECT setseed(.5); "
                    f"CREATE UNLOGGED TABLE items (id integer, v {self.rows.type}) WITH (toast_tuple_target = 8160)")
        session.run(f"CREATE TEMPORARY TABLE made AS SELECT n, {self.rows.random} AS v FROM generate_series(0, 999) AS n; "
                    f"INSERT INTO items SELECT n, (SELECT v FROM made WHERE made.n = rows.n % 1000) "
                    f"FROM generate_series(1, {self.count}) AS rows (n); "
                    f"CREATE UNLOGGED TABLE query AS SELECT {self.rows.random} AS v FROM generate_series(1, 1) AS n; "
                    f"DROP TABLE made; VACUUM ANALYZE items")

    def time(self, statements):
        """Seconds of each statement: a list for each engine, one for each round."""
        seconds = [[[] for _ in self.sessions] for _ in statements]
        for _ in range(self.repeat):
            for statement, of_engines in zip(statements, seconds):
                for session, found in zip(self.sessions, of_engines):
                    found.append(seconds_of(session, statement))
        return seconds

    def measure(self, call):
        expression = call.expression.replace("{q}", f"'{self.query}'::{self.rows.type}")
        call = Call(call.label, expression, call.form, call.aggregate)
        if call.form:
            passes = self.passes(call)
            floor, count = Call(call.label, "x", call.form), FORMS
        else:
            passes = self.copies(call)
            floor, count = Call(call.label, "v"), self.count
        seconds, scans = self.time([call.statement(passes), floor.statement(passes)])
        return Times(self.rows, call, passes * count, seconds, scans)

    def copies(self, call):
        quick = call.label in QUICK or self.rows.kind == "bit" or self.rows.size <= FEW_VALUES
        return COPIES if quick and not call.aggregate else 1

    def passes(self, call):
        """As many as take the first engine SLOW seconds."""
        passes = 10
        while (seconds := seconds_of(self.sessions[0], call.statement(passes))) < SLOW / 5:
            passes *= 4
        return max(int(passes * SLOW / seconds), 1)


def seconds_of(session, statement):
    started = session.cpu_seconds()
    session.run(statement)
    return session.cpu_seconds() - started


def measure_type(sessions, kind, sizes, options):
    """Label -> size -> Times."""
    found = {}
    for size in sizes:
        note(f"{kind}, {size}")
        measurement = Measurement(sessions, Rows(kind, size), options.repeat, options.rows or ROWS)
        for call in calls_of(kind, size):
            if options.calls and call.label not in options.calls.split(";"):
                continue
            found.setdefault(call.label, {})[size] = measurement.measure(call)
    return found


def report_type(kind, sizes, found):
    heading(f"{kind}: annex beside pgvector")
    unit = {"sparsevec": "elements", "bit": "bits"}.get(kind, "dimensions")
    table(["", *(f"{size:,} {unit}" for size in sizes)])
    for label, line in found.items():
        cells = (f"{number(line[size].nanoseconds(0))} ns, {ratio(line[size].ratio, 1)}" for size in sizes)
        row(label.replace("|", "\\|"), *cells)


def report_slower(found):
    slower = [times for times in found if times.slower]
    heading(f"Slower than pgvector's, by the least and by the median: {len(slower)} of {len(found)}")
    if not slower:
        return
    table(["", "ns", "pgvector, ns", "ratio", "of the medians", "of whole statements"])
    for times in sorted(slower, key=lambda each: each.ratio):
        name = f"{times.rows.kind} {times.call.label}, {times.rows.size:,}".replace("|", "\\|")
        row(name, *(number(times.nanoseconds(i)) for i in (0, 1)),
            *(f"{number(each, 2)} ×" for each in (times.ratio, times.median_ratio, times.statement_ratio)))


TYPES = {"vector": DIMENSIONS, "halfvec": DIMENSIONS, "sparsevec": NONZEROS, "bit": BITS}


def open_sessions(engines):
    sessions = []
    for engine in engines:
        database = f"bench_functions_{engine.name}"
        on_postgres(f"DROP DATABASE IF EXISTS {database}")
        on_postgres(f"CREATE DATABASE {database}")
        sessions.append(Session(database))
        sessions[-1].run(f"CREATE EXTENSION {engine.extension}; {LOADED}; SET work_mem = '256MB'")
    return sessions


def run(options):
    engines = installed_engines("")
    if len(engines) < 2:
        raise SystemExit("pgvector is not installed: there is nothing to compare with")
    sessions = open_sessions(engines)
    everything = []
    for kind, sizes in TYPES.items():
        if options.sets and kind not in options.sets.split():
            continue
        found = measure_type(sessions, kind, sizes, options)
        report_type(kind, sizes, found)
        everything += [times for line in found.values() for times in line.values()]
    report_slower(everything)
    for session, engine in zip(sessions, engines):
        session.close()
        on_postgres(f"DROP DATABASE bench_functions_{engine.name}")
