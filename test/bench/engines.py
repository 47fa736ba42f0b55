"""The indexes that are measured: how each is made, and the settings between speed and recall that it is tried with."""

from dataclasses import dataclass, field

from psql import Session


@dataclass
class Setting:
    label: str
    values: dict = field(default_factory=dict)


@dataclass
class Engine:
    name: str
    extension: str
    method: str
    options: str  # of CREATE INDEX
    settings: list
    fixed: bool = False  # not built from this tree: its index may be kept from run to run

    @property
    def title(self):
        return f"{self.name} {self.method}"

    def for_limit(self, k):
        """The setting that lets one statement return k rows with a recall worth the name."""
        if self.name == "annex":
            return Setting("defaults")
        values = {"hnsw.ef_search": min(max(k, 40), 1000)}
        if k > 1000:
            values |= {"hnsw.iterative_scan": "relaxed_order", "hnsw.max_scan_tuples": 1000000,
                       "hnsw.scan_mem_multiplier": 1000}
        return Setting(", ".join(f"{name.partition('.')[2]} = {value}" for name, value in values.items()), values)


PROBES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, "all")
WIDER = ((128, 3), (512, 3), ("all", 4))


def _lists(probes):
    return "all lists" if probes == "all" else f"probes = {probes}"


def annex(options=""):
    settings = [Setting("defaults")]
    settings += [Setting(_lists(probes), {"ivf.probes": probes}) for probes in PROBES]
    settings += [Setting(f"{_lists(probes)}, epsilon = {epsilon}", {"ivf.probes": probes, "ivf.epsilon": epsilon})
                 for probes, epsilon in WIDER]
    return Engine("annex", "annex", "ivf", options, settings)


def pgvector():
    settings = [Setting(f"ef_search = {ef}", {"hnsw.ef_search": ef}) for ef in (40, 80, 160, 320, 640, 1000)]
    return Engine("pgvector", "vector", "hnsw", "WITH (m = 16, ef_construction = 64)", settings, fixed=True)


def installed_engines(wanted):
    """Those of the wanted (all if none is named) that the server can create, annex first."""
    session = Session("postgres")
    available = {row[0] for row in session.rows("SELECT name FROM pg_available_extensions")}
    session.close()
    engines = [each for each in (annex(), pgvector()) if each.extension in available]
    return [each for each in engines if not wanted or each.name in wanted]
