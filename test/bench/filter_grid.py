"""The ways to answer a filtered query, each made to be taken, beside the planner's choice: annex alone.

The grid: tables of 10,000, 100,000 and all rows of the data set, LIMIT 1 to 1,000, a filter with a btree index that lets
0.001 % to 100 % of the rows pass at random (see filtered.py). For each cell the QPS of every way and of the planner's choice,
and by what factor the best of all is faster than the choice: at most TOLERATED is aimed at. The recall is that of the choice.
"""

import re

from engines import annex
from filtered import FilteredInstance, random_condition
from instance import note
from report import heading, number, ratio, row, share, table

SIZES = (10000, 100000, 500000)
LIMITS = (1, 10, 100, 1000)
SHARES = (.00001, .0001, .001, .01, .1, .5, 1)
TOLERATED = 1.5
CHOICE = "planner's choice"
EXACT_QUERIES = (10, 100)  # at least and at most, whose exact answers are found
EXACT_SECONDS = 1
MEASURED = .2


def ways_of(instance):
    """Settings that leave one way alone, by its name."""
    instance.session.run(instance.answers("scan_queries"))  # loads the library
    names = instance.session.rows("SELECT unnest(enumvals) FROM pg_settings WHERE name = 'annex.filtered_way'")
    ways = {name: {"annex.filtered_way": name} for name, in names if name != "auto"}
    return ways or {"exact": {"enable_indexscan": "off"},
                    "plain": {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}}


class Cell:
    """One size, LIMIT and share."""

    def __init__(self, condition, k):
        self.condition = condition
        self.k = k
        self.qps = {}
        self.taken = ""
        self.recall = None

    def measure(self, instance, ways, repeat):
        for _ in range(repeat):
            for name, settings in ({CHOICE: {}} | ways).items():
                instance.use(settings)
                self.qps[name] = max(self.qps.get(name, 0), instance.speed_of(self.condition, self.k, MEASURED))
        instance.use({})
        self.taken = way_taken(instance.plan(self.condition, self.k))
        exact = max(self.qps.get("exact", 1), .1)
        least, most = EXACT_QUERIES
        truth = instance.truth_of(self.condition, self.k, round(min(max(least, EXACT_SECONDS * exact), most)))
        instance.use({})
        self.recall = instance.recall_of(self.condition, self.k, truth)
        note(f"    LIMIT {self.k}, {self.condition.percent}: {self.taken}, loses {self.loss:.2f}, recall {self.recall:.3f}, "
             + ", ".join(f"{name} {qps:.1f}" for name, qps in self.qps.items()))

    @property
    def loss(self):
        """How much faster the best way is than the planner's choice."""
        return max(self.qps.values()) / self.qps[CHOICE]


def way_taken(lines):
    """From what EXPLAIN ANALYZE says: a filtered scan names its way, else it is a plan of PostgreSQL's own."""
    plan = "\n".join(lines)
    if found := re.search(r"Way: (\w+)", plan):
        return found.group(1)
    return "exact" if "Sort" in plan else "plain"


def measure_size(data, options, size):
    instance = FilteredInstance(data, annex(), options, "grid")
    instance.rows = min(size, data.rows)
    instance.load()
    instance.build()
    instance.session.run("VACUUM ANALYZE items; CHECKPOINT")
    ways = ways_of(instance)
    cells = [Cell(random_condition(instance, each), k) for k in LIMITS for each in SHARES if instance.rows * each >= 1]
    for cell in cells:
        cell.measure(instance, ways, options.repeat)
    report(instance, ways, cells)
    instance.drop()
    return cells


def report(instance, ways, cells):
    heading(f"{instance.rows:,} rows")
    table(["LIMIT", "share", *(f"{name}: QPS" for name in ways), f"{CHOICE}: QPS", "way", "the best is faster by", "recall"], 0)
    for cell in cells:
        row(f"{cell.k:,}", cell.condition.percent, *(number(cell.qps[name], 1) for name in ways),
            number(cell.qps[CHOICE], 1), cell.taken, ratio(max(cell.qps.values()), cell.qps[CHOICE]), share(cell.recall))


def run(data, options):
    print(f"\n### {data.name}: the ways to answer a filtered query, {data.dimensions} dimensions, {data.metric}\n")
    most = min(options.rows or data.rows, data.rows)
    sizes = [size for size in SIZES if size < most] + [most]
    cells = [cell for size in sizes for cell in measure_size(data, options, size)]
    losses = sorted(cell.loss for cell in cells)
    within = sum(loss <= TOLERATED for loss in losses) / len(losses)
    print(f"\nThe planner's choice is within {TOLERATED} × of the best way in {within:.0%} of {len(cells)} cells; the median "
          f"factor is {losses[len(losses) // 2]:.2f}, the greatest {losses[-1]:.2f}.\n", flush=True)
