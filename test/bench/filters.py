"""WHERE clauses: recall and speed of ORDER BY ... LIMIT 10 under filters of many selectivities.

A filter lets 0.1, 1, 10 or 50 % of the rows pass: at random, those near the queries, or those farthest from them (see
filtered.py). annex has its default settings and the planner's choice, once with a btree index on the filter's column and once
with the filter columns in the vector index. Beside it are the exact plan, which sorts the rows that pass, and pgvector's
hnsw index with a btree index beside it, each time made to take the hnsw index: without iterative scans, with
hnsw.iterative_scan = relaxed_order, and with that and the fastest hnsw.ef_search and hnsw.max_scan_tuples that reach a recall
of TARGET. Where none does, the one of the highest recall stands there in brackets.
"""

from engines import Setting, installed_engines
from filtered import QUERIES, FilteredInstance, far_condition, near_condition, random_condition
from instance import K, keep_best, note
from psql import Session
from report import heading, number, ratio, row, share, table

SHARES = (.001, .01, .1, .5)
TARGET = .95
EXACT = Setting("exact plan", {"enable_indexscan": "off", "annex.enable_filtered_scan": "off"})
HNSW = {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}
RELAXED = HNSW | {"hnsw.iterative_scan": "relaxed_order"}
EF_SEARCH = (40, 100, 400, 1000)
MAX_SCAN_TUPLES = (20000, 100000, 1000000)
SLOW_QUERIES = 50     # by which pgvector's recall is measured
TUNING_QUERIES = 25   # by which its settings are chosen


def conditions_of(instance):
    return [make(instance, each) for make in (random_condition, near_condition, far_condition) for each in SHARES]


class Contender:
    """One way to answer: an instance with a setting for each condition."""

    def __init__(self, label, instance, setting, queries=QUERIES):
        self.label = label
        self.instance = instance
        self.queries = queries  # by which recall is measured
        self.setting = setting  # or a function of the condition
        self.chosen = {}        # the same by the position of the condition
        self.recall = {}
        self.qps = {}

    def measure_recall(self, position, condition, truth):
        truth = truth[:self.queries]
        setting = self.setting(condition, truth) if callable(self.setting) else self.setting
        self.chosen[position] = setting
        self.instance.use(setting.values)
        self.recall[position] = self.instance.recall_of(condition, K, truth)
        note(f"    {condition.label} {condition.percent}, {self.label}, {setting.label}: recall {self.recall[position]:.4f}")

    def measure_speed(self, position, condition):
        self.instance.use(self.chosen[position].values)
        keep_best(self.qps, position, self.instance.speed_of(condition, K))

    def reaches(self, position):
        return self.recall[position] >= TARGET

    def speed(self, position):
        shown = number(self.qps[position], 1 if self.qps[position] < 100 else 0)
        return shown if self.reaches(position) else f"({shown})"


def tuned(instance):
    """A function that finds pgvector's fastest setting that reaches TARGET, or the one that comes nearest."""

    def settings():
        for ef_search in EF_SEARCH:
            for tuples, fewer in zip(MAX_SCAN_TUPLES, (0,) + MAX_SCAN_TUPLES):
                if fewer < instance.rows:
                    yield ef_search, Setting(f"{ef_search}, {tuples:,}", RELAXED | {
                        "hnsw.ef_search": ef_search, "hnsw.max_scan_tuples": tuples, "hnsw.scan_mem_multiplier": 1000})

    def find(condition, truth):
        best = None
        tried = {}  # ef_search -> recall with fewer tuples
        truth = truth[:TUNING_QUERIES]
        for ef_search, setting in settings():
            # more tuples are of no use to what has reached the target, or found no more than with fewer
            if tried.get(ef_search, 0) >= TARGET or tried.get(ef_search) == -1:
                continue
            instance.use(setting.values)
            started = instance.session.cpu_seconds()
            recall = instance.recall_of(condition, K, truth)
            qps = len(truth) / (instance.session.cpu_seconds() - started)
            tried[ef_search] = -1 if recall == tried.get(ef_search) else recall
            if best is None or (min(recall, TARGET), qps) > best[0]:
                best = (min(recall, TARGET), qps), setting
            elif recall >= TARGET:
                break  # a wider search that reaches it too is slower from here on
        return best[1]

    return find


