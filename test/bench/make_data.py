"""Makes large real data sets for the benchmark from packages of Debian:

    make_data.py text PACKAGES NAME [--rows 550000] [--share 30000]
    make_data.py pictures PACKAGES NAME [--rows 650000] [--share 120000]

PACKAGES is a folder of .deb files (`apt-get download PACKAGE...`); each gives at most `share` rows.

`text` embeds the distinct sentences of the packages' documentation (HTML, manual pages, info, plain text, dictionaries,
WordNet's glosses, and apt's Translation-en files where they lie in the folder) with the static model of 256 dimensions
that the Python package wordllama contains: a sentence is the mean of its words' vectors. It writes NAME.base.fbin,
NAME.query.fbin (held-out sentences) and NAME.questions.fbin (titles of sections and manual pages: short and without
verbs, queries of another distribution), each with the texts beside it in a .txt. Good packages: dict-gcide dict-foldoc
wordnet-base linux-doc-6.1 openjdk-17-doc postgresql-doc-15 python3.11-doc python-django-doc sagemath-doc manpages-dev
perl-doc bible-kjv-text debian-handbook libreoffice-help-en-us gimp-help-en git-doc r-doc-html rust-doc vim-runtime.

`pictures` writes distinct SIFT descriptors of their pictures as NAME.base.u8bin and NAME.query.u8bin. Good packages:
plasma-workspace-wallpapers gnome-backgrounds mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 ukui-wallpapers
tuxpaint-stamps-default marble-data stellarium-data widelands-data gcompris-qt-data.

Both write the exact 100 nearest rows of every query, nearest first, as NAME[.questions].gt100.ibin, by cosine for text
and by L2 for pictures. The same packages give the same rows. Needs dpkg-deb and, from Python's own index, wordllama and
opencv-python-headless (or Debian's python3-opencv).
"""

import argparse
import glob
import gzip
import hashlib
import html
import os
import random
import re
import subprocess
import sys
import tempfile

import numpy

QUERIES = 1000
QUESTIONS = 500
TRUTH = 100
CHUNK = 16384

# ------------------------------------------------------------------------------------------------------ what is in files

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
BLOCK_TAG = re.compile(r"</?(?:p|div|li|ul|ol|dl|dt|dd|td|th|tr|table|br|hr|h[1-6]|blockquote|section|body|nav|pre)\b[^>]*>",
                       re.I)
IGNORED = re.compile(r"<(script|style|pre|head)\b.*?</\1>", re.I | re.S)
HEADING = re.compile(r"<h[1-4]\b[^>]*>(.*?)</h[1-4]>", re.I | re.S)
TAG = re.compile(r"<[^>]+>")
ROFF_ESCAPE = re.compile(r"\\(?:f(?:\[\w*\]|\(..|.)|s[-+]?\d|[&/,|^%:]|\*\(..|\*.|\((?:[a-z]{2}|\*.))")


def from_html(text):
    headings = [html.unescape(TAG.sub("", each)) for each in HEADING.findall(text)]
    text = BLOCK_TAG.sub("\n\n", IGNORED.sub(" ", text))
    return html.unescape(TAG.sub("", text)), headings


def from_roff(text):
    """A manual page: requests that set words keep them, all others end a paragraph."""
    lines, headings = [], []
    for line in text.split("\n"):
        line = ROFF_ESCAPE.sub("", line).replace("\\-", "-").replace("\\e", "\\")
        request = re.match(r"[.'](\w*)\s*(.*)", line)
        if not request:
            lines.append(line)
        elif request.group(1) in ("B", "I", "BR", "IR", "BI", "RB", "RI", "IB"):
            lines.append(request.group(2).replace('"', ""))
        else:
            if request.group(1) in ("SH", "SS"):
                headings.append(request.group(2).strip('"').capitalize())
            lines.append("\n")
    return "\n".join(lines), headings


def from_wordnet(text):
    glosses = [line.partition("| ")[2] for line in text.split("\n")]
    return "\n\n".join(part.strip('" ') for gloss in glosses for part in gloss.split('; "')), []


def from_descriptions(text):
    """apt's Translation-en: a paragraph ends at " ."; the short descriptions are the titles."""
    headings = re.findall(r"^Description-en: (.*)$", text, re.M)
    return re.sub(r"^(?: \.|Package:.*|Description-\w+:.*|)$", "\n", text, flags=re.M), headings


