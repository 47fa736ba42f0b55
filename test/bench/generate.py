"""Writes a synthetic data set of any size for the benchmark:

    generate.py NAME ROWS DIMENSIONS [--queries 1000] [--clusters 256] [--intrinsic 16] [--noise 0.1] [--seed 1]

makes NAME.base.fbin, NAME.query.fbin and NAME.gt100.ibin (the 100 nearest rows of each query by L2, nearest first).
Uniform random vectors would be of no use: they have no neighbours to speak of. These lie near low-dimensional affine
pieces: each cluster has a centre and a random linear map from `intrinsic` dimensions, and a little noise in all. The
clusters' sizes differ as in Zipf's law. Needs python3-numpy.
"""

import argparse

import numpy

TRUTH = 100
CHUNK = 65536


class Mixture:
    def __init__(self, options, random):
        self.options = options
        self.random = random
        shape = (options.clusters, options.dimensions)
        self.centres = random.standard_normal(shape, dtype=numpy.float32)
        self.maps = random.standard_normal((options.clusters, options.intrinsic, options.dimensions),
                                           dtype=numpy.float32) / numpy.sqrt(options.intrinsic)
        weights = 1 / numpy.arange(1, options.clusters + 1)
        self.weights = weights / weights.sum()

    def draw(self, count):
        options = self.options
        clusters = self.random.choice(options.clusters, count, p=self.weights)
        rows = self.centres[clusters]
        latent = self.random.standard_normal((count, options.intrinsic), dtype=numpy.float32)
        for cluster in numpy.unique(clusters):
            members = clusters == cluster
            rows[members] += latent[members] @ self.maps[cluster]
        return rows + options.noise * self.random.standard_normal(rows.shape, dtype=numpy.float32)


def write(path, rows, columns, chunks):
    """Writes a vector file of so many rows and columns from arrays that have them together."""
    with open(path, "wb") as file:
        numpy.array([rows, columns], dtype="<i4").tofile(file)
        for chunk in chunks:
            chunk.tofile(file)


def nearest(queries, base, first, best):
    """Merges the nearest of a chunk of rows, which are numbered from `first`, into best = (squared distances, rows)."""
    distances = (base * base).sum(axis=1) - 2 * (queries @ base.T)
    rows = numpy.broadcast_to(numpy.arange(first, first + len(base), dtype="<i4"), distances.shape)
    distances = numpy.concatenate([best[0], distances], axis=1)
    rows = numpy.concatenate([best[1], rows], axis=1)
    keep = numpy.argsort(distances, axis=1, kind="stable")[:, :TRUTH]
    return numpy.take_along_axis(distances, keep, axis=1), numpy.take_along_axis(rows, keep, axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("rows", type=int)
    parser.add_argument("dimensions", type=int)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument("--intrinsic", type=int, default=16)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.rows < TRUTH:
        parser.error(f"at least {TRUTH} rows")

    mixture = Mixture(options, numpy.random.default_rng(options.seed))
    queries = mixture.draw(options.queries)
    write(f"{options.name}.query.fbin", options.queries, options.dimensions, [queries])

    best = (numpy.empty((options.queries, 0), dtype=numpy.float32), numpy.empty((options.queries, 0), dtype="<i4"))

    def chunks():
        nonlocal best
        for first in range(0, options.rows, CHUNK):
            base = mixture.draw(min(CHUNK, options.rows - first))
            best = nearest(queries, base, first, best)
            yield base

    write(f"{options.name}.base.fbin", options.rows, options.dimensions, chunks())
    write(f"{options.name}.gt100.ibin", options.queries, TRUTH, [best[1].astype("<i4")])


if __name__ == "__main__":
    main()
