# SPDX-License-Identifier: Apache-2.0
"""Mutation testing by samples: change one thing in the code that privacy rests on, and see whether the tests
notice.

    python tools/mutants.py --count 60 --seed 1 --out out/mutants.json

A sample is drawn from all changes that `changes` knows, in files of mechanisms, protections, keys and the
ledger. Each is made in a copy of the package, and the tests that name what the changed file defines run on it
in a forked process, which has loaded the libraries already. Killed: a test failed, or the change could not be
imported. Survived: all passed. Tests that noticed run once more on unchanged code, where they must pass. Run
again, it goes on after a break. Some survivors are no gap, since the changed program does the same; whoever
reads the report decides.
"""

import argparse
import ast
import copy
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "semveil"
TARGETS = {
    "mechanisms": ("mechanisms", "conformance", "test_guarantees.py"),
    "protection": ("protection", "methods", "link"),
    "keys": ("keys", "channels", "methods"),
    "privacy/ledger.py": ("privacy", "cli/test_ledger.py", "bulk/test_booking.py"),
}
"""Code whose changes are sampled, and where its tests lie."""
MOST_TESTS = 4  # files; those that name most of what the changed file defines
# of one mutant's tests; more is reported apart, since it may be an endless loop or only a slow test
CPU_SECONDS = 30
SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.BitXor: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        file: below `src/semveil`.
        line: of the file, from 1.
        change: what became what.
        index: which of the file's changes, in the order of `changes`.
    """

    file: str
    line: int
    change: str
    index: int


def changes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Change the tree in one place after the other, and yield the line and what was changed while it is so.

    Left alone: docstrings, annotations, words of errors, what `__repr__` says.

    Example:
        >>> tree = ast.parse("y = x < 3")
        >>> [(change, ast.unparse(tree)) for line, change in changes(tree)]
        [('Lt -> LtE', 'y = x <= 3'), ('3 -> 4', 'y = x < 4')]
    """
    for node in _code(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Compare():
                for place, operator in enumerate(node.ops):
                    if new := SWAPS.get(type(operator)):
                        node.ops[place] = new()
                        yield line, f"{type(operator).__name__} -> {new.__name__}"
                        node.ops[place] = operator
            case ast.BinOp() | ast.BoolOp() | ast.AugAssign():
                old = node.op
                if (new := SWAPS.get(type(old))) and not _text(node):
                    node.op = new()
                    yield line, f"{type(old).__name__} -> {new.__name__}"
                    node.op = old
            case ast.Constant(value=bool() | int() | float()):
                old_value = node.value
                node.value = not old_value if isinstance(old_value, bool) else old_value + 1
                yield line, f"{old_value!r} -> {node.value!r}"
                node.value = old_value
            case ast.UnaryOp(op=ast.USub() | ast.Not()):
                sign, node.op = node.op, ast.UAdd() if isinstance(node.op, ast.USub) else _Truth()
                yield line, f"{type(sign).__name__} removed"
                node.op = sign
            case ast.If():
                test, node.test = node.test, ast.Constant(False)
                yield line, f"if {ast.unparse(test)} -> if False"
                node.test = test
            case ast.Return(value=ast.expr()):
                value, node.value = node.value, ast.Constant(None)
                yield line, f"return {ast.unparse(value)[:60]} -> return None"
                node.value = value


class _Truth(ast.Not):
    """`not` twice, which is what removing one looks like where a truth value is wanted."""


def _text(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that decide what a program does."""
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr):
        return
    if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__"):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def unparse(tree: ast.Module) -> str:
    """Source of a tree, with `_Truth` written out."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, _Truth):
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
    return ast.unparse(ast.fix_missing_locations(tree))


def sample(count: int, seed: int) -> list[Mutant]:
    """Changes drawn without replacement from all there are, each as likely as any other."""
    every = []
    for target in TARGETS:
        place = PACKAGE / target
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            found = changes(ast.parse(path.read_text(encoding="utf-8")))
            every += [Mutant(name, line, change, index) for index, (line, change) in enumerate(found)]
    print(f"{len(every)} possible changes", flush=True)
    return random.Random(seed).sample(every, min(count, len(every)))


def mutated(mutant: Mutant) -> str:
    """Source of the changed file."""
    tree = ast.parse((PACKAGE / mutant.file).read_text(encoding="utf-8"))
    for index, _ in enumerate(changes(tree)):
        if index == mutant.index:
            return unparse(tree)
    raise AssertionError("the file has changed")


def tests_of(file: str) -> list[str]:
    """Test files that name what the file defines, those with most names first; all of its package's where
    none does.
    """
    (places,) = [places for target, places in TARGETS.items() if file.startswith(target)]
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names = {name for name in defined if not name.startswith("_")} | {Path(file).stem}
    files = {
        path
        for place in places
        for path in (
            [ROOT / "tests" / place] if "." in place else (ROOT / "tests" / place).rglob("test_*.py")
        )
    }
    named = {path: sum(name in path.read_text(encoding="utf-8") for name in names) for path in files}
    best = sorted(
        (path for path in files if named[path]),
        key=lambda path: (-named[path], path.stat().st_size, str(path)),
    )
    # What nobody names is used by its neighbours: then all tests of the first place.
    return [
        str(path) for path in best[:MOST_TESTS] or sorted((ROOT / "tests" / places[0]).rglob("test_*.py"))
    ]


def run_forked(tests: list[str], into: Path) -> tuple[int | None, str]:
    """Exit code of pytest in a fork of this process, None where it used up its time, and the test that failed
    first.
    """
    into.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 98
        try:
            os.setpgid(0, 0)  # tests that end their process group end themselves alone
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            code = _run(tests, into)
        except BaseException:
            into.write_text(traceback.format_exc(), encoding="utf-8")
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code < 0 else code, into.read_text(encoding="utf-8") if into.is_file() else ""


class _First:
    """A plugin of pytest that keeps the name of the first test or file that failed."""

    def __init__(self, into: Path) -> None:
        self.into = into

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._keep(report)

    def pytest_collectreport(self, report: Any) -> None:
        self._keep(report)

    def _keep(self, report: Any) -> None:
        if report.failed and not self.into.is_file():
            self.into.write_text(report.nodeid, encoding="utf-8")


def _run(tests: list[str], into: Path) -> int:
    import pytest

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(ROOT),
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    return int(pytest.main([*options, *tests], plugins=[_First(into)]))


def outcome(mutant: Mutant, copied: Path) -> tuple[str, str]:
    """What became of a mutant, and the test that noticed."""
    path = copied / "semveil" / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutant), encoding="utf-8")
    try:
        code, first = run_forked([*tests_of(mutant.file), str(path)], copied.parent / "first")
    finally:
        path.write_text(before, encoding="utf-8")
    if code not in (None, 0, 1, 2):
        raise RuntimeError(f"pytest ended with {code} on {mutant}: {first}")
    return "survived" if code == 0 else "killed" if code else "out of time", first


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--count", type=int, default=60)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--out", type=Path, default=Path("out/mutants.json"))
    options = asked.parse_args()
    out = ROOT / options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"seed": None}
    done = (
        {(one["file"], one["index"]): one for one in before["mutants"]}
        if before["seed"] == options.seed
        else {}
    )
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder, "src")
        shutil.copytree(PACKAGE, copied / "semveil", ignore=shutil.ignore_patterns("__pycache__", "weights"))
        (copied / "semveil" / "weights").symlink_to(PACKAGE / "weights")
        os.chdir(folder)  # what tests leave behind
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(copied))
        os.environ["PYTHONPATH"] = str(copied)
        import numpy, pytest, scipy.stats, torch  # noqa: E401, F401, I001  (loaded once, before the forks)

        for number, mutant in enumerate(sample(options.count, options.seed), start=1):
            known = done.get((mutant.file, mutant.index), {})
            if known.get("change") != mutant.change:
                became, first = outcome(mutant, copied)
                known = {**asdict(mutant), "outcome": became, "noticed_by": first}
            results.append(known)
            print(
                f"{number:4} {known['outcome']:12} {mutant.file}:{mutant.line}  {mutant.change}  "
                f"{known['noticed_by']}",
                flush=True,
            )
            killed = sum(result["outcome"] == "killed" for result in results)
            report = {"seed": options.seed, "killed": killed, "of": len(results), "mutants": results}
            write(out, report)
        noticed = sorted({result["noticed_by"] for result in results if "::" in result["noticed_by"]})
        unfit = [name for name in noticed if run_forked([str(ROOT / name)], copied.parent / "first")[0] != 0]
        if unfit:
            raise RuntimeError(f"these fail on unchanged code too: {', '.join(unfit)}")
    print(f"{killed} of {len(results)} killed ({killed / len(results):.0%}); {out}")
    return 0


def write(path: Path, report: dict[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
