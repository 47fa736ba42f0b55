"""lists = 0 and spill = auto beside the same options chosen by hand: annex alone.

Built are: both left to annex; half, once and twice the number of lists that it chose, each with and without the second
copy. For each the speed at a recall is the best of any ivf.probes; rounds and what a round is are those of the benchmark.
"""

from engines import annex
from instance import Instance, measure_rounds, note
from report import heading, number, qps_at, ratio, row, table

RECALLS = (.95, .99)
FACTORS = (.5, 1, 2)
LARGEST = 65536  # lists


def run(data, options):
    automatic = Instance(data, annex(), options)
    automatic.load()
    automatic.find_truth()
    automatic.build()
    chosen = int(automatic.session.value("SELECT lists FROM annex_index_info('items_index')"))
    spill = automatic.session.value("SELECT spill FROM annex_index_info('items_index')") == "t"
    note(f"{data.name}: annex chose lists = {chosen}, spill = {'on' if spill else 'off'}")

    variants = {"lists = 0, spill = auto": ""}
    for factor in FACTORS:
        for copies in ("off", "on"):
            label = f"lists = {min(max(round(factor * chosen), 1), LARGEST)}, spill = {copies}"
            variants[label] = f"WITH ({label})"
    results = {}
    for label, option in variants.items():
        if option:
            automatic.build(option)
        results[label] = measure(automatic, options)

    print(f"\n### {data.name}: options chosen by annex and by hand\n")
    heading(f"annex chose lists = {chosen}, spill = {'on' if spill else 'off'}")
    report(data, variants, results)
    automatic.drop()


def measure(instance, options):
    """(set of queries, recall) -> QPS, and the size of the index."""
    instance.recall, instance.qps = {}, {}
    instance.prepare()
    instance.measure_all_recalls()
    for _ in measure_rounds([instance], options.repeat):
        pass
    speeds = {(position, recall): qps_at(recall, instance.points(position))
              for position, _ in enumerate(instance.data.query_sets) for recall in RECALLS}
    return speeds, instance.index_bytes / instance.rows


def report(data, variants, results):
    """Each variant's speed, and the best variant's beside it: 1 × is the best."""
    columns = [(position, recall) for position, _ in enumerate(data.query_sets) for recall in RECALLS]
    best = {column: max(speeds[column] or 0 for speeds, _ in results.values()) for column in columns}
    titles = ["options", "bytes a row"]
    for position, recall in columns:
        titles += [f"{data.query_sets[position].name}: QPS at {recall}", "the best is faster by"]
    table(titles)
    for label in variants:
        speeds, size = results[label]
        cells = [label, number(size)]
        for column in columns:
            cells += [number(speeds[column]), ratio(best[column], speeds[column])]
        row(*cells)
