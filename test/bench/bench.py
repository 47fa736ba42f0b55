"""Measures vector indexes in a running PostgreSQL and prints Markdown; run.sh starts the server and calls this.

What is measured, for each data set and each engine in a database of its own of the same server:

- build: time of CREATE INDEX, the fastest of some; peak memory of the backend and its workers; bytes a row;
- recall@10: the share of the ten true nearest rows among the ten that the index returns, over all queries;
- QPS: one statement on the server, `queries CROSS JOIN LATERAL (... ORDER BY v <-> q.v LIMIT 10)`, so that no client
  and no network is in it; jit off, one process, everything in shared buffers. All settings of all engines are measured in
  turn, round after round, and the fastest round of each counts, so that noise of the machine hits all alike;
- QPS at a recall: between the two neighbouring settings, log QPS linear in recall;
- inserts: the held-out queries, a statement a row, by a loop on the server; the median of batches, in turn;
- the floor: the same statement on a table of 60 rows with the same kind of index: what PostgreSQL itself costs (the
  fastest engine's, where settings are compared with it);
- the sequential scan: the same statement without an index, on fewer queries.
"""

import argparse
import glob
import math
import os
import platform
import re
import statistics
import sys
import time
from dataclasses import dataclass, field

from memory import PeakMemory
from psql import Session, copy_vectors

K = 10
FLOOR_ROWS = 60
SCAN_QUERIES = 20
INSERT_BATCH = 100

OPERATORS = {"l2": ("<->", "vector_l2_ops"), "cosine": ("<=>", "vector_cosine_ops"), "ip": ("<#>", "vector_ip_ops")}


# ------------------------------------------------------------------------------------------------------------- the data

@dataclass
class QuerySet:
    name: str
    path: str
    truth: str = ""


@dataclass
class DataSet:
    name: str
    base: str
    metric: str
    query_sets: list
    rows: int = 0
    dimensions: int = 0

    def __post_init__(self):
        with open(self.base, "rb") as file:
            header = file.read(8)
        self.rows, self.dimensions = (int.from_bytes(header[i:i + 4], "little") for i in (0, 4))


def find_data_sets(folder):
    """NAME.base.*, with NAME.query.* and NAME.questions.*, and their NAME[.questions].gt100.ibin; or the demo's files.

    A name that begins with "packages" means cosine, all else L2.
    """
    found = []
    for base in sorted(glob.glob(os.path.join(folder, "*.base.*bin"))):
        stem, suffix = re.match(r"(.*)\.base\.(\w+)$", base).groups()
        candidates = [QuerySet("held-out rows", f"{stem}.query.{suffix}", f"{stem}.gt100.ibin"),
                      QuerySet("questions", f"{stem}.questions.{suffix}", f"{stem}.questions.gt100.ibin")]
        name = os.path.basename(stem)
        found.append(DataSet(name, base, "cosine" if name.startswith("packages") else "l2",
                             [each for each in candidates if os.path.exists(each.path)]))
    demo = os.path.join(folder, "packages.i8bin")
    if not found and os.path.exists(demo):
        found.append(DataSet("demo packages", demo, "cosine",
                             [QuerySet("questions", os.path.join(folder, "questions.i8bin"))]))
    return found


# ---------------------------------------------------------------------------------------------------------- the engines

@dataclass
class Setting:
    label: str
    values: dict


@dataclass
class Engine:
    name: str
    extension: str
    method: str
    options: str
    settings: list
    # filled in as it is measured
    session: Session = None
    build_seconds: float = math.inf
    build_memory: int = 0
    index_bytes: int = 0
    insert_rates: list = field(default_factory=list)
    plain_insert_rates: list = field(default_factory=list)
    # (query set, label) -> value
    recall: dict = field(default_factory=dict)
    qps: dict = field(default_factory=dict)

    @property
    def title(self):
        return f"{self.name} {self.method}"


def _lists(probes):
    return "all lists" if probes == "all" else f"probes = {probes}"


