"""What a query reads when shared_buffers holds a tenth of the index: annex alone.

The server is restarted with such a shared_buffers, so every figure is after a restart: pages that queries found in
shared_buffers and pages that they had to read, beside the pages that the lists they probe lie on. Pages are
those that PostgreSQL counts (pg_statio_user_tables); the operating system may still hold what is read. Beside
the lists a query reads centroids and, for the rows that it refines, pages of rows.
"""

import shlex
import subprocess

from engines import Setting, annex
from instance import Instance, note
from report import number, ratio, row, share, table

PROBES = (8, 32, 128)
QUERIES = 200
SMALLEST = 1024  # kB


def run(data, options):
    instance = Instance(data, annex(), options)
    instance.load()
    instance.find_truth()
    instance.build()
    info = ("SELECT lists, list_pages, row_pages, bytes / current_setting('block_size')::integer "
            "FROM annex_index_info('items_index')")
    lists, list_pages, row_pages, pages = (int(each) for each in instance.session.rows(info)[0])
    instance.session.run(f"CREATE TABLE some_queries AS SELECT * FROM queries0 ORDER BY id LIMIT {QUERIES}")
    instance.session.close()

    buffers = max(SMALLEST, instance.index_bytes // 10 // 1024)
    note(f"{data.name}: restart with shared_buffers = {buffers}kB")
    restart(options, f"shared_buffers={buffers}kB")
    instance.reconnect()

    print(f"\n### {data.name}: shared_buffers {buffers / 1024:.0f} MB, an index of {instance.index_bytes / 2**20:.0f} MB\n")
    table(["setting", "recall@10", "pages of the index found", "pages of the index read", "pages of the lists probed",
           "reads beside those", "pages of the table read", "QPS"])
    for setting in [Setting("defaults")] + [Setting(f"probes = {n}", {"ivf.probes": n}) for n in PROBES if n <= lists]:
        instance.apply(setting)
        instance.session.run(instance.statement("some_queries"))  # this setting's own working set
        found, read, heap_read = blocks(instance)
        probed = setting.values.get("ivf.probes")
        of_lists = probed * list_pages / lists if probed else None
        row(setting.label, share(instance.measure_recall("queries0", "truth0")), number(found, 1), number(read, 1),
            number(of_lists, 1), ratio(read, of_lists), number(heap_read, 1),
            number(instance.measure_qps("some_queries")))
    print(f"\n{lists:,} lists on {list_pages:,} pages, rows on {row_pages:,}, {pages:,} in all.", flush=True)
    instance.drop()
    restart(options)


def restart(options, *settings):
    subprocess.run([*shlex.split(options.restart), *settings], check=True, stdout=subprocess.DEVNULL)


def blocks(instance):
    """Pages a query: of the index found and read, of the table read."""
    before = counts(instance)
    instance.session.run(instance.statement("some_queries"))
    return [(b - a) / QUERIES for a, b in zip(before, counts(instance))]


def counts(instance):
    instance.session.run("SELECT pg_stat_force_next_flush()")
    return [int(each) for each in instance.session.rows(
        "SELECT idx_blks_hit, idx_blks_read, heap_blks_read FROM pg_statio_user_tables WHERE relname = 'items'")[0]]
