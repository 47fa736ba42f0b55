"""annex's ivf beside its hnsw, both with their defaults and by annex.target_recall, measured as in graph.py.

Then what comes of them before a VACUUM: rows of another kind, a quarter as many as there were, come into a finished index
(the same vectors with their coordinates in reverse order, as in drift.py, asked for by queries made in the same way), and
an index is made on an empty table. The exact answers come from a sequential scan.
"""

from dataclasses import replace

import graph
import vectors
from drift import QUERIES, reversed_
from engines import Setting, annex
from instance import K, Instance, note
from report import heading, number, row, share, table

SETTINGS = [Setting(f"target_recall = {recall}", {"annex.target_recall": recall}) for recall in graph.ASKED]
USUAL = SETTINGS[graph.ASKED.index(.95)]
OTHER_SHARE = 4  # one row in so many comes again, reversed
KINDS = ("old_queries", "other_queries")


def instance_of(method, data, options):
    instance = Instance(data, replace(annex(), method=method, settings=SETTINGS), options)
    instance.database += f"_{method}"
    return instance


def run(data, options):
    instances = [instance_of(method, data, options) for method in ("ivf", "hnsw")]
    graph.measure(instances, options, USUAL, "defaults")
    stages = {instance: before_vacuum(instance) for instance in instances}
    heading(f"Before a VACUUM: recall@{K} and QPS by {USUAL.label}")
    titles = [f"{each.engine.title}: {what}" for each in instances for what in ("recall", "QPS")]
    table(["rows", "queries for", *titles], 2)
    for ours, theirs in zip(*stages.values()):
        row(*ours[:2], *ours[2:], *theirs[2:])
    graph.list_settings(instances)
    for instance in instances:
        instance.drop()


def before_vacuum(instance):
    """A list of (rows, queries for, recall, QPS)."""
    note(f"{instance.data.name}: before a VACUUM, {instance.engine.title}")
    instance.apply(USUAL)
    start_anew(instance)
    instance.session.run("INSERT INTO items SELECT * FROM other")
    stages = []
    for label, statement in (("others came, no VACUUM", ""), ("after VACUUM", "VACUUM items"),
                             ("built anew", "REINDEX INDEX items_index"),
                             ("into an empty index, no VACUUM", fill_empty(instance))):
        if statement:
            instance.session.run(statement)
        stages += [(label, *cells) for cells in measured(instance)]
    return stages


def start_anew(instance):
    """The table as it was loaded, without what other measurements left in it, and its index; the rows to come; the queries."""
    data, session = instance.data, instance.session
    session.run(f"DROP INDEX items_index; DELETE FROM items WHERE id >= {instance.rows}")
    session.run("VACUUM FULL ANALYZE items")
    instance.create_table("other")
    some = (each for i, each in enumerate(vectors.read(data.base, 0, instance.rows)) if i % OTHER_SHARE == 0)
    vectors.copy(instance.database, "other (id, v)", ((2 * instance.rows + i, reversed_(each)) for i, each in enumerate(some)))
    for name, change in zip(KINDS, (lambda vector: vector, reversed_)):
        instance.create_table(name)
        asked = vectors.read(data.query_sets[0].path, 0, QUERIES)
        vectors.copy(instance.database, f"{name} (id, v)", enumerate(change(each) for each in asked))
    # the exact answers, while there is no index
    session.run("CREATE TABLE with_index AS SELECT * FROM items; INSERT INTO items SELECT * FROM other")
    for name in KINDS:
        session.run(f"CREATE TABLE {name}_truth (id integer, near integer[])")
        instance.store_truth(f"{name}_truth", name, K)
    session.run("TRUNCATE items; INSERT INTO items SELECT * FROM with_index; DROP TABLE with_index")
    session.run(index_statement(instance))
    session.run("VACUUM ANALYZE items")


def index_statement(instance):
    return f"CREATE INDEX items_index ON items USING {instance.engine.method} (v {instance.operator_class})"


def fill_empty(instance):
    return (f"CREATE TABLE again AS SELECT * FROM items; DROP INDEX items_index; TRUNCATE items; {index_statement(instance)}; "
            "INSERT INTO items SELECT * FROM again; DROP TABLE again; ANALYZE items")


def measured(instance):
    """The session is a new one, so that it knows the index as it is now."""
    instance.session.close()
    instance.reconnect()
    instance.apply(USUAL)
    instance.expected.clear()
    for name, label in zip(KINDS, ("the old rows", "the others")):
        recall = instance.measure_recall(name, f"{name}_truth")
        yield label, share(recall), number(instance.measure_qps(name))