def annex():
    settings = [Setting("defaults", {})]
    settings += [Setting(_lists(probes), {"ivf.probes": probes}) for probes in (4, 8, 16, 32, 64, 128, 256, 512, "all")]
    settings += [Setting(f"{_lists(probes)}, epsilon = {epsilon}", {"ivf.probes": probes, "ivf.epsilon": epsilon})
                 for probes, epsilon in ((64, 3), (128, 3), (256, 3), (512, 3), ("all", 4))]
    return Engine("annex", "annex", "ivf", "", settings)


def pgvector():
    settings = [Setting(f"ef_search = {ef}", {"hnsw.ef_search": ef}) for ef in (40, 80, 160, 320, 640)]
    return Engine("pgvector", "vector", "hnsw", "WITH (m = 16, ef_construction = 64)", settings)


def installed_engines(wanted):
    session = Session("postgres")
    available = {row[0] for row in session.rows("SELECT name FROM pg_available_extensions")}
    session.close()
    engines = [each for each in (annex(), pgvector()) if each.extension in available]
    return [each for each in engines if not wanted or each.name in wanted]


# ------------------------------------------------------------------------------------------------------- the statements

def nearest(operator, table="items", queries="queries"):
    return (f"SELECT count(*) FROM {queries} AS q CROSS JOIN LATERAL "
            f"(SELECT id FROM {table} ORDER BY v {operator} q.v LIMIT {K}) AS a")


def answers(operator, queries):
    """The answer of every query, as an array of ids."""
    return (f"SELECT q.id, ARRAY(SELECT id FROM items ORDER BY v {operator} q.v LIMIT {K}) AS ids "
            f"FROM {queries} AS q")


SETUP = """
SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION seconds(statement text, expected bigint) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    elapsed float8;
    answer bigint;
BEGIN
    EXECUTE statement INTO answer;
    elapsed := extract(epoch FROM clock_timestamp() - started);
    IF answer IS DISTINCT FROM expected THEN
        RAISE EXCEPTION '% rows where % are right', answer, expected;
    END IF;
    RETURN elapsed;
END
$$;
CREATE FUNCTION insert_seconds(target regclass, first integer, batch integer) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    fresh record;
BEGIN
    PERFORM count(length(v::text)) FROM queries0 WHERE id >= first AND id < first + batch;
    started := clock_timestamp();
    IF target = 'items'::regclass THEN
        FOR fresh IN SELECT * FROM queries0 WHERE id >= first AND id < first + batch LOOP
            INSERT INTO items VALUES (1000000000 + fresh.id, fresh.v);
        END LOOP;
    ELSE
        FOR fresh IN SELECT * FROM queries0 WHERE id >= first AND id < first + batch LOOP
            INSERT INTO plain VALUES (1000000000 + fresh.id, fresh.v);
        END LOOP;
    END IF;
    RETURN extract(epoch FROM clock_timestamp() - started);
END
$$;
"""


