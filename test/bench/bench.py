"""Measures vector indexes in a running PostgreSQL and prints Markdown; run.sh starts the server and calls this.

Each data set and each engine get a database of their own in the same server. What is measured is said in the module of
the mode: standard.py and, for annex alone, choices.py, growth.py, drift.py, cold.py and perf_profile.py. How speed and
recall are measured is said in instance.py. bits.py measures codes of the same vectors, graph.py annex's hnsw beside
pgvector's, indexes.py ivf beside hnsw; functions.py measures no index, but the functions of the types.
"""

import argparse
import importlib
import os
import platform
import re
import sys

from datasets import find_data_sets
from engines import installed_engines
from psql import Session

MODES = {"standard": "standard", "options": "choices", "growth": "growth", "drift": "drift", "cold": "cold",
         "profile": "perf_profile", "filters": "filters", "filter-grid": "filter_grid", "functions": "functions",
         "bits": "bits", "graph": "graph", "indexes": "indexes"}
# These make their own rows.
WITHOUT_DATA = ("functions",)


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    if found:
        model = found.group(1)
    return f"{model}, {os.cpu_count()} CPUs, {platform.machine()}"


def print_circumstances(options):
    session = Session("postgres")
    version = session.value("SELECT current_setting('server_version')")
    buffers = session.value("SELECT current_setting('shared_buffers')")
    extensions = dict(session.rows("SELECT name, default_version FROM pg_available_extensions"))
    session.close()
    engines = installed_engines(options.engines.split())
    if not engines:
        sys.exit(f"none of the engines is installed: {options.engines}")
    names = ", ".join(f"{each.name} {extensions[each.extension]}" for each in engines)
    print(f"PostgreSQL {version}, {names}; {machine()}; shared_buffers {buffers}, maintenance_work_mem {options.memory}, "
          f"max_parallel_maintenance_workers {options.workers}; fastest of {options.repeat} rounds, of {options.builds} "
          f"builds; load average {os.getloadavg()[1]:.1f} at the start. QPS are by processor time.", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="folders, with a colon between them")
    parser.add_argument("--mode", choices=MODES, default="standard")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--sets", default="")
    parser.add_argument("--engines", default="")
    parser.add_argument("--calls", default="", help="functions: only these, with semicolons between them")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--engine-bench", default="", help="the program that measures the engine alone")
    parser.add_argument("--keep", action="store_true", help="keep and reuse the indexes that are not built from this tree")
    parser.add_argument("--restart", default="", help="a command that restarts the server with SETTING=VALUE...")
    options = parser.parse_args()

    if options.mode in WITHOUT_DATA:
        print_circumstances(options)
        importlib.import_module(MODES[options.mode]).run(options)
        return

    wanted = options.sets.split()
    found = [data for folder in options.data.split(":") for data in find_data_sets(folder)]
    data_sets = [data for data in found if not wanted or data.name in wanted]
    if not data_sets:
        sys.exit(f"{options.data} has no data set" + (f" named {options.sets}" if wanted else ""))

    print_circumstances(options)
    mode = importlib.import_module(MODES[options.mode])
    lines = []
    for data in data_sets:
        lines.append(mode.run(data, options))
        sys.stdout.flush()
    if options.mode == "standard":
        mode.summarize_sets(lines)


if __name__ == "__main__":
    main()
