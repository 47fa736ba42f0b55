"""Asked and measured recall: what annex.target_recall gives, beside the best ivf.probes of the same recall."""

from engines import Setting
from instance import note
from report import heading, number, qps_at, ratio, row, share, table

TARGETS = (.9, .95, .97, .99, .995)


class TargetRecall:
    """For an instance of annex; its measurements are made with those of all other settings. Nothing where the server
    does not know the setting."""

    def __init__(self, instance):
        self.instance = instance
        self.settings = []

    def add_settings(self):
        """Call once the library is loaded and before anything is measured."""
        instance = self.instance
        known = instance.session.value("SELECT current_setting('annex.target_recall', true) IS NOT NULL")
        if instance.engine.name != "annex" or known != "t":
            note("    there is no annex.target_recall")
            return
        self.settings = [Setting(f"target_recall = {target}", {"annex.target_recall": target}) for target in TARGETS]
        instance.engine.settings += self.settings

    def report(self):
        if not self.settings:
            return
        heading("Recall asked for")
        table(["queries", "annex.target_recall", "recall@10", "QPS", "QPS of the best ivf.probes", "ratio"])
        instance = self.instance
        for position, queries in enumerate(instance.data.query_sets):
            for setting in self.settings:
                recall, qps = instance.recall[position, setting.label], instance.qps[position, setting.label]
                best = qps_at(recall, instance.points_by_probes(position))
                row(queries.name, str(setting.values["annex.target_recall"]), share(recall), number(qps), number(best), ratio(qps, best))
