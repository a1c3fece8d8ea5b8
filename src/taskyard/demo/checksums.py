"""Checksums of all files in a folder, and the files that are there twice."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from taskyard.demo.workspace import OnProgress

Algorithm = Literal["sha256", "sha512", "blake2b"]


class Duplicates(BaseModel):
    """Files of equal content; `size` is that of one of them, in bytes."""

    checksum: str
    size: int
    files: list[str]


class FolderChecksums(BaseModel):
    """What was found; sizes in bytes, `wasted` is what the copies take."""

    summary: str
    files: int
    size: int
    wasted: int
    checksums: str
    duplicates: list[Duplicates]


def checksum_folder(
    folder: Path, listing: Path, on_progress: OnProgress, *, algorithm: Algorithm = "sha256"
) -> FolderChecksums:
    """Write the checksum of every file below `folder` to the file `listing`, and find the duplicates.

    The listing is what `sha256sum --check` and its kin read. `on_progress` counts files. Raises
    NotADirectoryError when there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found: defaultdict[str, list[Path]] = defaultdict(list)
    lines: list[str] = []
    for done, path in enumerate(paths, 1):
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, algorithm).hexdigest()
        found[checksum].append(path)
        lines.append(f"{checksum}  {path.relative_to(folder).as_posix()}\n")
        on_progress(done, len(paths))
    listing.write_text("".join(lines), encoding="utf-8")
    return _result(folder, listing, found)


def _result(folder: Path, listing: Path, found: dict[str, list[Path]]) -> FolderChecksums:
    sizes = {checksum: same[0].stat().st_size for checksum, same in found.items()}
    count = sum(len(same) for same in found.values())
    size = sum(sizes[checksum] * len(same) for checksum, same in found.items())
    wasted = size - sum(sizes.values())
    duplicates = [
        Duplicates(
            checksum=checksum,
            size=sizes[checksum],
            files=[path.relative_to(folder).as_posix() for path in same],
        )
        for checksum, same in found.items()
        if len(same) > 1
    ]
    return FolderChecksums(
        summary=f"{count:,} files, {size / 1e6:.1f} MB; {len(duplicates)} are there more than once",
        files=count,
        size=size,
        wasted=wasted,
        checksums=str(listing),
        duplicates=duplicates,
    )