def readers_of(path):
    """The function that reads a file, or None where it is no text in English that we know to read."""
    name = os.path.basename(path).removesuffix(".gz").removesuffix(".dz")
    if "/man/" in path:
        return from_roff if re.search(r"/man/man\d\w*/", path) else None
    if re.search(r"/wordnet/data\.\w+$", path):
        return from_wordnet
    if re.search(r"\.x?html?$", name):
        return from_html
    if re.search(r"\.(txt|rst|dict|info|info-\d+|pod|md)$", name) or "/games/fortunes/" in path:
        return lambda text: (text, [])
    return None


def read_text(path):
    opener = gzip.open if path.endswith((".gz", ".dz")) else open
    with opener(path, "rb") as file:
        return file.read().decode("utf-8", errors="ignore")


def sentences(text):
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in SENTENCE_END.split(" ".join(paragraph.split())):
            letters = sum(each.isalpha() or each == " " for each in sentence)
            if 20 <= len(sentence) <= 500 and sentence.count(" ") >= 3 and letters >= 0.85 * len(sentence):
                yield sentence


# -------------------------------------------------------------------------------------------------------- the packages

def files_of(package, folder):
    """Unpacks a package; its files in an order that is always the same and has nothing to do with their names."""
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    found = [path for path in found if os.path.isfile(path) and not os.path.islink(path)]
    return sorted(found, key=lambda path: hashlib.sha256(os.path.relpath(path, folder).encode()).digest())


def packages(folder):
    """Name and files of each package, while it lies unpacked in a temporary folder."""
    for package in sorted(glob.glob(os.path.join(folder, "*.deb"))):
        with tempfile.TemporaryDirectory() as unpacked:
            yield os.path.basename(package), files_of(package, unpacked)


# ----------------------------------------------------------------------------------------------------------------- text

class Texts:
    """Distinct sentences and titles, where case does not make a difference."""

    def __init__(self, share):
        self.share = share
        self.seen = set()
        self.sentences = []
        self.titles = []

    def add_file(self, text, headings, left):
        """Adds at most `left` sentences; returns how many."""
        added = 0
        for sentence in sentences(text):
            if added == left:
                break
            if sentence.lower() not in self.seen:
                self.seen.add(sentence.lower())
                self.sentences.append(sentence)
                added += 1
        for heading in headings:
            heading = re.sub(r"^[\W\d.]*\d\.?\s+", "", " ".join(heading.split())).strip("¶# ")
            if 2 <= heading.count(" ") <= 7 and len(heading) <= 70 and heading.lower() not in self.seen:
                self.seen.add(heading.lower())
                self.titles.append(heading)
        return added

    def add_package(self, name, paths):
        added = 0
        for path in paths:
            reader = readers_of(path)
            if reader and added < self.share:
                added += self.add_file(*reader(read_text(path)), self.share - added)
        note(f"{name}: {added} sentences")


