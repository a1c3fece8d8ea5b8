"""`taskyard init`: a project that runs and passes its own test."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.command import Command

from taskyard.cli.scaffold import CONNECTORS, DATABASES, Project, scaffold


def test_the_project_runs_and_passes_its_own_test(taskyard: Command) -> None:
    made = taskyard.done("init", "my-tasks", "--connector", "http", "--json").json
    folder = Path(made["folder"])
    assert sorted(made["files"]) == sorted(path.name for path in folder.iterdir())
    project = Command(folder)
    assert "nothing to do" not in project.done("migrate").out
    assert "nothing to do" in project.done("migrate").out
    assert project.done("tasks", "--json").json == {"items": [], "nextCursor": None}
    counted = project.done("run", "count_words", "--text", "one two two", "--app", "tasks:yard").json
    assert counted == {"words": 3, "most_common": {"two": 2, "one": 1}}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, env=project.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "2 passed" in tested.stdout
    assert "warning" not in tested.stdout.lower()


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("database", DATABASES)
def test_the_files_name_the_connector_and_the_database(tmp_path: Path, connector: str, database: str) -> None:
    folder = tmp_path / "my-tasks"
    scaffold(folder, Project("my-tasks", connector, database))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "my-tasks"
    assert project["dependencies"] == ["taskyard" if connector == "none" else f"taskyard[{connector}]"]
    url = tomllib.loads((folder / "taskyard.toml").read_text())["TASKYARD_DATABASE_URL"]
    assert url == ("sqlite:///my_tasks.db" if database == "sqlite" else "postgresql://localhost/my_tasks")
    sample = (folder / ".env.example").read_text()
    assert (f"TASKYARD_CONNECTOR={connector}" in sample) == (connector != "none")
    assert ("KAFKA_BROKERS=" in sample) == (connector == "kafka")
    assert ("SQS_QUEUE_URL=" in sample) == (connector == "sqs")


@pytest.mark.parametrize(
    "arguments", [["t", "--connector", "amqp"], ["t", "--database", "mysql"], ["1st"], ["a b"], ["full"], ["jobs.py"]]
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(taskyard: Command, arguments: list[str]) -> None:
    (taskyard / "full").mkdir()
    (taskyard / "full" / "file").touch()
    before = sorted(taskyard.folder.rglob("*"))
    ended = taskyard("init", *arguments)
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert sorted(taskyard.folder.rglob("*")) == before
