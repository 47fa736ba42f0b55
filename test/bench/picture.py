#!/usr/bin/env python3
"""Draws what BENCH_MODE=filter-grid printed: picture.py FILE PICTURE.svg [DATA_SET]

A panel for each number of rows and LIMIT: QPS of each way by the share of rows that pass, both logarithmic, with rings where
the planner's choice lies. Of several data sets in FILE the largest is drawn if none is named. SVG, nothing but the standard
library.
"""

import math
import re
import sys
from dataclasses import dataclass, field

COLORS = {"exact": "#c2571a", "set": "#1b6ca8", "plain": "#3d8b37", "columns": "#8e44ad"}
OTHER = "#777777"
CHOICE = "planner's choice"
WIDTH, HEIGHT = 250, 150      # of a panel
LEFT, TOP, GAP = 64, 76, 18   # around and between panels
LEAST = .05                   # QPS are printed with one digit behind the point
STYLE = """
text { font: 11px sans-serif; fill: #333 }
.title { font-size: 13px; font-weight: bold }
.axis { stroke: #999; stroke-width: 1; fill: none }
.grid { stroke: #ddd; stroke-width: .5 }
.way { fill: none; stroke-width: 1.8 }
.choice { fill: none; stroke: #111; stroke-width: 1.3 }
.ground { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #ccc } .grid { stroke: #444 } .choice { stroke: #eee } .ground { fill: #161b22 }
}
"""


@dataclass
class Grid:
    """One data set: panels by (rows, LIMIT), each {way: [(share, QPS)]}."""
    title: str
    panels: dict = field(default_factory=dict)

    @property
    def sizes(self):
        return sorted({rows for rows, _ in self.panels})

    @property
    def limits(self):
        return sorted({limit for _, limit in self.panels})


def number(text):
    return float(text.replace(",", "").replace(" ", "").rstrip("%×"))


def parse(text):
    """The grids of all data sets in a file."""
    grids = []
    rows, titles = None, []
    for line in text.splitlines():
        if found := re.match(r"### (.*)", line):
            grids.append(Grid(found.group(1)))
            rows = None
        elif found := re.match(r"#### ([\d,]+) rows", line):
            rows = int(number(found.group(1)))
        elif rows and line.startswith("| LIMIT"):
            titles = [each.strip() for each in line.strip("| ").split("|")]
        elif rows and re.match(r"\| [\d,]+ \|", line):
            add(grids[-1], rows, dict(zip(titles, (each.strip() for each in line.strip("| ").split("|")))))
    return [grid for grid in grids if grid.panels]


def add(grid, rows, cells):
    panel = grid.panels.setdefault((rows, int(number(cells["LIMIT"]))), {})
    for title, cell in cells.items():
        if title.endswith(": QPS") and cell != "–":
            panel.setdefault(title.removesuffix(": QPS"), []).append((number(cells["share"]) / 100, max(number(cell), LEAST)))


class Scale:
    """From the logarithms of a range to places along a line."""

    def __init__(self, least, most, first, last):
        self.least, self.most = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
        self.first, self.last = first, last

    def __call__(self, value):
        share = (math.log10(value) - self.least) / (self.most - self.least)
        return self.first + share * (self.last - self.first)

    def decades(self):
        return [10.0**each for each in range(self.least, self.most + 1)]


def short(value):
    for factor, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g}{suffix}"
    return f"{value:g}"


def text(x, y, content, anchor="middle", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind and f" class={kind!r}"}>{content}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def draw_panel(panel, across, upward, labels_left, labels_below):
    """The parts of one panel; the scales say where it lies."""
    parts = []
    for position, share in enumerate(reversed(across.decades())):
        parts.append(line(across(share), upward.first, across(share), upward.last, "grid"))
        if labels_below and position % 2 == 0:
            parts.append(text(across(share), upward.first + 14, f"{share * 100:g}%"))
    for qps in upward.decades():
        parts.append(line(across.first, upward(qps), across.last, upward(qps), "grid"))
        if labels_left:
            parts.append(text(across.first - 5, upward(qps) + 4, short(qps), "end"))
    parts.append(f'<rect x="{across.first}" y="{upward.last}" width="{across.last - across.first}" '
                 f'height="{upward.first - upward.last}" class="axis"/>')
    for way, points in panel.items():
        if way == CHOICE:
            continue
        path = " ".join(f"{across(share):.1f},{upward(qps):.1f}" for share, qps in points)
        parts.append(f'<polyline points="{path}" class="way" stroke="{COLORS.get(way, OTHER)}"/>')
    for share, qps in panel.get(CHOICE, []):
        parts.append(f'<circle cx="{across(share):.1f}" cy="{upward(qps):.1f}" r="4" class="choice"/>')
    return parts


def draw_legend(ways, x, y):
    parts = []
    for way in ways:
        if way == CHOICE:
            parts.append(f'<circle cx="{x + 11}" cy="{y - 4}" r="4" class="choice"/>')
        else:
            parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" class="way" stroke="{COLORS.get(way, OTHER)}"/>')
        parts.append(text(x + 28, y, way, "start"))
        x += 48 + 7 * len(way)
    return parts


def draw(grid):
    width = LEFT + len(grid.sizes) * (WIDTH + GAP) + GAP
    height = TOP + len(grid.limits) * (HEIGHT + GAP) + 44
    points = [point for panel in grid.panels.values() for line_of in panel.values() for point in line_of]
    shares, speeds = zip(*points)
    ways = list(dict.fromkeys(way for panel in grid.panels.values() for way in panel))
    parts = [f'<rect width="{width}" height="{height}" class="ground"/>',
             text(LEFT, 22, f"Queries a second by the share of rows that pass a filter ({grid.title.partition(':')[0]})", "start", "title"),
             *draw_legend(ways, LEFT, 44)]
    for column, rows in enumerate(grid.sizes):
        left = LEFT + column * (WIDTH + GAP)
        parts.append(text(left + WIDTH / 2, TOP - 8, f"{rows:,} rows"))
        for position, limit in enumerate(grid.limits):
            top = TOP + position * (HEIGHT + GAP)
            across = Scale(min(shares), max(shares), left, left + WIDTH)
            upward = Scale(min(speeds), max(speeds), top + HEIGHT, top)
            last = position == len(grid.limits) - 1
            parts += draw_panel(grid.panels.get((rows, limit), {}), across, upward, column == 0, last)
            parts.append(text(left + WIDTH - 6, top + 15, f"LIMIT {limit:,}", "end"))
    parts.append(text(LEFT + (width - LEFT) / 2, height - 10, "share of rows that pass"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")


def of(printed, data_set=None):
    """The picture of one data set, the largest if none is named, in what filter-grid printed."""
    grids = [grid for grid in parse(printed) if data_set is None or grid.title.startswith(f"{data_set}:")]
    if not grids:
        sys.exit("there is no grid to draw")
    return draw(max(grids, key=lambda each: max(each.sizes)))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        drawn = of(file.read(), *sys.argv[3:])
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(drawn)


if __name__ == "__main__":
    main()
