#!/usr/bin/env python3
"""Puts what the benchmark printed into the documents: figures.py MODE=FILE...

FILE is the output of run.sh in that mode. In README.md, doc/performance.md and doc/filters.md the lines between
`<!-- figures: MODE -->` and `<!-- end of figures -->` are replaced by it; `summary` stands for the last table of the standard
mode, and for `standard` what comes before that. From `filter-grid` comes the picture doc/filters.svg as well.
"""

import os
import re
import sys

import picture

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DOCUMENTS = ("README.md", os.path.join("doc", "performance.md"), os.path.join("doc", "filters.md"))
PICTURE = os.path.join(ROOT, "doc", "filters.svg")
SUMMARY = "\n### Summary"


def parts_of(mode, text):
    """Mode -> text, with the summary apart and headed by the first line, which tells the circumstances."""
    circumstances, tables = text.split("\n", 1)
    if SUMMARY not in tables:
        return {mode: text}
    tables, summary = tables.split(SUMMARY, 1)
    return {mode: f"{circumstances}\n{tables}", "summary": f"{circumstances}\n\n{summary.split(chr(10), 2)[2]}"}


def replace(document, mode, text):
    pattern = re.compile(rf"(<!-- figures: {mode} -->\n).*?(<!-- end of figures -->)", re.S)
    return pattern.subn(lambda found: f"{found.group(1)}{text.strip()}\n{found.group(2)}", document)


def main():
    parts = {}
    for argument in sys.argv[1:]:
        mode, _, path = argument.partition("=")
        with open(path, encoding="utf-8") as file:
            parts |= parts_of(mode, file.read())
    if not parts:
        sys.exit(__doc__)
    placed = dict.fromkeys(parts, 0)
    for name in DOCUMENTS:
        path = os.path.join(ROOT, name)
        with open(path, encoding="utf-8") as file:
            document = file.read()
        for mode, text in parts.items():
            document, count = replace(document, mode, text)
            placed[mode] += count
        with open(path, "w", encoding="utf-8") as file:
            file.write(document)
    if "filter-grid" in parts:
        with open(PICTURE, "w", encoding="utf-8") as file:
            file.write(picture.of(parts["filter-grid"]))
    missing = [mode for mode, count in placed.items() if not count]
    if missing:
        sys.exit(f"no document has a place for: {', '.join(missing)}")


if __name__ == "__main__":
    main()
