"""Where secrets of connections are kept that are not kept here."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.errors import ConfigurationError
from taskyard.security.secrets import Secrets
from taskyard.security.sources import SecretSources


async def test_only_what_the_operator_names_is_given(tmp_path: Path) -> None:
    for name in ("billing", "scripts"):
        (tmp_path / name).write_text(f"the-secret-of-{name}\n")
    sources = SecretSources({"TOKEN": "of-the-environment"}, Secrets({}, tmp_path), ("billing", "gone"))
    assert await sources.value("env:TOKEN") == "of-the-environment"
    assert await sources.value("file:billing") == "the-secret-of-billing"
    for reference, told in (
        ("env:HOME", "TASKYARD_CONNECTION_ENV"),
        ("file:scripts", "TASKYARD_CONNECTION_FILES"),
        ("file:gone", "TASKYARD_SECRETS_DIR"),
        ("nowhere:x", "no source of secrets"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            await sources.value(reference)