class Bench:
    """Measures one data set."""

    def __init__(self, data, engines, options):
        self.data = data
        self.engines = engines
        self.options = options
        self.operator, self.operator_class = OPERATORS[data.metric]
        self.rows = min(options.rows or data.rows, data.rows)
        self.floor = {}
        self.scan = {}

    def run(self):
        for engine in self.engines:
            self.load(engine)
        self.find_truth()
        for _ in range(self.options.builds):
            for engine in self.engines:
                self.build(engine)
        for engine in self.engines:
            self.prepare_queries(engine)
            for number in range(len(self.data.query_sets)):
                self.measure_recall(engine, number)
        self.measure_speed()
        self.measure_inserts()
        for engine in self.engines:
            engine.session.close()
            on_postgres(f"DROP DATABASE {engine.name}")

    def load(self, engine):
        note(f"{self.data.name}: loading into {engine.name}")
        on_postgres(f"CREATE DATABASE {engine.name}")
        session = engine.session = Session(engine.name)
        session.run(f"CREATE EXTENSION {engine.extension}")
        session.run(SETUP)
        column = f"vector({self.data.dimensions})"
        session.run(f"CREATE TABLE items (id integer, v {column}); CREATE TABLE plain (id integer, v {column})")
        copy_vectors(self.options.vectors, self.data.base, engine.name, "items (id, v)", self.rows)
        for number, queries in enumerate(self.data.query_sets):
            session.run(f"CREATE TABLE queries{number} (id integer, v {column}); "
                        f"CREATE TABLE truth{number} (id integer, near integer[])")
            copy_vectors(self.options.vectors, queries.path, engine.name, f"queries{number} (id, v)")
            if queries.truth and self.rows == self.data.rows:
                copy_vectors(self.options.vectors, queries.truth, engine.name, f"truth{number} (id, near)")
        session.run(f"CREATE TABLE tiny AS SELECT * FROM items ORDER BY id LIMIT {FLOOR_ROWS}; "
                    f"CREATE TABLE scan_queries AS SELECT * FROM queries0 ORDER BY id LIMIT {SCAN_QUERIES}; "
                    f"CREATE INDEX tiny_index ON tiny USING {engine.method} (v {self.operator_class})")
        session.run("VACUUM ANALYZE")

    def find_truth(self):
        """Where no file has the exact answers, a sequential scan finds them, for every engine in its own database."""
        for engine in self.engines:
            for number in range(len(self.data.query_sets)):
                if engine.session.value(f"SELECT count(*) FROM truth{number}") == "0":
                    note(f"{self.data.name}: exact answers in {engine.name}")
                    engine.session.run(f"INSERT INTO truth{number} {answers(self.operator, f'queries{number}')}")

    def build(self, engine):
        note(f"{self.data.name}: building {engine.title}")
        session = Session(engine.name)
        session.set({"maintenance_work_mem": f"'{self.options.memory}'",
                     "max_parallel_maintenance_workers": self.options.workers,
                     "client_min_messages": "warning"})
        session.run("DROP INDEX IF EXISTS items_index; CHECKPOINT")
        statement = f"CREATE INDEX items_index ON items USING {engine.method} (v {self.operator_class}) {engine.options}"
        with PeakMemory(session.pid) as memory:
            started = time.monotonic()
            session.run(statement)
            elapsed = time.monotonic() - started
        engine.build_seconds = min(engine.build_seconds, elapsed)
        engine.build_memory = max(engine.build_memory, memory.peak)
        engine.index_bytes = int(session.value("SELECT pg_relation_size('items_index')"))
        note(f"    {elapsed:.1f} s, {memory.peak / 2**20:.0f} MB, {engine.index_bytes / self.rows:.0f} bytes a row")
        session.close()

    def prepare_queries(self, engine):
        """Settings are known once the library is loaded, which a query does; then "all" lists gets a number."""
        engine.session.run("CHECKPOINT")
        engine.session.run(answers(self.operator, "scan_queries"))
        for setting in engine.settings:
            for name, value in setting.values.items():
                if value == "all":
                    limit = engine.session.value(f"SELECT max_val FROM pg_settings WHERE name = '{name}'")
                    setting.values[name] = limit

    def with_setting(self, engine, setting):
        """Brings the session to a setting. Only with defaults the planner's own choice has to be the index."""
        engine.session.run("RESET ALL; SET jit = off; SET max_parallel_workers_per_gather = 0; "
                           "SET client_min_messages = warning")
        if setting.values:
            engine.session.run("SET enable_seqscan = off")
        engine.session.set(setting.values)

    def measure_recall(self, engine, number):
        plan = engine.session.rows(f"EXPLAIN {nearest(self.operator, queries=f'queries{number}')}")
        if not any("items_index" in line for row in plan for line in row):
            sys.exit(f"the planner does not take {engine.title}:\n" + "\n".join(row[0] for row in plan))
        for setting in engine.settings:
            self.with_setting(engine, setting)
            engine.recall[number, setting.label] = float(engine.session.value(
                f"SELECT avg((SELECT count(*) FROM unnest(a.ids) AS id WHERE id = ANY (t.near[1:{K}]))) / {K} "
                f"FROM ({answers(self.operator, f'queries{number}')}) AS a JOIN truth{number} AS t USING (id)"))
            note(f"    {engine.title}, {setting.label}: recall {engine.recall[number, setting.label]:.4f}")

    def measure_speed(self):
        for turn in range(self.options.repeat):
            note(f"{self.data.name}: round {turn + 1} of {self.options.repeat}")
            for number, _ in enumerate(self.data.query_sets):
                for engine, setting in self.in_turn():
                    self.with_setting(engine, setting)
                    keep_best(engine.qps, (number, setting.label), self.qps(engine, "items", f"queries{number}"))
            for engine in self.engines:
                self.with_setting(engine, Setting("floor", {"enable_seqscan": "off"}))
                keep_best(self.floor, engine.name, self.qps(engine, "tiny", "queries0"))
                self.with_setting(engine, Setting("scan", {"enable_seqscan": "on", "enable_indexscan": "off"}))
                keep_best(self.scan, engine.name, self.qps(engine, "items", "scan_queries"))

    def in_turn(self):
        """Settings of all engines, alternating between the engines."""
        longest = max(len(engine.settings) for engine in self.engines)
        for position in range(longest):
            for engine in self.engines:
                if position < len(engine.settings):
                    yield engine, engine.settings[position]

    def qps(self, engine, table, queries):
        count = int(engine.session.value(f"SELECT count(*) FROM {queries}"))
        statement = nearest(self.operator, table, queries)
        return count / float(engine.session.value(f"SELECT seconds($${statement}$$, {count * K})"))

    def measure_inserts(self):
        note(f"{self.data.name}: inserts")
        for engine in self.engines:
            self.with_setting(engine, Setting("inserts", {}))
            engine.session.run("CHECKPOINT")
        count = int(self.engines[0].session.value("SELECT count(*) FROM queries0"))
        for first in range(0, count - INSERT_BATCH + 1, INSERT_BATCH):
            for engine in self.engines:
                for target, rates in (("items", engine.insert_rates), ("plain", engine.plain_insert_rates)):
                    elapsed = engine.session.value(f"SELECT insert_seconds('{target}', {first}, {INSERT_BATCH})")
                    rates.append(INSERT_BATCH / float(elapsed))