class Model:
    """The static model in the package wordllama: a table of vectors, a row a token."""

    def __init__(self):
        import safetensors.numpy
        import tokenizers
        import wordllama
        folder = os.path.dirname(wordllama.__file__)
        table = safetensors.numpy.load_file(os.path.join(folder, "weights", "l2_supercat_256.safetensors"))
        self.table = next(iter(table.values())).astype(numpy.float32)
        self.tokenizer = tokenizers.Tokenizer.from_file(
            os.path.join(folder, "tokenizers", "l2_supercat_tokenizer_config.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def embed(self, texts):
        vectors = numpy.empty((len(texts), self.table.shape[1]), dtype=numpy.float32)
        for first in range(0, len(texts), CHUNK):
            for i, each in enumerate(self.tokenizer.encode_batch(texts[first:first + CHUNK], add_special_tokens=False)):
                vectors[first + i] = self.table[each.ids].mean(axis=0)
        return vectors


def make_text(options):
    texts = Texts(options.share)
    for path in sorted(glob.glob(os.path.join(options.packages, "*Translation-en"))):
        added = texts.add_file(*from_descriptions(read_text(path)), 4 * options.share)
        note(f"{os.path.basename(path)}: {added} sentences")
    for name, paths in packages(options.packages):
        texts.add_package(name, paths)

    order = random.Random(1)
    order.shuffle(texts.sentences)
    titles = order.sample(texts.titles, min(QUESTIONS, len(texts.titles)))
    wanted = texts.sentences[:options.rows + QUERIES]
    note(f"{len(texts.sentences)} sentences, {len(texts.titles)} titles; embedding {len(wanted)}")
    model = Model()
    vectors = model.embed(wanted)
    first = distinct(vectors)
    vectors, wanted = vectors[first], [wanted[i] for i in first]
    write_set(options.name, "fbin", vectors[QUERIES:], {"query": vectors[:QUERIES], "questions": model.embed(titles)},
              normalize)
    for part, lines in (("base", wanted[QUERIES:]), ("query", wanted[:QUERIES]), ("questions", titles)):
        with open(f"{options.name}.{part}.txt", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


# ------------------------------------------------------------------------------------------------------------- pictures

def make_pictures(options):
    import cv2
    sift = cv2.SIFT_create(nfeatures=4000, contrastThreshold=0.02)
    found = []
    for name, paths in packages(options.packages):
        added = 0
        for path in paths:
            if added >= options.share or not path.lower().endswith((".jpg", ".jpeg", ".png", ".webp")):
                continue
            picture = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
            if picture is None or min(picture.shape) < 64:
                continue
            scale = 1600 / max(picture.shape)
            if scale < 1:
                picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            _, descriptors = sift.detectAndCompute(picture, None)
            if descriptors is not None:
                found.append(numpy.clip(descriptors, 0, 255).astype(numpy.uint8)[:options.share - added])
                added += len(found[-1])
        note(f"{name}: {added} descriptors")
    vectors = numpy.concatenate(found)
    vectors = vectors[distinct(vectors)]
    vectors = vectors[numpy.random.default_rng(1).permutation(len(vectors))[:options.rows + QUERIES]]
    write_set(options.name, "u8bin", vectors[QUERIES:], {"query": vectors[:QUERIES]}, lambda rows: rows)


# -------------------------------------------------------------------------------------------------------------- the set

def distinct(vectors):
    """The first row of each vector, in order."""
    seen = {}
    for i, row in enumerate(vectors):
        seen.setdefault(row.tobytes(), i)
    return numpy.fromiter(seen.values(), dtype=numpy.int64)


def normalize(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def exact_answers(base, queries):
    """The rows of the TRUTH nearest by L2, nearest first, of arrays of float32."""
    best = numpy.empty((len(queries), 0), dtype=numpy.float32)
    rows = numpy.empty((len(queries), 0), dtype=numpy.int32)
    for first in range(0, len(base), CHUNK):
        part = base[first:first + CHUNK]
        distances = numpy.concatenate([best, (part * part).sum(axis=1) - 2 * (queries @ part.T)], axis=1)
        numbers = numpy.broadcast_to(numpy.arange(first, first + len(part), dtype=numpy.int32),
                                     (len(queries), len(part)))
        rows = numpy.concatenate([rows, numbers], axis=1)
        keep = numpy.argpartition(distances, TRUTH, axis=1)[:, :TRUTH]
        best = numpy.take_along_axis(distances, keep, axis=1)
        rows = numpy.take_along_axis(rows, keep, axis=1)
    return numpy.take_along_axis(rows, numpy.argsort(best, axis=1, kind="stable"), axis=1)


def write(path, rows):
    with open(path, "wb") as file:
        numpy.array(rows.shape, dtype="<i4").tofile(file)
        numpy.ascontiguousarray(rows).tofile(file)


def write_set(name, suffix, base, query_sets, prepare):
    """Files of the rows, of each set of queries and of their answers; `prepare` makes L2 the metric that is meant."""
    write(f"{name}.base.{suffix}", base)
    compared = prepare(base.astype(numpy.float32))
    for part, queries in query_sets.items():
        note(f"exact answers: {part}")
        write(f"{name}.{part}.{suffix}", queries)
        answers = exact_answers(compared, prepare(queries.astype(numpy.float32)))
        write(f"{name}.gt100.ibin" if part == "query" else f"{name}.{part}.gt100.ibin", answers.astype("<i4"))
    note(f"{name}: {len(base)} rows of {base.shape[1]} dimensions")


def note(text):
    print(text, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("text", "pictures"))
    parser.add_argument("packages")
    parser.add_argument("name")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--share", type=int)
    options = parser.parse_args()
    text = options.kind == "text"
    options.rows = options.rows or (550_000 if text else 650_000)
    options.share = options.share or (30_000 if text else 120_000)
    if text:
        make_text(options)
    else:
        make_pictures(options)


if __name__ == "__main__":
    main()
