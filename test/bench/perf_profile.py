"""Where the time of a query goes, from the SQL statement down: annex alone, by sampling its backend with perf.

The statement of the benchmark runs over and over with the least ivf.probes that reach a recall of .95. A sample belongs to
the part that the innermost function stands for; one in PostgreSQL's own code, to the reading of heap tuples if that
called it, to the visits of pages if it is the buffer manager, or else to the executor. Needs the program perf and the
right to use it (kernel.perf_event_paranoid).
"""

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from engines import annex
from instance import Instance, note
from report import heading, row, share, table

RECALL = .95
SECONDS = 8
TOP = 20
# the first that matches the innermost function of the extension counts
PARTS = (("ranking the lists", r"Centroid|RankLists|ChooseLists"),
         ("estimates from sketches", r"Sketch|PackBlock|Estimate|Block"),
         ("exact distances", r"::(Cosine|L2|InnerProduct|Dot)\w*$|annex_vector_|vector_(l2|cosine|negative)"),
         ("visits of the index's pages", r"Pin|Page|Prefetch|Hint|Buffer"),
         ("refinement", r"Row|Refine"),
         ("candidates", r"Survivor|introsort|heap|Wants|Consider|Round|Candidate|PlaceSet|sort"),
         ("turning the query", r"Rotat|Hadamard|LookUp|Table"))
BUFFERS = re.compile(r"Buffer|BufTable|BufHdr|LWLock|hash_search")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")


def run(data, options):
    if not shutil.which("perf"):
        sys.exit("perf is not installed")
    instance = Instance(data, annex(), options)
    instance.load()
    instance.find_truth()
    instance.build()
    instance.prepare()
    instance.require_index()
    setting, recall = least_probes(instance)
    instance.apply(setting)
    instance.session.run(instance.statement("queries0"))
    samples = record(instance)

    print(f"\n### {data.name}: {setting.label}, recall {recall:.3f}\n")
    report(samples)
    instance.drop()


def least_probes(instance):
    for setting in instance.engine.settings:
        if setting.values and "ivf.epsilon" not in setting.values:
            instance.apply(setting)
            recall = instance.measure_recall("queries0", "truth0")
            if recall >= RECALL:
                break
    return setting, recall


def record(instance):
    """Samples of the backend: each the frames from the innermost on, as (function, file)."""
    note(f"{instance.data.name}: perf")
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            instance.session.run(instance.statement("queries0"))

    worker = threading.Thread(target=loop)
    worker.start()
    with tempfile.NamedTemporaryFile(suffix=".perf") as file:
        subprocess.run(["perf", "record", "-q", "-g", "-o", file.name, "-p", str(instance.session.pid),
                        "--", "sleep", str(SECONDS)], check=True, stdout=subprocess.DEVNULL)
        stop.set()
        worker.join()
        text = subprocess.run(["perf", "script", "-i", file.name, "-F", "ip,sym,dso"], check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    samples = []
    for block in text.split("\n\n"):
        frames = [FRAME.match(line).groups() for line in block.split("\n") if FRAME.match(line)]
        if frames:
            samples.append([(function.split("(")[0] if "anonymous" not in function else function, file)
                            for function, file in frames])
    return samples


def part_of(frames):
    function, file = frames[0]
    if file.startswith("[kernel") or file == "[unknown]":
        return "the kernel"
    if os.path.basename(file).startswith("annex"):
        return next((part for part, pattern in PARTS if re.search(pattern, function)), "other code of annex")
    if any(name == "index_fetch_heap" for name, _ in frames):
        return "reading heap tuples"
    if any(BUFFERS.search(name) for name, _ in frames[:4]):
        return "visits of the index's pages"
    return "the executor and all else"


def report(samples):
    parts = collections.Counter(part_of(frames) for frames in samples)
    table(["part", "share of the time"])
    for part, count in parts.most_common():
        row(part, share(count / len(samples)))
    heading("The functions that take most")
    functions = collections.Counter((frames[0][0], os.path.basename(frames[0][1])) for frames in samples)
    table(["function", "of", "share of the time"], 2)
    for (function, file), count in functions.most_common(TOP):
        row(f"`{function}`", file, share(count / len(samples)))
