"""Inserts into a table with and without its index: by one client and by several, by single rows and by COPY.

The rows are new but of the data's kind: each lies between two rows of the base, nine tenths of the way to one of them.
One client: a loop on the server, a statement a row, so that no client is in it; the median of batches, engines and tables
in turn, by the processor time of the backend. Several: pgbench, a transaction a row, with synchronous_commit off, since
the index and not the disk is measured; by the clock, since they wait for each other. WAL is what
pg_current_wal_insert_lsn went on by, first as it is and then with full_page_writes off, less that of the bare table.
"""

import array
import os
import random
import re
import statistics
import subprocess
import tempfile
import time

import vectors
from engines import Setting
from instance import note, on_postgres
from report import heading, number, ratio, row, table

FRESH = 20000
BATCH = 200
BATCHES = 10
COPY_ROWS = 4000
CLIENTS = (1, 4, 16)
CLIENT_SECONDS = 6
CLIENT_ROUNDS = 2

LOOP = """
CREATE FUNCTION insert_rows(target regclass, first integer, batch integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fresh record;
BEGIN
    IF target = 'items'::regclass THEN
        FOR fresh IN SELECT * FROM fresh_rows WHERE id >= first AND id < first + batch LOOP
            INSERT INTO items VALUES (1000000000 + fresh.id, fresh.v);
        END LOOP;
    ELSE
        FOR fresh IN SELECT * FROM fresh_rows WHERE id >= first AND id < first + batch LOOP
            INSERT INTO plain VALUES (1000000000 + fresh.id, fresh.v);
        END LOOP;
    END IF;
END
$$;
"""


def fresh_rows(data, rows):
    """Numbered rows between two of the base's, the same in every run."""
    generator = random.Random(1)
    base = [row for i, row in enumerate(vectors.read(data.base, 0, rows)) if i % max(1, rows // FRESH) == 0]
    for number_ in range(FRESH):
        near, far = base[number_ % len(base)], generator.choice(base)
        yield number_, array.array("f", (.9 * a + .1 * b for a, b in zip(near, far)))


class Inserts:
    def __init__(self, instances):
        self.instances = instances
        self.one = {}      # (engine, table) -> rates of batches
        self.copy = {}     # the same
        self.wal = {}      # (engine, table, full_page_writes) -> bytes a row
        self.clients = {}  # (engine, number of clients) -> the best rate
        self.next_row = 0

    def measure(self):
        data = self.instances[0].data
        note(f"{data.name}: inserts")
        for instance in self.instances:
            instance.apply(Setting("inserts"))
            instance.create_table("plain")
            instance.create_table("fresh_rows")
            instance.session.run(LOOP)
            vectors.copy(instance.database, "fresh_rows (id, v)", fresh_rows(data, instance.rows))
            instance.session.run("ALTER TABLE fresh_rows ADD PRIMARY KEY (id); VACUUM ANALYZE fresh_rows; CHECKPOINT")
        self.one_client()
        self.by_copy()
        self.wal_bytes()
        self.several_clients()

    def targets(self):
        return [(instance, target) for instance in self.instances for target in ("items", "plain")]

    def one_client(self):
        for turn in range(BATCHES):
            for instance, target in self.targets():
                rate = self.timed(instance, f"SELECT insert_rows('{target}', {turn * BATCH}, {BATCH})", BATCH)
                if turn:  # the first one fills the backend's caches
                    self.one.setdefault((instance, target), []).append(rate)
        self.next_row = BATCH * BATCHES

    @staticmethod
    def timed(instance, statement, count):
        started = instance.session.cpu_seconds()
        instance.session.run(statement)
        return count / (instance.session.cpu_seconds() - started)

    def by_copy(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows")
            for _ in range(2):
                for instance, target in self.targets():
                    instance.session.run(f"\\copy (SELECT id + 1100000000, v FROM fresh_rows WHERE id >= {self.next_row} "
                                         f"ORDER BY id LIMIT {COPY_ROWS}) TO '{path}' (FORMAT binary)")
                    rate = self.timed(instance, f"\\copy {target} FROM '{path}' (FORMAT binary)", COPY_ROWS)
                    self.copy.setdefault((instance, target), []).append(rate)
                self.next_row += COPY_ROWS

    def wal_bytes(self):
        for full_pages in ("on", "off"):
            on_postgres(f"ALTER SYSTEM SET full_page_writes = {full_pages}")
            on_postgres("SELECT pg_reload_conf()")
            time.sleep(.5)  # until the checkpointer has told everybody
            for instance, target in self.targets():
                before = instance.session.value("SELECT pg_current_wal_insert_lsn()")
                instance.session.run(f"SELECT insert_rows('{target}', {self.next_row}, {BATCH})")
                after = instance.session.value(f"SELECT pg_current_wal_insert_lsn() - '{before}'")
                self.wal[instance, target, full_pages] = float(after) / BATCH
            self.next_row += BATCH
        on_postgres("ALTER SYSTEM RESET full_page_writes")
        on_postgres("SELECT pg_reload_conf()")

    def several_clients(self):
        for _ in range(CLIENT_ROUNDS):
            for count in CLIENTS:
                for instance in self.instances:
                    rate = pgbench(instance.database, count)
                    self.clients[instance, count] = max(rate, self.clients.get((instance, count), 0))
                    note(f"    {instance.engine.title}: {count} clients, {rate:.0f} rows a second")

    # ------------------------------------------------------------------------------------------------------ the report

    def summarize(self, comparison):
        """The lines that stand in the data set's first table."""
        def line(label, rates, target):
            comparison.line(label, [statistics.median(rates[each, target]) for each in self.instances])

        line("inserts a second, one client", self.one, "items")
        line("the same without an index", self.one, "plain")
        line("rows a second by COPY", self.copy, "items")
        line("the same without an index", self.copy, "plain")
        for count in CLIENTS:
            comparison.line(f"inserts a second, {count} client{'s' if count > 1 else ''} through pgbench",
                            [self.clients[each, count] for each in self.instances])
        for full_pages, label in (("on", "WAL of the index, bytes an inserted row"), ("off", "the same without page images")):
            comparison.line(label, [self.index_wal(each, full_pages) for each in self.instances], less_is_better=True)

    def rate_of_one(self, instance):
        return statistics.median(self.one[instance, "items"])

    def index_wal(self, instance, full_pages):
        return self.wal[instance, "items", full_pages] - self.wal[instance, "plain", full_pages]

    def report(self):
        heading("Inserts by several clients")
        table(["index", *(f"{count} clients" if count > 1 else "1 client" for count in CLIENTS), "16 beside 4"])
        for instance in self.instances:
            rates = [self.clients[instance, count] for count in CLIENTS]
            row(instance.engine.title, *(number(rate) for rate in rates), ratio(rates[2], rates[1]))


def pgbench(database, clients):
    """Rows a second that so many clients insert together, a transaction a row."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set id random(0, {FRESH - 1})\n"
                     "INSERT INTO items SELECT 1200000000 + id, v FROM fresh_rows WHERE id = :id;\n")
        script.flush()
        done = subprocess.run(["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(CLIENT_SECONDS),
                               "-f", script.name, database], check=True, capture_output=True, text=True,
                              env={**os.environ, "PGOPTIONS": "-c synchronous_commit=off"})
    return float(re.search(r"^tps = ([\d.]+)", done.stdout, re.M).group(1))
