"""Asked and measured recall: what annex.target_recall gives, beside the best ivf.probes of the same recall."""

from engines import Setting
from instance import note
from report import heading, number, qps_at, ratio, row, share, table

TARGETS = (.9, .95, .99)


class TargetRecall:
    """For the instance of annex whose settings chosen by hand are measured; nothing where there is no such setting."""

    def __init__(self, instance, options):
        self.instance = instance
        self.options = options
        self.settings = []

    def measure(self):
        instance = self.instance
        if instance.engine.name != "annex":
            return
        known = instance.session.value("SELECT current_setting('annex.target_recall', true) IS NOT NULL")
        if known != "t":
            note("    there is no annex.target_recall")
            return
        self.settings = [Setting(str(target), {"annex.target_recall": target}) for target in TARGETS]
        instance.measure_all_recalls(self.settings)
        for _ in range(self.options.repeat):
            for position, _ in enumerate(instance.data.query_sets):
                for setting in self.settings:
                    instance.measure_speed_of(position, setting)

    def report(self):
        if not self.settings:
            return
        heading("Recall asked for")
        table(["queries", "annex.target_recall", "recall@10", "QPS", "QPS of the best ivf.probes", "ratio"])
        instance = self.instance
        for position, queries in enumerate(instance.data.query_sets):
            for setting in self.settings:
                recall, qps = instance.recall[position, setting.label], instance.qps[position, setting.label]
                best = qps_at(recall, instance.points(position))
                row(queries.name, setting.label, share(recall), number(qps), number(best), ratio(qps, best))
