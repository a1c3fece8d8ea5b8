"""Every example of code that a definition brings along, tried in the sandbox and pushed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.packages import packages

FOLDER = Path(__file__).parents[2] / "examples" / "scripts"
RUNS: dict[str, tuple[Any, Any]] = {
    "invoice.py": (
        {"lines": [{"text": "planks", "count": 3, "price": "9.99"}, {"text": "nails", "price": "4.5"}]},
        {"net": "34.47", "gross": "41.02"},
    ),
    "oldest.py": ({"people": [{"name": "Ada", "age": 36}, {"name": "Bo", "age": 9}], "than": 5}, ["Ada", "Bo"]),
    "slug.js": ({"title": "Déjà vu: twice!"}, "deja-vu-twice"),
    "histogram.ts": ({"values": ["a", "b", "a"]}, {"a": 2, "b": 1}),
    "words.sh": ({"text": "a b a c a b $(id)", "most": 2}, {"words": ["a", "b"]}),
}


@pytest.fixture(scope="module")
def index() -> Iterator[dict[str, str]]:
    """An index on loopback with the packages that examples want, and a folder that users of jails can read."""
    with packages() as server, tempfile.TemporaryDirectory(prefix="taskyard-test-") as folder:
        Path(folder).chmod(0o755)
        server.add_installed("jmespath")
        yield {"TASKYARD_PYTHON_INDEX": server.index, "TASKYARD_PACKAGES_DIR": f"{folder}/packages"}


def command(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TASKYARD_DATABASE_URL": f"sqlite:///{folder}/tasks.db", **settings}
    return subprocess.run(
        [sys.executable, "-m", "taskyard", *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
        env=environment,
    )  # fmt: skip


def test_every_example_is_known_and_listed() -> None:
    assert {file.name for file in FOLDER.iterdir() if file.is_file()} == set(RUNS)
    listed = (FOLDER.parent / "README.md").read_text()
    assert all(f"(scripts/{name})" in listed for name in RUNS)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_an_example_runs(name: str, tmp_path: Path, index: dict[str, str]) -> None:
    input_, output = RUNS[name]
    done = command(tmp_path, "run", str(FOLDER / name), "--input", json.dumps(input_), **index)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == output
    assert list(tmp_path.iterdir()) == []


def test_all_are_pushed(tmp_path: Path) -> None:
    done = command(tmp_path, "definitions", "push", "--json", *(str(FOLDER / name) for name in sorted(RUNS)))
    assert done.returncode == 0, done.stderr
    assert [each["key"] for each in json.loads(done.stdout)["items"]] == [
        "histogram",
        "invoice",
        "oldest",
        "slug",
        "words",
    ]
