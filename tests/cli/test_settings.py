"""`taskyard settings` and `token`: values with their sources, secrets masked; credentials that the server takes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.cli.command import Command

from taskyard.errors import ConfigurationError
from taskyard.security.api_tokens import hash_api_token
from taskyard.security.tokens import JwtVerifier
from taskyard.settings import load
from taskyard.settings.masking import mask_credentials, shown
from taskyard.store.sqlite import SqliteStore

SECRET = "s" * 40


def test_each_setting_has_its_value_and_source(taskyard: Command) -> None:
    (taskyard / "taskyard.toml").write_text('TASK_TIMEOUT = 5\nTASKYARD_PORT = 1234\nTASKYARD_TOKEN = "ty_hidden"\n')
    taskyard.settings |= {
        "TASKYARD_PORT": "4321",
        "TASKYARD_JWT_SECRET": SECRET,
        "TASKYARD_SECRET_KEY": "ab" * 32,
        "TASKYARD_DATABASE_URL": "postgresql://me:hidden@host/db?password=hidden&x=1",
    }
    ended = taskyard.done("settings", "--json")
    found = {one["name"]: (one["value"], one["source"]) for one in ended.json["items"]}
    assert found["TASK_TIMEOUT"] == (5.0, "taskyard.toml")
    assert found["TASKYARD_PORT"] == (4321, "environment")
    assert found["TASK_LOG_LEVEL"] == ("INFO", "default")
    assert found["TASKYARD_JWT_SECRET"] == ("********", "environment")
    assert found["TASKYARD_TOKEN"] == ("********", "taskyard.toml")
    assert found["TASKYARD_DATABASE_URL"] == ("postgresql://********@host/db?********", "environment")
    shown = ended.out + taskyard.done("settings").out
    assert "hidden" not in shown
    assert SECRET not in shown
    assert "abab" not in shown


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("TASKYARD_PORT", "65536", "must be a whole number between 0 and 65535"),
        ("TASKYARD_PORT", "http", "must be a whole number between 0 and 65535"),
        ("TASK_MAX_CONCURRENT", "two", "must be a whole number of 1 or more"),
        ("TASK_TIMEOUT", "5s", "must be a number of 0 or more"),
    ],
)
def test_a_number_that_is_none_is_told_as_what_it_has_to_be(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({name: text}, tmp_path)
    assert refused.value.message == f"{name} (environment): {text!r} {told}"


def test_an_address_without_a_secret_is_shown_as_it_is() -> None:
    for url in ("sqlite:///taskyard.db", "sqlite:////var/tasks.db", "postgresql://host:5432/db"):
        assert mask_credentials(url) == url


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (
            "TASKYARD_SECRETS",
            '{"db": "postgres://app:hunter2@db/x", "stripe": "sk_live_123"}',
            {"db": "********", "stripe": "********"},
        ),
        ("TASKYARD_SYSTEM_DATABASES", '{"reports": "postgresql://u:hunter2@db/x"}', {"reports": "********"}),
        ("TASKYARD_CONNECTION_ENV", "CRM_KEY,CRM_URL", {"CRM_KEY": "********", "CRM_URL": "********"}),
        ("TASKYARD_DATABASE_URL", "postgresql://u:pa#ss@h/db", "postgresql://********@h/db"),
        ("TASKYARD_DATABASE_URL", "postgresql://u:p@?s/s@h/db", "postgresql://********@h/db"),
        ("TASKYARD_DATABASE_URL", "postgresql://h/db?password=hunter2#hunter2", "postgresql://h/db?********"),
        ("TASKYARD_PYTHON_INDEX", "https://ghp_token@host/simple", "https://********@host/simple"),
        ("TASKYARD_USER_SERVICE_URL", "https://me:hunter2@host/", "https://********@host/"),
    ],
)
def test_of_secrets_only_names_and_addresses_are_shown(name: str, text: str, value: object) -> None:
    environment = {"CRM_KEY": "hunter2", "CRM_URL": "https://crm.example/"}
    with patch.dict(os.environ, environment):
        settings = load({name: text})
    assert {row["name"]: row["value"] for row in shown(settings)}[name] == value


def test_a_setting_that_cannot_be_read_is_named(taskyard: Command) -> None:
    taskyard.settings["TASK_TIMEOUT"] = "soon"
    ended = taskyard("settings")
    assert ended.code == 2
    assert "TASK_TIMEOUT (environment)" in ended.err


def test_a_token_is_signed_where_there_is_a_secret(taskyard: Command) -> None:
    taskyard.settings["TASKYARD_JWT_SECRET"] = SECRET
    arguments = ["--subject", "ci", "--scope", "tasks:read,tasks:write", "--group", "builders", "--ttl", "60"]
    caller = JwtVerifier(SECRET.encode()).verify(taskyard.done("token", "create", *arguments).out.strip())
    assert (caller.subject, caller.scopes) == ("ci", frozenset({"tasks:read", "tasks:write"}))
    assert caller.groups == {"builders"}
    assert not (taskyard / "taskyard.db").exists()


def test_a_token_is_kept_in_the_store_else(taskyard: Command) -> None:
    made = taskyard.done("token", "create", "--subject", "ci", "--scope", "tasks:read", "--json").json

    async def kept() -> Any:
        store = SqliteStore(str(taskyard / "taskyard.db"))
        await store.open()
        try:
            return await store.token(bytes.fromhex(hash_api_token(made["token"])))
        finally:
            await store.close()

    assert asyncio.run(kept()) == {"subject": "ci", "scopes": ["tasks:read"], "groups": []}


def test_a_token_that_cannot_be_is_refused(taskyard: Command) -> None:
    for subject, scope in [("ci", "everything"), ("system", "admin"), ("", "admin")]:
        ended = taskyard("token", "create", "--subject", subject, "--scope", scope)
        assert (ended.code, ended.out) == (2, "")
