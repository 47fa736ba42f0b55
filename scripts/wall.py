#!/usr/bin/env python3
"""Checks the wall between the engine, which throws, and PostgreSQL, which jumps (CONTRIBUTING.md says why).

    scripts/wall.py [TREE]

1. include/annex, src/engine, gpu and the engine's tests know nothing of PostgreSQL.
2. Includes point downwards: planner, monitor, ivfflat -> ivf, hnsw -> index -> types -> the files of src/pg itself -> include/annex.
   ivf and hnsw never meet. PostgreSQL's headers are included as C.
3. PG_VERSION_NUM stands in src/pg/compat.h alone; try and catch in src/pg/guard.h alone.
4. Guard() is given a lambda, and nothing in it calls PostgreSQL, neither directly nor through a function of src/pg.
5. A function whose address PostgreSQL holds is extern "C" and noexcept.

It reads the text, not the program: calls through pointers and virtual functions go unseen.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ENGINE = ("include/annex", "src/engine", "gpu", "test/unit", "test/bench")
SUFFIXES = {".h", ".cc", ".cu", ".cuh"}

# What engine files may include: our own headers, libraries, and <standard headers>.
ENGINE_INCLUDES = re.compile(r'"(annex|engine|hwy|gpu|unit|bench)/|<[a-z_]+>|<(benchmark|gtest|gmock|hwy|sys)/'
                             r"|<(?!(?:postgres\w*|pg_\w+|c|fmgr|miscadmin|libpq\w*)\.h)\w+\.h>")
ENGINE_WORDS = re.compile(r"\b(ereport|elog|palloc0?|pfree|PG_VERSION_NUM|PG_TRY|Datum|POSTGRES_H)\b")

# A file may include what is of a lower rank, or of its own folder.
RANKS = {"": 0, "types": 1, "index": 2, "gpu": 2, "ivf": 3, "hnsw": 3, "ivfflat": 4, "planner": 4, "monitor": 4}

# Functions of PostgreSQL that can report an error, or must not run there for another reason.
POSTGRES_CALL = re.compile(
    r"\b(ereport|elog|errsave|ereturn|ANNEX_SOFT_ERROR|palloc|palloc0|palloc_array|palloc_object|repalloc\w*|pfree|pstrdup"
    r"|pnstrdup|psprintf|MemoryContext(?:Alloc(?!Extended)\w*|Reset\w*|Delete\w*|StrDup|Register\w*)|AllocSetContextCreate"
    r"|CHECK_FOR_INTERRUPTS|ProcessInterrupts|PG_TRY|PG_RE_THROW|PG_GETARG_\w+|PG_DETOAST\w*|pg_detoast\w*"
    r"|ReadBuffer\w*|ReadRecentBuffer|ExtendBuffer\w*|LockBuffer\w*|ConditionalLockBuffer\w*|ReleaseBuffer"
    r"|UnlockReleaseBuffer|MarkBufferDirty\w*|PrefetchBuffer|BufferGetPage|GenericXLog\w+|log_newpage\w*|XLog\w+|smgr\w+"
    r"|PageAddItem\w*|PageInit|index_\w+|table_\w+|heap_\w+|relation_\w+|systable_\w+|RelationGetNumberOfBlocks\w*"
    r"|RecordFreeIndexPage|GetFreeIndexPage|LWLock\w+|LockRelation\w*|UnlockRelation\w*|LockPage|UnlockPage|tuplesort_\w+"
    r"|SPI_\w+|DirectFunctionCall\w+|FunctionCall\w+|OidFunctionCall\w+|SearchSysCache\w*|ReleaseSysCache"
    r"|appendStringInfo\w*|initStringInfo|pq_\w+|pgstat_\w+|WaitLatch|vacuum_delay_point|lappend\w*|list_\w+|hash_\w+"
    r"|tuplestore_\w+|construct_\w*array\w*|dsm_\w+|shm_toc_\w+|ConditionVariable\w+|SpinLock\w+)\s*\(")

# Where PostgreSQL is handed a function.
REGISTRATION = [
    re.compile(r"(?:->|\.)(?:am[a-z]+|func|\w+_callback|assign_hook|check_hook)\s*=\s*&?(\w+)\s*;"),
    re.compile(r"\b\w+_hook\s*=\s*&?(\w+)\s*;"),
    re.compile(r"\b(?:RegisterXactCallback|RegisterSubXactCallback|RegisterResourceReleaseCallback|before_shmem_exit"
               r"|on_proc_exit|on_shmem_exit|register_reloptions_validator)\s*\(\s*&?(\w+)"),
]
# Calls whose arguments may be functions of ours: each argument that names one counts.
TAKES_FUNCTIONS = re.compile(r"\b(DefineCustom\w+Variable|table_index_build_(?:range_)?scan|qsort(?:_arg)?|pg_qsort"
                             r"|add_(?:local_)?string_reloption|list_sort|IndexBuildHeapScan)\s*\(")

failures = []


def fail(path, line, message):
    failures.append(f"{path}:{line}: {message}")


def code_of(text):
    """The text with comments and the contents of strings blanked out, line by line in place ("C" stays)."""

    def blank(match):
        token = match.group(0)
        if token == '"C"':
            return token
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[-1] if "\n" not in token else re.sub(r"[^\n]", " ", token)
        return re.sub(r"[^\n]", " ", token)

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'(?![0-9a-fA-F])', blank, text, flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def closing(text, position):
    """The position of the bracket that closes the one at `position`."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    stack = []
    for i in range(position, len(text)):
        c = text[i]
        if c in pairs:
            stack.append(pairs[c])
        elif stack and c == stack[-1]:
            stack.pop()
            if not stack:
                return i
    return len(text) - 1


