"""Files that tasks are given, as they lie on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from taskyard.engine.upload import _KEPT_SECONDS, _write


def test_what_nobody_has_opened_for_long_goes_when_one_more_comes(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    used, old, new = (_write(folder, name, name.encode()) for name in ("used", "old", "new"))
    half = folder / "old.1234abcd"
    half.write_bytes(b"o")
    long_ago = time.time() - _KEPT_SECONDS - 60
    for path in (used, old, half):
        os.utime(path, (long_ago, long_ago))
    assert _write(folder, "used", b"used") == used
    _write(folder, "one more", b"1")
    assert sorted(path.name for path in folder.iterdir()) == ["new", "one more", "used"]
    assert (used.read_bytes(), new.read_bytes()) == (b"used", b"new")
