"""Files, with canaries outside of the permitted folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.executors.system.conftest import names

from taskyard.domain import system
from taskyard.errors import Forbidden, TaskyardError, ValidationFailed
from taskyard.executors.system import files
from taskyard.executors.system.failure import report
from taskyard.executors.system.grants import Grants
from taskyard.security import folders


def test_what_is_written_is_read(folder: Path, grants: Grants) -> None:
    path = f"{folder}/ä b.txt"
    wrote = files.write_file(system.WriteFile(path, "grüße"), grants)
    read = files.read_file(system.ReadFile(path), grants)
    assert (read.content, read.size, read.sha256) == ("grüße", 7, wrote.sha256)
    assert files.checksum(system.Checksum(path, "sha1"), grants).size == 7
    files.write_file(system.WriteFile(path, "AAEC", "base64"), grants)
    assert Path(path).read_bytes() == b"\0\1\2"
    assert files.read_file(system.ReadFile(path, "base64"), grants).content == "AAEC"
    assert names(folder) == ["ä b.txt"]


def test_copy_move_list_and_delete(folder: Path, grants: Grants) -> None:
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("a")
    copied = files.copy_file(system.MoveFile(f"{folder}/a.txt", f"{folder}/sub/b.txt"), grants)
    moved = files.move_file(system.MoveFile(f"{folder}/a.txt", f"{folder}/sub/c.txt"), grants)
    assert copied.sha256 == moved.sha256
    listed = files.list_files(system.ListFiles(str(folder), "*.txt", recursive=True), grants)
    assert [entry["path"] for entry in listed.entries] == [f"{folder}/sub/b.txt", f"{folder}/sub/c.txt"]
    assert files.list_files(system.ListFiles(str(folder), limit=1, recursive=True), grants).truncated
    with pytest.raises(OSError, match="not empty"):
        files.delete_files(system.DeleteFile(f"{folder}/sub"), grants)
    assert files.delete_files(system.DeleteFile(f"{folder}/sub", recursive=True), grants).deleted == 3
    assert files.delete_files(system.DeleteFile(f"{folder}/sub"), grants).deleted == 0
    with pytest.raises(FileNotFoundError):
        files.delete_files(system.DeleteFile(f"{folder}/sub", missing_ok=False), grants)


def test_nothing_is_written_over_unless_asked_for(folder: Path, grants: Grants) -> None:
    for name in ("a", "b"):
        (folder / name).write_text(name)
    a, b = f"{folder}/a", f"{folder}/b"
    for refused in (
        lambda: files.write_file(system.WriteFile(b, "x", replace=False), grants),
        lambda: files.copy_file(system.MoveFile(a, b), grants),
        lambda: files.move_file(system.MoveFile(a, b), grants),
    ):
        with pytest.raises(FileExistsError):
            refused()
    assert names(folder) == ["a", "b"]
    assert (folder / "b").read_text() == "b"
    files.move_file(system.MoveFile(a, b, replace=True), grants)
    assert (folder / "b").read_text() == "a"


def test_links_lead_nowhere(folder: Path, grants: Grants) -> None:
    outside = folder.parent
    (folder / "file").symlink_to(outside / "outside.txt")
    (folder / "up").symlink_to(outside)
    (folder / "real.txt").write_text("x")
    for path in (f"{folder}/file", f"{folder}/up/outside.txt", f"{folder}/up/new.txt"):
        with pytest.raises(OSError):
            files.read_file(system.ReadFile(path), grants)
        with pytest.raises(OSError):
            files.copy_file(system.MoveFile(path, f"{folder}/stolen"), grants)
        with pytest.raises(OSError):
            files.move_file(system.MoveFile(path, f"{folder}/stolen"), grants)
    with pytest.raises(OSError):
        files.write_file(system.WriteFile(f"{folder}/up/outside.txt", "gone"), grants)
    with pytest.raises(OSError):
        files.copy_file(system.MoveFile(f"{folder}/real.txt", f"{folder}/up/x"), grants)
    with pytest.raises(OSError):
        files.list_files(system.ListFiles(f"{folder}/up"), grants)
    with pytest.raises(OSError):
        files.delete_files(system.DeleteFile(f"{folder}/up/outside.txt"), grants)
    listed = files.list_files(system.ListFiles(str(folder), recursive=True), grants)
    assert {entry["type"] for entry in listed.entries} == {"file", "link"}
    files.write_file(system.WriteFile(f"{folder}/file", "new"), grants)  # the link itself is replaced
    files.delete_files(system.DeleteFile(f"{folder}/up"), grants)
    assert (outside / "outside.txt").read_text() == "secret"
    assert names(outside) == ["inside", "outside.txt"]


def test_a_folder_that_becomes_a_link_on_the_way_leads_nowhere(folder: Path, grants: Grants) -> None:
    """Between the check and the writing."""
    (folder / "sub").mkdir()
    place = grants.place("files:write", f"{folder}/sub/x")
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(folder.parent)
    with pytest.raises(OSError), folders.writing(place, replace=True):
        pytest.fail("a file outside was opened")


def test_only_regular_files_are_read(folder: Path, grants: Grants) -> None:
    os.mkfifo(folder / "pipe")
    for name in ("pipe", "."):
        with pytest.raises((OSError, ValidationFailed)):
            files.read_file(system.ReadFile(f"{folder}/{name}"), grants)
    with pytest.raises(OSError):
        files.read_file(system.ReadFile(str(folder)), grants)
    with pytest.raises(OSError):
        files.delete_files(system.DeleteFile(str(folder), recursive=True), grants)
    assert folder.is_dir()


def test_paths_outside_are_refused(folder: Path, grants: Grants) -> None:
    for path in (
        "/etc/passwd",
        f"{folder.parent}/outside.txt",
        f"{folder}/../outside.txt",
        f"{folder}x",
        "//etc/passwd",
    ):
        for refused in (
            lambda path=path: files.read_file(system.ReadFile(path), grants),
            lambda path=path: files.write_file(system.WriteFile(path, "x"), grants),
            lambda path=path: files.delete_files(system.DeleteFile(path), grants),
        ):
            with pytest.raises((Forbidden, ValidationFailed)):
                refused()
    assert (folder.parent / "outside.txt").read_text() == "secret"


def test_contents_have_limits_and_are_what_they_say(folder: Path, grants: Grants) -> None:
    (folder / "x").write_bytes(b"\xff" * 100)
    for asked in (system.ReadFile(f"{folder}/x"), system.ReadFile(f"{folder}/x", "base64", 99)):
        with pytest.raises(TaskyardError):
            files.read_file(asked, grants)
    with pytest.raises(ValidationFailed):
        files.write_file(system.WriteFile(f"{folder}/x", "not base64!", "base64"), grants)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder: Path, grants: Grants) -> None:
    (folder / "x").write_text("old")
    place = grants.place("files:write", f"{folder}/x")
    with pytest.raises(TypeError), folders.writing(place, replace=True) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]  # it is what fails
    assert names(folder) == ["x"]
    assert (folder / "x").read_text() == "old"


def test_what_went_wrong_is_told_in_words(folder: Path, grants: Grants) -> None:
    with pytest.raises(OSError) as missing:
        files.read_file(system.ReadFile(f"{folder}/none"), grants)
    error = report(missing.value).error
    assert (error.message, error.retryable) == ("none: No such file or directory", False)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError) as linked:
        files.read_file(system.ReadFile(f"{folder}/link"), grants)
    assert "link, which is not followed" in report(linked.value).error.message