@dataclass
class Function:
    name: str
    path: Path
    line: int
    extern_c: bool
    noexcept: bool
    body: str


def functions_of(path, code):
    """The functions that a file defines outside of other functions."""
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code, flags=re.M)
    found = []

    def scan(start, end, extern_c):
        header = position = start
        while position < end:
            c = code[position]
            if c in ";}":
                header = position + 1
            elif c == "(":
                position = closing(code, position)
            elif c == "{":
                head, close = code[header:position], closing(code, position)
                if re.search(r'extern\s*"C"\s*$', head):
                    scan(position + 1, close, True)
                elif re.search(r"\bnamespace\b[^()]*$", head) or re.search(r"\b(class|struct|union)\b[^()]*$", head):
                    scan(position + 1, close, extern_c)
                elif "(" in head and not re.search(r"=\s*$", head):
                    add(head, header, position, close, extern_c)
                header = position = close
                header += 1
            position += 1

    def add(head, header, brace, close, extern_c):
        macro = re.search(r"\bANNEX_FUNCTION\(\s*(\w+)\s*\)", head)
        plain = re.search(r"(~?\w+)\s*\(", re.sub(r"\b(alignas|__attribute__|decltype|explicit)\s*\(+[^()]*\)+", "", head))
        if not macro and not plain:
            return
        name = (macro or plain).group(1)
        found.append(Function(name, path, line_of(code, header + len(head) - len(head.lstrip())),
                              extern_c or macro is not None or 'extern "C"' in head, "noexcept" in head,
                              code[brace:close + 1]))

    scan(0, len(code), False)
    return found


def guards_in(code):
    """Each call of Guard: its position and the text of its argument."""
    for call in re.finditer(r"(?<![\w:.>])(?:annex::|pg::)*Guard\s*\(", code):
        if re.search(r"\bvoid\s*$", code[:call.start()]):
            continue  # its definition
        yield call.start(), code[call.end():closing(code, call.end() - 1)]


def free_calls(code):
    return set(re.findall(r"(?<![\w.>])(?:\w+::)*(\w+)\s*\(", code))


def check_engine(root):
    for folder in ENGINE:
        for path in sources(root / folder):
            text = path.read_text()
            code = code_of(text)
            for include in re.finditer(r'^[ \t]*#\s*include\s+(["<][^">]+[">])', text, re.M):
                beside = path.parent / include.group(1)[1:-1]
                if not ENGINE_INCLUDES.match(include.group(1)) and not (folder.startswith("test/") and beside.exists()):
                    fail(path, line_of(text, include.start()), f"an engine file includes {include.group(1)}")
            for word in ENGINE_WORDS.finditer(code):
                fail(path, line_of(code, word.start()), f"an engine file speaks of {word.group(0)}")


