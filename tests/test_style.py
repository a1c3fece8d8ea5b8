"""The house rules that no linter knows: sizes, addresses, and what no module may do. Each rule has a red example."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
FILE_LINES = 400
FUNCTION_LINES = 70
FOLDERS = (".ci", "bench", "docs", "examples", "src", "tests", "ui")
_MADE = {"__pycache__", "dist", "node_modules"}
_BINARY = {".db", ".db-shm", ".db-wal", ".gz", ".ico", ".png", ".pyc", ".woff2"}

# Assembled here, so that this file does not break its own rules.
REGISTRY = re.compile("|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)"]))
SOURCE_OPTION = re.compile(r"--(?:extra-)?index" + r"-url|--find" + r"-links|\bregistry" + r"=")
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:work|root|opt|home/\w+|Users/\w+)" + r"/[\w.]")
LOCKED_FROM = re.compile(r"https?://([^/\"]+)")


@functools.cache
def texts() -> dict[str, str]:
    """Every text file of the repository by its path."""
    paths = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]  # a worktree's
    for folder in FOLDERS:
        paths += [path for path in (ROOT / folder).rglob("*") if path.is_file() and not _MADE & set(path.parts)]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.suffix not in _BINARY
    }


def lines_matching(*patterns: re.Pattern[str], without: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts().items()
        if name not in without
        for number, line in enumerate(text.splitlines(), 1)
        if any(pattern.search(line) for pattern in patterns)
    ]


@functools.cache
def modules(folder: Path) -> list[tuple[Path, list[ast.AST]]]:
    """The Python files below a folder, each with all nodes of its tree."""
    paths = sorted(folder.rglob("*.py"))
    return [(path, list(ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))))) for path in paths]


def test_only_files_of_known_kinds_are_binary() -> None:
    assert not [name for name, text in texts().items() if "\0" in text]


def test_registries_are_named_in_the_lock_file_only() -> None:
    assert not lines_matching(REGISTRY, SOURCE_OPTION, without=("uv.lock",))


def test_the_lock_file_names_the_public_registry_only() -> None:
    hosts = set(LOCKED_FROM.findall((ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts <= {"py" + "pi.org", "files.python" + "hosted.org"}


def test_no_path_of_somebodys_machine() -> None:
    assert not lines_matching(MACHINE_PATH)


def test_files_are_small() -> None:
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in SRC.rglob("*")
        if path.suffix in {".py", ".sql"}
    }
    assert not {path.relative_to(SRC).as_posix(): size for path, size in sizes.items() if size > FILE_LINES}


def test_functions_are_small() -> None:
    sizes = {
        f"{path.relative_to(SRC)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, nodes in modules(SRC)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: size for name, size in sizes.items() if size > FUNCTION_LINES}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(*names: str) -> Callable[[ast.AST], bool]:
    def found(node: ast.AST) -> bool:
        if isinstance(node, ast.Import):
            return any(alias.name.partition(".")[0] in names for alias in node.names)
        return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in names

    return found


def calls(*names: str) -> Callable[[ast.AST], bool]:
    return lambda node: isinstance(node, ast.Call) and dotted(node.func) in names


def loads_unsafe_yaml(node: ast.AST) -> bool:
    """Whether it reads YAML with anything but a class whose name ends in SafeLoader."""
    if not isinstance(node, ast.Call) or dotted(node.func) not in {"yaml.load", "yaml.load_all"}:
        return calls("yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all")(node)
    given = [*node.args[1:], *(keyword.value for keyword in node.keywords if keyword.arg == "Loader")]
    return not (given and dotted(given[0]).endswith("SafeLoader"))


def passes(argument: str, value: object) -> Callable[[ast.AST], bool]:
    return lambda node: (
        isinstance(node, ast.keyword)
        and node.arg == argument
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
    )


# What it is: how it is recognised, a red example, and the only modules that may.
FORBIDDEN: dict[str, tuple[Callable[[ast.AST], bool], str, str]] = {
    "pickle": (imports("pickle", "dill", "cloudpickle", "shelve"), "import pickle", "executors/function/process*.py"),
    "marshal": (imports("marshal"), "from marshal import loads", ""),
    "eval": (calls("eval", "exec", "builtins.eval", "builtins.exec"), "eval('1')", "script/sandbox/inside/*.py"),
    "yaml.load": (loads_unsafe_yaml, "yaml.load(text)", ""),
    "a shell": (passes("shell", True), "run('ls', shell=True)", ""),
    "os.system": (calls("os.system", "os.popen", "subprocess.getoutput"), "os.system('ls')", ""),
    "unverified TLS": (passes("verify", False), "get(url, verify=False)", ""),
    "unverified SSH": (passes("known_hosts", None), "connect(host, known_hosts=None)", ""),
    "a guessable temporary name": (calls("tempfile.mktemp"), "tempfile.mktemp()", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_module_uses(what: str) -> None:
    recognise, example, allowed = FORBIDDEN[what]
    assert any(recognise(node) for node in ast.walk(ast.parse(example))), "the rule no longer sees its example"
    found = [
        f"{path.relative_to(SRC)}:{getattr(node, 'lineno', 0)}"
        for path, nodes in modules(SRC)
        if not (allowed and path.match(allowed))
        for node in nodes
        if recognise(node)
    ]
    assert not found


def test_tests_are_never_skipped() -> None:
    names = {"skip", "skipif", "skipIf", "xfail", "importorskip"}
    skipping = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in (ROOT / "tests", SRC / "taskyard" / "testing")
        for path, nodes in modules(folder)
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in names and dotted(node.value) in {"pytest", "pytest.mark"}
    ]
    assert not skipping
