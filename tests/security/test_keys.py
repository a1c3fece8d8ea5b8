from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taskyard.errors import ConfigurationError
from taskyard.security.api_tokens import is_api_token
from taskyard.security.keys import derive, load_or_create, load_or_create_admin_token

Load = Callable[[Path], bytes] | Callable[[Path], str]
BOTH = pytest.mark.parametrize(
    ("load", "name"), [(load_or_create, "secret.key"), (load_or_create_admin_token, "admin.token")]
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_each_purpose_has_its_own_key() -> None:
    keys = {derive(b"m" * 32, purpose) for purpose in ("lease", "session", "cursor", "")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert derive(b"m" * 32, "lease") == derive(b"m" * 32, "lease") != derive(b"M" * 32, "lease")


def test_a_derived_key_stays_what_it_was() -> None:
    expected = "2412037cafd91966d6f61c59e83785a56da05d79e2f2a323c44ba1d72d36e7ec"
    assert derive(bytes(range(32)), "lease").hex() == expected


@BOTH
def test_a_secret_is_made_once_and_kept_private(tmp_path: Path, load: Load, name: str) -> None:
    data_dir = tmp_path / "new" / "data"
    first = load(data_dir)
    assert load(data_dir) == first
    assert mode(data_dir / name) == 0o600
    assert mode(data_dir) == 0o700
    assert [path.name for path in data_dir.iterdir()] == [name]


@BOTH
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, load: Load, name: str) -> None:
    before = os.umask(0)
    try:
        load(tmp_path)
    finally:
        os.umask(before)
    assert mode(tmp_path / name) == 0o600


@BOTH
def test_two_installations_share_nothing(tmp_path: Path, load: Load, name: str) -> None:
    assert load(tmp_path / "a") != load(tmp_path / "b")


def test_the_shapes(tmp_path: Path) -> None:
    assert len(load_or_create(tmp_path)) == 32
    assert is_api_token(load_or_create_admin_token(tmp_path))


@BOTH
@pytest.mark.parametrize("open_to", [0o604, 0o602, 0o644, 0o666])
def test_a_secret_open_to_everybody_is_refused(tmp_path: Path, load: Load, name: str, open_to: int) -> None:
    load(tmp_path)
    (tmp_path / name).chmod(open_to)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load(tmp_path)


@BOTH
def test_a_secret_open_to_its_group_is_closed(tmp_path: Path, load: Load, name: str) -> None:
    first = load(tmp_path)
    (tmp_path / name).chmod(0o660)
    assert load(tmp_path) == first
    assert mode(tmp_path / name) == 0o600


@BOTH
@pytest.mark.parametrize("content", [b"", b"\n", b"00" * 31, b"00" * 33, b"zz" * 32, b"ty_short", b"\xff\xfe"])
def test_a_damaged_secret_is_never_used(tmp_path: Path, load: Load, name: str, content: bytes) -> None:
    load(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        load(tmp_path)


@BOTH
def test_a_place_that_cannot_keep_a_secret_is_named(tmp_path: Path, load: Load, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="TASKYARD_DATA_DIR"):
        load(tmp_path / "file")
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigurationError, match="TASKYARD_DATA_DIR"):
        load(tmp_path)


RACE = """
import sys
from pathlib import Path
from taskyard.security.keys import load_or_create, load_or_create_admin_token
sys.stdin.readline()
for round in range(40):
    place = Path(sys.argv[1], str(round))
    print(load_or_create(place).hex(), load_or_create_admin_token(place))
"""


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == 40
