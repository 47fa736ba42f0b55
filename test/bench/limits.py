"""Speed and recall by the number of rows asked for: LIMIT from 1 to 10,000, and OFFSET."""

from instance import keep_best, note
from report import heading, number, ratio, row, share, table

LIMITS = (1, 10, 100, 1000, 10000)
OFFSETS = (90, 990)
DEEP = 1000      # from this k on the queries are those of the sequential scan, and their answers come from a sequential scan
ROUNDS = 2


class Limits:
    def __init__(self, instances, options):
        self.instances = instances
        self.rounds = min(ROUNDS, options.repeat)
        self.limits = [k for k in LIMITS if 5 * k <= instances[0].rows]
        self.recall = {}  # (engine, k) -> share
        self.qps = {}     # (engine, k, offset) -> best of the rounds

    def measure(self):
        note(f"{self.instances[0].data.name}: limits")
        for instance in self.instances:
            instance.session.run("CREATE TABLE deep_truth (id integer, near integer[])")
            instance.store_truth("deep_truth", "scan_queries", max(self.limits))
            for k in self.limits:
                instance.apply(instance.engine.for_limit(k))
                queries, truth = self.tables(k)
                self.recall[instance, k] = instance.measure_recall(queries, truth, k)
        for _ in range(self.rounds):
            for k, offset in self.cases():
                for instance in self.instances:
                    instance.apply(instance.engine.for_limit(k + offset))
                    keep_best(self.qps, (instance, k, offset),
                              instance.measure_qps(self.tables(k + offset)[0], k, offset=offset))

    def cases(self):
        return [(k, 0) for k in self.limits] + [(10, offset) for offset in OFFSETS if 5 * offset <= self.instances[0].rows]

    @staticmethod
    def tables(k):
        """Queries and their exact answers: the data set's 100 nearest where they do."""
        return ("scan_queries", "deep_truth") if k >= DEEP else ("queries0", "truth0")

    def report(self):
        heading("By the number of rows asked for")
        titles = ["LIMIT", "OFFSET"]
        for instance in self.instances:
            titles += [f"{instance.engine.title}: setting", "recall", "QPS"]
        table(titles + (["ratio"] if len(self.instances) == 2 else []), 0)
        for k, offset in self.cases():
            cells = [f"{k:,}", str(offset or "")]
            for instance in self.instances:
                cells += [instance.engine.for_limit(k + offset).label,
                          share(self.recall[instance, k]) if not offset else "",
                          number(self.qps[instance, k, offset], 1 if k >= DEEP else 0)]
            if len(self.instances) == 2:
                cells.append(ratio(*(self.qps[each, k, offset] for each in self.instances)))
            row(*cells)
