"""Uploaded files as input: an id in the request, a file in the handler."""

import hashlib
import stat
from pathlib import Path

import pytest

from taskyard import Context, Taskyard, UploadedFile
from taskyard.engine.upload import save_upload
from taskyard.errors import ValidationFailed
from taskyard.security.caller import LOCAL
from tests.stories import handlers
from tests.stories.tools import count_tasks, refused_paths

CONTENT = bytes(range(256)) * 100


async def test_a_handler_finds_the_file_behind_the_id(yard: Taskyard) -> None:
    @yard.task
    async def checksum(file: UploadedFile, label: str = "") -> str:
        assert (file.name, file.size) == ("data.bin", len(CONTENT))
        assert file.path is not None
        return label + hashlib.sha256(file.path.read_bytes()).hexdigest()

    async with yard.worker():
        upload = await save_upload(yard.engine, "data.bin", CONTENT, LOCAL)
        assert upload.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert await yard.run("checksum", {"file": upload.id, "label": "x"}) == "x" + upload.sha256


async def test_lists_of_files_and_files_that_may_be_missing(yard: Taskyard) -> None:
    @yard.task
    async def total(files: list[UploadedFile], cover: UploadedFile | None = None) -> int:
        return sum(file.size for file in files) + (cover.size if cover else 0)

    async with yard.worker():
        one = await save_upload(yard.engine, "one", b"1", LOCAL)
        two = await save_upload(yard.engine, "two", b"22", LOCAL)
        assert await yard.run("total", {"files": [one.id, two.id]}) == 3
        assert await yard.run("total", {"files": [one.id], "cover": two.id}) == 3


async def test_a_file_goes_to_a_thread_a_process_and_a_subtask(yard: Taskyard) -> None:
    thread = yard.register("thread", handlers.size_of)
    process = yard.register("process", handlers.size_of, isolation="process")

    @yard.task
    async def parent(ctx: Context, file: UploadedFile) -> int:
        return int(await ctx.run(thread, {"file": file}))

    async with yard.worker():
        upload = await save_upload(yard.engine, "data.bin", CONTENT, LOCAL)
        assert await thread.run(file=upload.id) == len(CONTENT)
        assert await process.run(file=upload.id) == len(CONTENT)
        assert await yard.run("parent", {"file": upload.id}) == len(CONTENT)


@pytest.mark.parametrize("unknown", ["nowhere", "", "a\0b", "x" * 24])
async def test_an_unknown_upload_is_refused_before_anything_is_stored(yard: Taskyard, unknown: str) -> None:
    @yard.task
    async def total(files: list[UploadedFile], cover: UploadedFile | None = None) -> int:
        return len(files)

    async with yard:
        kept = (await save_upload(yard.engine, "one", b"1", LOCAL)).id
        with pytest.raises(ValidationFailed) as refused:
            await yard.start("total", {"files": [kept, unknown], "cover": unknown})
        assert refused_paths(refused.value) == ["/input/cover", "/input/files/1"]
        with pytest.raises(ValidationFailed) as refused:
            await total.start_many([{"files": [kept]}, {"files": [unknown]}])
        assert refused_paths(refused.value) == ["/tasks/1/input/files/0"]
        assert await count_tasks(yard) == 0
        assert (await yard.start("total", {"files": [kept]})).status == "PENDING"


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\temp\\x.txt", "a\0b", "", "\x1b[31mred", "x" * 1000])
async def test_a_name_is_only_ever_shown(yard: Taskyard, tmp_path: Path, name: str) -> None:
    size_of = yard.register("size_of", handlers.size_of)
    async with yard.worker():
        upload = await save_upload(yard.engine, name, b"content", LOCAL)
        assert "/" not in upload.name
        assert "\\" not in upload.name
        assert 0 < len(upload.name) <= 255
        assert await size_of.run(file=upload.id) == 7
    folder = tmp_path / "data" / "uploads"
    assert list(folder.iterdir()) == [folder / upload.sha256]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "nobody else reads them"
