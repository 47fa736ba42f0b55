#!/usr/bin/env python3
"""Sparse vectors made of short texts: sparse_data.py TEXTS OUT [--expand N]

TEXTS has a text a line. OUT gets a line a text, as COPY takes it: number, sparsevec.  The weight of a word is
(1 + log tf) * log(rows / df); vectors are normalized. With --expand each text also gets the N words that go best with
each of its own, at a part of their weight, as learned sparse models do: about 100 values a row instead of 10.
"""

import argparse
import collections
import gzip
import math
import re

WORD = re.compile(r"[a-z][a-z0-9+]+")


def companions(texts, rows_of, count):
    """For each word the `count` that share the greatest part of its texts, by the cosine of their sets of rows."""
    found = {}
    for word, rows in rows_of.items():
        shared = collections.Counter()
        for row in rows[:200]:
            shared.update(texts[row])
        shared.pop(word, None)
        sample = min(len(rows), 200)
        scored = [(n / math.sqrt(sample * len(rows_of[other])), other) for other, n in shared.items() if n > 1]
        found[word] = sorted(scored, reverse=True)[:count]
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("texts")
    parser.add_argument("out")
    parser.add_argument("--expand", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1 << 60)
    args = parser.parse_args()
    opener = gzip.open if args.texts.endswith(".gz") else open
    with opener(args.texts, "rt", encoding="utf-8") as file:
        lines = [line for _, line in zip(range(args.rows), file)]
    texts = [collections.Counter(WORD.findall(line.lower())) for line in lines]
    rows_of = collections.defaultdict(list)
    for row, text in enumerate(texts):
        for word in text:
            rows_of[word].append(row)
    number = {word: i + 1 for i, word in enumerate(sorted(rows_of))}
    idf = {word: math.log(len(texts) / len(rows)) for word, rows in rows_of.items()}
    found = companions(texts, rows_of, args.expand) if args.expand else {}
    with open(args.out, "w", encoding="ascii") as out:
        for row, text in enumerate(texts):
            weights = {word: (1 + math.log(n)) * idf[word] for word, n in text.items()}
            for word, weight in list(weights.items()) if args.expand else []:
                for score, other in found[word]:
                    weights[other] = max(weights.get(other, 0), 0.7 * weight * min(score * 3, 1))
            length = math.sqrt(sum(w * w for w in weights.values()))
            if length == 0:
                continue
            values = ",".join(
                f"{i}:{w / length:.4f}"
                for i, w in sorted((number[word], w) for word, w in weights.items())
                if w / length >= 0.0001
            )
            out.write(f"{row}\t{{{values}}}/{len(number)}\n")


if __name__ == "__main__":
    main()
