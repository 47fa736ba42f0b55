"""The data sets that a folder holds, and how their metric is written in SQL."""

import glob
import os
import re
from dataclasses import dataclass

import vectors

OPERATORS = {"l2": ("<->", "vector_l2_ops"), "cosine": ("<=>", "vector_cosine_ops"), "ip": ("<#>", "vector_ip_ops")}
COSINE = ("packages", "text")


@dataclass
class QuerySet:
    name: str
    path: str
    truth: str = ""


@dataclass
class DataSet:
    name: str
    base: str
    metric: str
    query_sets: list
    rows: int = 0
    dimensions: int = 0

    def __post_init__(self):
        self.rows, self.dimensions = vectors.shape(self.base)


def find_data_sets(folder):
    """NAME.base.*, with NAME.query.* and NAME.questions.*, and their NAME[.questions].gt100.ibin; or the demo's files.

    A name that begins with one of COSINE means that metric, all else L2.
    """
    found = []
    for base in sorted(glob.glob(os.path.join(folder, "*.base.*bin"))):
        stem, suffix = re.match(r"(.*)\.base\.(\w+)$", base).groups()
        candidates = [QuerySet("held-out rows", f"{stem}.query.{suffix}", f"{stem}.gt100.ibin"),
                      QuerySet("questions", f"{stem}.questions.{suffix}", f"{stem}.questions.gt100.ibin")]
        name = os.path.basename(stem)
        found.append(DataSet(name, base, "cosine" if name.startswith(COSINE) else "l2",
                             [each for each in candidates if os.path.exists(each.path)]))
    demo = os.path.join(folder, "packages.i8bin")
    if not found and os.path.exists(demo):
        found.append(DataSet("demo packages", demo, "cosine",
                             [QuerySet("questions", os.path.join(folder, "questions.i8bin"))]))
    return found