def keep_best(table, key, value):
    table[key] = max(table.get(key, 0), value)


def on_postgres(statement):
    session = Session("postgres")
    session.run(statement)
    session.close()


def note(text):
    print(text, file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------------------------------- the report

def qps_at(recall, points):
    """QPS at a recall from (recall, QPS) of some settings: log QPS linear in recall between neighbours. At the left end
    the fastest setting's QPS, None beyond the right end."""
    frontier = []  # settings that no other beats in both
    for point in sorted(points, key=lambda each: (-each[1], -each[0])):
        if not frontier or point[0] > frontier[-1][0]:
            frontier.append(point)
    if not frontier or frontier[-1][0] < recall:
        return None
    if frontier[0][0] >= recall:
        return frontier[0][1]
    for (low, fast), (high, slow) in zip(frontier, frontier[1:]):
        if high >= recall:
            share = (recall - low) / (high - low)
            return math.exp(math.log(fast) + share * (math.log(slow) - math.log(fast)))
    return None


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def ratio(numerator, denominator):
    """With three significant digits below 100."""
    if numerator is None or not denominator:
        return "–"
    value = numerator / denominator
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} ×"


class Report:
    def __init__(self, bench):
        self.bench = bench
        self.engines = bench.engines
        self.scan = max(bench.scan.values())
        self.floor = max(bench.floor.values())

    def print(self):
        data = self.bench.data
        print(f"\n### {data.name}: {self.bench.rows:,} rows of {data.dimensions} dimensions, {data.metric}\n")
        self.summary()
        print()
        self.settings()

    def row(self, *cells):
        print("| " + " | ".join(cells) + " |")

    def summary(self):
        both = len(self.engines) == 2
        self.row("", *(engine.title for engine in self.engines), *(["ratio"] if both else []))
        self.row("---", *("--:" for _ in self.engines), *(["--:"] if both else []))

        def line(label, values, show, faster_is_less=False):
            cells = [show(value) for value in values]
            if both:
                cells.append(ratio(*(reversed(values) if faster_is_less else values)))
            self.row(label, *cells)

        line("build, seconds", [each.build_seconds for each in self.engines], lambda value: number(value, 1),
             faster_is_less=True)
        line("peak memory of the build, MB", [each.build_memory / 2**20 for each in self.engines], number)
        line("index, bytes a row", [each.index_bytes / self.bench.rows for each in self.engines], number)
        if self.engines[0].insert_rates:
            line("inserts a second", [statistics.median(each.insert_rates) for each in self.engines], number)
            line("inserts a second without an index",
                 [statistics.median(each.plain_insert_rates) for each in self.engines], number)
        line("floor: QPS on 60 rows", [self.bench.floor[each.name] for each in self.engines], number)
        line("sequential scan: QPS", [self.bench.scan[each.name] for each in self.engines], lambda v: number(v, 1))
        for index, queries in enumerate(self.bench.data.query_sets):
            for target in (.95, .99, .999):
                values = [qps_at(target, self.points(each, index, target)) for each in self.engines]
                line(f"{queries.name}: QPS at recall {target}", values, number)

    @staticmethod
    def points(engine, index, target):
        """What the QPS at a recall is taken from: below .999 annex is to reach it by ivf.probes alone."""
        return [(engine.recall[index, setting.label], engine.qps[index, setting.label])
                for setting in engine.settings
                if setting.values and (target > .99 or "ivf.epsilon" not in setting.values)]

    def settings(self):
        self.row("queries", "index", "setting", "recall@10", "QPS", "of the floor", "beside a sequential scan")
        self.row("---", "---", "---", "--:", "--:", "--:", "--:")
        for index, queries in enumerate(self.bench.data.query_sets):
            for engine in self.engines:
                for setting in engine.settings:
                    qps = engine.qps[index, setting.label]
                    self.row(queries.name, engine.title, setting.label, f"{engine.recall[index, setting.label]:.4f}",
                             number(qps), f"{qps / self.floor:.2f}", ratio(qps, self.scan))


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    if found:
        model = found.group(1)
    return f"{model}, {os.cpu_count()} CPUs, {platform.machine()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--sets", default="")
    parser.add_argument("--engines", default="")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--memory", default="512MB")
    options = parser.parse_args()

    wanted = options.sets.split()
    data_sets = [data for data in find_data_sets(options.data) if not wanted or data.name in wanted]
    if not data_sets:
        sys.exit(f"{options.data} has no data set" + (f" named {options.sets}" if wanted else ""))

    session = Session("postgres")
    version = session.value("SELECT current_setting('server_version')")
    extensions = dict(session.rows("SELECT name, default_version FROM pg_available_extensions"))
    session.close()
    for position, data in enumerate(data_sets):
        engines = installed_engines(options.engines.split())
        if not engines:
            sys.exit(f"none of the engines is installed: {options.engines}")
        if position == 0:
            names = ", ".join(f"{each.name} {extensions[each.extension]}" for each in engines)
            print(f"PostgreSQL {version}, {names}; {machine()}; maintenance_work_mem {options.memory}, "
                  f"max_parallel_maintenance_workers {options.workers}; fastest of {options.repeat} rounds.", flush=True)
        bench = Bench(data, engines, options)
        bench.run()
        Report(bench).print()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