def check_includes(root, path, text, code):
    def folder_of(name):
        return name.parts[0] if len(name.parts) > 1 else ""

    own = folder_of(path.relative_to(root / "src/pg"))
    as_c = [(m.start(), closing(code, m.end() - 1)) for m in re.finditer(r'extern\s*"C"\s*\{', code)]
    for include in re.finditer(r'^[ \t]*#\s*include\s+"([^"]+)"', text, re.M):
        name, line = include.group(1), line_of(text, include.start())
        if name.startswith("pg/"):
            theirs = folder_of(Path(name).relative_to("pg"))
            if own not in RANKS or theirs not in RANKS:
                fail(path, line, f"src/pg/{own} or src/pg/{theirs} has no rank: give it one in scripts/wall.py")
            elif own != theirs and RANKS[theirs] >= RANKS[own] and not (own == "" and path.suffix == ".cc"):
                fail(path, line, f"src/pg/{own or '*'} includes {name}, which is not below it")
        elif name.startswith("engine/"):
            fail(path, line, f"{name} is private to the engine: include/annex is what others see")
        elif not name.startswith("annex/") and not any(a < include.start() < b for a, b in as_c):
            fail(path, line, f'{name} is included outside of extern "C"')


def check_glue(root):
    files = [(path, path.read_text()) for path in sources(root / "src/pg")]
    codes = [(path, code_of(text)) for path, text in files]
    functions = [f for path, code in codes for f in functions_of(path, code)]

    for (path, text), (_, code) in zip(files, codes):
        check_includes(root, path, text, code)
        if path.name != "compat.h":
            for word in re.finditer(r"\bPG_VERSION_NUM\b", code):
                fail(path, line_of(code, word.start()), "PG_VERSION_NUM belongs in src/pg/compat.h")
        if path.name != "guard.h":
            for word in re.finditer(r"\b(try|catch)\b", code):
                fail(path, line_of(code, word.start()), f"{word.group(0)} belongs in src/pg/guard.h")

    # What may report an error: whatever calls PostgreSQL outside of a guard, and what calls that.
    calls = {}
    for function in functions:
        body = function.body
        for position, argument in guards_in(body):
            body = body.replace(argument, " " * len(argument))
        calls.setdefault(function.name, [set(), False])
        calls[function.name][0] |= free_calls(body)
        calls[function.name][1] |= POSTGRES_CALL.search(body) is not None
    reporting = {name for name, (_, direct) in calls.items() if direct}
    while True:
        more = {name for name, (callees, _) in calls.items() if callees & reporting} - reporting
        if not more:
            break
        reporting |= more

    for path, code in codes:
        for position, argument in guards_in(code):
            line = line_of(code, position)
            if not argument.lstrip().startswith("["):
                fail(path, line, "Guard() takes a lambda, so that what runs in it can be seen")
            for call in POSTGRES_CALL.finditer(argument):
                fail(path, line + argument.count("\n", 0, call.start()), f"{call.group(1)} is called inside Guard()")
            for name in sorted(free_calls(argument) & reporting):
                fail(path, line, f"{name} is called inside Guard() and can report an error")

    check_callbacks(codes, functions)


def check_callbacks(codes, functions):
    # PostgreSQL's macro declares SQL functions without noexcept; the symbols that a library exports are checked elsewhere.
    by_name = {}
    for function in functions:
        by_name.setdefault(function.name, []).append(function)
    for path, code in codes:
        held = [(m.start(), m.group(1)) for pattern in REGISTRATION for m in pattern.finditer(code)]
        for call in TAKES_FUNCTIONS.finditer(code):
            arguments = code[call.end():closing(code, call.end() - 1)]
            held += [(call.start(), word) for word in re.findall(r"(?<![\w.>])&?([A-Za-z]\w+)\s*(?=,|$)", arguments)]
        for position, name in held:
            for function in by_name.get(name, []):
                if not function.extern_c:
                    fail(function.path, function.line, f'{name} is held by PostgreSQL and not extern "C"')
                if not function.noexcept:
                    fail(function.path, function.line, f"{name} is held by PostgreSQL and not noexcept")


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    check_engine(root)
    check_glue(root)
    for failure in dict.fromkeys(failures):
        print(failure.replace(f"{root}/", ""))
    if failures:
        sys.exit(1)
    engine_files = sum(len(sources(root / folder)) for folder in ENGINE)
    print(f"wall: {engine_files} engine files and {len(sources(root / 'src/pg'))} glue files keep it")


main()
