"""Markdown tables, and the speed at a recall from the settings around it."""

import math


def frontier(points):
    """Of pairs (recall, QPS) those that no other beats in both, from the fastest to the best."""
    kept = []
    for point in sorted(points, key=lambda each: (-each[1], -each[0])):
        if not kept or point[0] > kept[-1][0]:
            kept.append(point)
    return kept


def qps_at(recall, points):
    """QPS at a recall from (recall, QPS) of some settings: log QPS linear in recall between neighbours. At the left end
    the fastest setting's QPS, None beyond the right end."""
    kept = frontier(points)
    if not kept or kept[-1][0] < recall:
        return None
    if kept[0][0] >= recall:
        return kept[0][1]
    for (low, fast), (high, slow) in zip(kept, kept[1:]):
        if high >= recall:
            share = (recall - low) / (high - low)
            return math.exp(math.log(fast) + share * (math.log(slow) - math.log(fast)))
    return None


def best_recall(points):
    """The point of the highest recall."""
    return frontier(points)[-1]


def speed_ratio(recall, ours, theirs):
    """How much faster `ours` is at a recall, both pairs (recall, QPS) of settings: where theirs never reach it, at least
    the ratio to their setting that comes nearest."""
    reached, other = qps_at(recall, ours), qps_at(recall, theirs)
    if reached and not other:
        return f"> {ratio(reached, best_recall(theirs)[1])}"
    return ratio(reached, other)


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def share(value):
    return "–" if value is None else f"{value:.4f}"


def quotient(numerator, denominator):
    return None if numerator is None or not denominator else numerator / denominator


def ratio(numerator, denominator):
    """With three significant digits below 100."""
    value = quotient(numerator, denominator)
    if value is None:
        return "–"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} ×"


def heading(text):
    print(f"\n#### {text}\n")


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def table(titles, numeric_from=1):
    """The head of a table; the columns from `numeric_from` on are set to the right."""
    row(*titles)
    row(*("---" if i < numeric_from else "--:" for i in range(len(titles))))


class Comparison:
    """A table with a column an engine and, where there are two, their ratio."""

    def __init__(self, engines):
        self.both = len(engines) == 2
        table(["", *(each.title for each in engines), *(["ratio"] if self.both else [])])

    def line(self, label, values, show=number, less_is_better=False):
        cells = [show(value) for value in values]
        if self.both:
            cells.append(ratio(*(reversed(values) if less_is_better else values)))
        row(label, *cells)

    def recall_line(self, label, recall, points):
        """QPS at a recall; where an engine never reaches it, the most that it reaches and its QPS there."""
        cells = []
        for each in points:
            reached = qps_at(recall, each)
            most, qps = best_recall(each)
            cells.append(number(reached) if reached else f"({most:.3f} @ {number(qps)})")
        if self.both:
            cells.append(speed_ratio(recall, *points))
        row(label, *cells)
