"""Making a new project from the templates beside this module."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import NamedTuple

from taskyard.errors import ConfigurationError, ValidationFailed

CONNECTORS = ("none", "kafka", "sqs", "http")
DATABASES = ("sqlite", "postgresql")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_TEMPLATES = files("taskyard.cli") / "templates"
_SUFFIX = ".template"
_TRY_IT = """
Tasks are asked for by events, too, and every task tells its own. Fill in `.env`, as `.env.example` shows, and load it:

```sh
set -a; . ./.env; set +a
uv run taskyard doctor              # whether the broker can be reached
uv run taskyard serve tasks:yard &
uv run python send_event.py "one two two"
```
"""
_CONNECTOR_SETTINGS = {
    "kafka": {
        "KAFKA_BROKERS": "localhost:9092",
        "TASKYARD_KAFKA_TOPICS_IN": "events",
        "TASKYARD_KAFKA_TOPICS_OUT": "tasks",
    },
    "sqs": {"AWS_REGION": "eu-central-1", "SQS_QUEUE_URL": "", "TASKYARD_SQS_OUTPUT_URL": ""},
    "http": {"TASKYARD_HTTP_URL": "http://127.0.0.1:9000/events"},
}


class Project(NamedTuple):
    """What a new project is called, how events come and go, and where its tasks are kept."""

    name: str
    connector: str
    database: str


def scaffold(folder: Path, project: Project) -> list[Path]:
    """Write the project's files; their paths in the folder. Raises ValidationFailed, ConfigurationError."""
    _check(folder, project)
    values = _values(project)
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for template in _templates(project.connector):
            path = Path(template.name.removesuffix(_SUFFIX).replace("dot-", "."))
            (folder / path).write_text(
                Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8"
            )
            made.append(path)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written to: {error.strerror}") from None
    return made


def _templates(connector: str) -> list[Traversable]:
    """The templates of every project, and those of its connector."""
    folders = ["project", *([connector] if connector != "none" else [])]
    return sorted((one for name in folders for one in (_TEMPLATES / name).iterdir()), key=lambda one: one.name)


def _check(folder: Path, project: Project) -> None:
    if not _NAME.fullmatch(project.name):
        raise ValidationFailed(
            f"{project.name!r} is no name of a project; begin with a letter, then use a-z, 0-9, . _ -"
        )
    if project.connector not in CONNECTORS:
        raise ValidationFailed(f"there is no connector {project.connector!r}; choose one of {', '.join(CONNECTORS)}")
    if project.database not in DATABASES:
        raise ValidationFailed(f"there is no store {project.database!r}; choose one of {', '.join(DATABASES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is there already and not empty; choose another name")


def _values(project: Project) -> dict[str, str]:
    has_connector = project.connector != "none"
    settings = {"TASKYARD_CONNECTOR": project.connector, **_CONNECTOR_SETTINGS.get(project.connector, {})}
    module = re.sub(r"[^a-z0-9]+", "_", project.name.lower()).strip("_")
    url = f"sqlite:///{module}.db" if project.database == "sqlite" else f"postgresql://localhost/{module}"
    return {
        "name": project.name,
        "requirement": f"taskyard[{project.connector}]" if has_connector else "taskyard",
        "database_url": url,
        "try_it": _TRY_IT if has_connector else "",
        "connector_settings": "".join(f"{name}={value}\n" for name, value in settings.items()) if has_connector else "",
    }
