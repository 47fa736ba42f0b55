"""The engine alone in memory, beside what a query costs in SQL.

engine_bench builds an index of the same options from the same files, outside PostgreSQL, and measures recall and speed
by the same probes. What SQL adds is (a query's time in SQL - the floor's) / (a query's time in the engine), all by
processor time.
"""

import subprocess

from instance import note
from report import heading, number, qps_at, row, table

RECALLS = (.9, .95, .99)


class EngineAlone:
    def __init__(self, instance, options):
        self.instance = instance
        self.program = options.engine_bench
        self.points = {}  # set of queries -> (recall, QPS) of settings

    def measure(self):
        instance = self.instance
        if instance.engine.name != "annex" or not self.program:
            return
        info = "SELECT lists, CASE WHEN spill THEN 'on' ELSE 'off' END FROM annex_index_info('items_index')"
        lists, spill = instance.session.rows(info)[0]
        for position, queries in enumerate(instance.data.query_sets):
            note(f"{instance.data.name}: the engine alone, {queries.name}, lists = {lists}, spill = {spill}")
            command = [self.program, "--base", instance.data.base, "--query", queries.path,
                       "--metric", instance.data.metric, "--lists", lists, "--spill", spill, "--k", "10",
                       "--threads", str(self.instance.options.workers + 1),
                       "--probes", ",".join(str(each) for each in self.probes())]
            if queries.truth and instance.rows == instance.data.rows:
                command += ["--truth", queries.truth]
            else:
                command += ["--rows", str(instance.rows)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            self.points[position] = points_of(done.stdout)

    def probes(self):
        return [setting.values["ivf.probes"] for setting in self.instance.engine.settings
                if list(setting.values) == ["ivf.probes"] and int(setting.values["ivf.probes"]) <= 512]

    def report(self, floor):
        if not self.points:
            return
        heading("Beside the engine alone in memory")
        table(["queries", "recall@10", "SQL, µs a query", "floor, µs", "engine alone, µs", "(SQL - floor) / engine"])
        for position, queries in enumerate(self.instance.data.query_sets):
            for recall in RECALLS:
                sql, alone = (qps_at(recall, points) for points in (self.instance.points_by_probes(position), self.points[position]))
                if not sql or not alone:
                    continue
                micros = [1e6 / each for each in (sql, floor[self.instance.engine.name], alone)]
                row(queries.name, str(recall), *(number(each, 1) for each in micros),
                    f"{(micros[0] - micros[1]) / micros[2]:.2f}")


def points_of(printed):
    """(recall, QPS) of the lines of engine_bench's table that begin with a number of probes."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.split("\n") if line.startswith("|")]
    recall, qps = cells[0].index("recall@10"), cells[0].index("queries/s")
    return [(float(each[recall]), float(each[qps])) for each in cells if each[0].isdigit()]
