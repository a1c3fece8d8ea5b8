"""The folder the samples work in: what lies where, and how it comes to be.

All names are relative: a process that runs the samples has this folder as its working directory, and so do
the processes it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from taskyard.demo import sample_data

SHOP_DATABASE = Path("shop.db")
CUSTOMERS_CSV = Path("customers.csv")
CUSTOMERS_DATABASE = Path("customers.db")
IMPORT_ERRORS = Path("errors.csv")
FILES = Path("files")
BACKUPS = Path("backups")
OUTBOX = Path("outbox")
RATE_SERVICE = Path("rate-service")

OnProgress = Callable[[int, int], None]
"""Called with what is done and the total, in the unit of the work; may raise to stop it."""


def prepare(folder: Path) -> None:
    """Fill `folder` with the sample data; what is already there stays as it is.

    The data is the same on every machine: a shop database of a few MB, a CSV of 10,000 customers of whom
    1 % are broken, and a tree of files of which some are duplicates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _make(folder / SHOP_DATABASE, sample_data.write_shop_database)
    _make(folder / CUSTOMERS_CSV, sample_data.write_customers)
    _make(folder / FILES, sample_data.write_files)


def inside(folder: Path, name: str) -> Path:
    """Return the path of `name` below `folder`; raises ValueError when it leads out of it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of the demo folder; name something inside {folder}")
    return path


def _make(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make `path` under another name first, so that an interrupted run leaves no half of it."""
    if path.exists():
        return
    part = path.with_name(f".{path.name}.part")
    _remove(part)
    write(part)
    part.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        for child in path.iterdir():
            _remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