def make_instances(data, options):
    """annex with btree indexes, annex with filter columns where its access method takes them, pgvector where it is."""
    instances = {}
    for engine in installed_engines(options.engines.split()):
        instances[engine.name] = FilteredInstance(data, engine, options)
        if engine.name == "annex" and takes_columns():
            instances["columns"] = FilteredInstance(data, engine, options, "columns", with_columns=True)
    for instance in instances.values():
        instance.load()
        if not instance.kept():
            instance.build()
            instance.session.run("VACUUM ANALYZE items")
        instance.keep()
    return instances


def takes_columns():
    session = Session("dev")
    found = session.value("SELECT pg_indexam_has_property(oid, 'can_multi_col') FROM pg_am WHERE amname = 'ivf'")
    session.close()
    return found == "t"


def contenders_of(instances):
    contenders = []
    if "annex" in instances:
        contenders += [Contender("annex, btree", instances["annex"], Setting("defaults"))]
    if "columns" in instances:
        contenders += [Contender("annex, columns", instances["columns"], Setting("defaults"))]
    if "annex" in instances:
        contenders += [Contender("exact plan", instances["annex"], EXACT)]
    if "pgvector" in instances:
        pgvector = instances["pgvector"]
        contenders += [Contender("pgvector", pgvector, Setting("iterative_scan = off", HNSW), SLOW_QUERIES),
                       Contender("pgvector, relaxed", pgvector, Setting("iterative_scan = relaxed_order", RELAXED), SLOW_QUERIES),
                       Contender("pgvector, tuned", pgvector, tuned(pgvector), SLOW_QUERIES)]
    return contenders


def run(data, options):
    instances = make_instances(data, options)
    contenders = contenders_of(instances)
    first = next(iter(instances.values()))
    conditions = conditions_of(first)
    for position, condition in enumerate(conditions):
        truth = first.truth_of(condition, K)
        for contender in contenders:
            contender.measure_recall(position, condition, truth)
        for _ in range(options.repeat):
            for contender in contenders:
                contender.measure_speed(position, condition)
        note("    " + ", ".join(f"{each.label}: {each.qps[position]:.1f}" for each in contenders))
    report(data, first, conditions, contenders)
    for instance in instances.values():
        instance.drop()


def report(data, instance, conditions, contenders):
    print(f"\n### {data.name}: {instance.rows:,} rows of {data.dimensions} dimensions, {data.metric}\n")
    report_recall(conditions, contenders)
    report_speed(conditions, contenders)


def report_recall(conditions, contenders):
    heading(f"Recall@{K} under filters")
    last = contenders[-1]
    is_tuned = callable(last.setting)
    table(["rows that pass", "share", *(each.label for each in contenders)] +
          (["ef_search, max_scan_tuples"] if is_tuned else []), 2)
    for position, condition in enumerate(conditions):
        row(condition.label, condition.percent, *(share(each.recall[position]) for each in contenders),
            *([last.chosen[position].label] if is_tuned else []))


def report_speed(conditions, contenders):
    heading(f"QPS under filters (in brackets: recall below {TARGET})")
    ratios = [(ours, theirs) for ours in contenders[:2] for theirs in contenders[1:]
              if ours.label in ("annex, btree", "annex, columns") and theirs.label in ("exact plan", "pgvector, tuned")]
    table(["rows that pass", "share", *(each.label for each in contenders),
           *(f"{ours.label} beside {theirs.label}" for ours, theirs in ratios)], 2)
    for position, condition in enumerate(conditions):
        row(condition.label, condition.percent, *(each.speed(position) for each in contenders),
            *(compare(position, ours, theirs) for ours, theirs in ratios))


def compare(position, ours, theirs):
    """How much faster ours is; at least that much where theirs does not reach the recall and ours does."""
    bound = "> " if ours.reaches(position) and not theirs.reaches(position) else ""
    return bound + ratio(ours.qps[position], theirs.qps[position])
