"""Fixtures for the tests of the launchers themselves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.binaries import Account, scratch_directory


@pytest.fixture
def nobody() -> Account:
    return Account.for_servers()


@pytest.fixture
def scratch(nobody: Account) -> Iterator[Path]:
    path = scratch_directory(nobody)
    yield path
    shutil.rmtree(path)
