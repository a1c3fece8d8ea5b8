"""Files that programs are given, and files that they make."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
import threading
from pathlib import Path

import pytest
from tests.executors.sandbox.calls import Heard, call, run, value_of
from tests.support import eventually

from taskyard.domain.frame import Wrote
from taskyard.domain.isolation import TIERS
from taskyard.domain.outcome import Done, MadeFile
from taskyard.domain.upload import UploadedFile
from taskyard.executors.script.sandbox import target
from taskyard.executors.script.sandbox.files import Made, give
from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.target import Sandbox

CONTENT = "id;name\n1;Ada\n"
READS = {
    "python": "def main(input, ctx):\n    file = ctx.files[input['file']]\n"
    "    return [open(file['path']).read(), file['name'], file['size']]",
    "javascript": "export default async (input, ctx) => { const file = ctx.files[input.file];"
    " return [await Deno.readTextFile(file.path), file.name, file.size]; }",
    "shell": 'printf \'["%s", "%s", %s]\' "$(sed -z "s/\\n/\\\\\\\\n/g" "$INPUT_FILE")" '
    '"$(basename "$INPUT_FILE")" "$(stat -c %s "$INPUT_FILE")" >"$TASK_OUTPUT"',
}
WRITES = {
    "python": "import os\ndef main(input, ctx):\n    path = ctx.files[input['file']]['path']\n"
    "    for attempt in (lambda: open(path, 'a').write('x'), lambda: os.chmod(path, 0o777), lambda: os.remove(path)):\n"
    "        try:\n            attempt()\n            return 'changed'\n        except OSError:\n            pass",
    "shell": 'echo x 2>/dev/null >>"$INPUT_FILE"; rm -f "$INPUT_FILE" 2>/dev/null; echo null >"$TASK_OUTPUT"',
}
MAKES = {
    "python": "def main(input, ctx):\n    open('report.csv', 'wb').write(b'a' * 100_000)\n"
    "    return {'report': ctx.save('report.csv'), 'other': 'file:none'}",
    "javascript": "export default (input, ctx) => ({ report: ctx.save('report.csv', 'a'.repeat(100_000)),"
    " other: 'file:none' })",
    "shell": "head -c 100000 /dev/zero | tr '\\0' a >\"$TASK_FILES/report.csv\"\n"
    'echo \'{"report": "file:report.csv", "other": "file:none"}\' >"$TASK_OUTPUT"',
}


async def test_a_shell_s_files_may_have_any_name(box: Sandbox) -> None:
    names = """'a"b' 'c\\d' $'e\nf' $'g\th' "i'j" 'k l' '*' '-n' 'é%s'"""
    source = f'cd "$TASK_FILES"; for name in {names}; do printf %s "$name" >"./$name"; done; echo 1 >"$TASK_OUTPUT"'
    report = await box.run(call("shell", source), Heard())
    assert isinstance(report, Done), report
    made = {file.name: file.content.decode() for file in report.files}
    expected = ['a"b', "c\\d", "e\nf", "g\th", "i'j", "k l", "*", "-n", "é%s"]
    assert made == {re.sub(r'["\\\n\t]', "_", name): name for name in expected}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, UploadedFile]:
    """A file where only we can come to it."""
    path = tmp_path / hashlib.sha256(CONTENT.encode()).hexdigest()
    path.write_text(CONTENT)
    path.chmod(0o600)
    return {"upload-1": UploadedFile("upload-1", "people.csv", len(CONTENT), path.name, path)}


@pytest.mark.parametrize("kind", sorted(READS))
async def test_a_program_reads_the_files_it_is_given(box: Sandbox, kind: str, given: dict[str, UploadedFile]) -> None:
    report = await box.run(call(kind, READS[kind], {"file": "upload-1"}, files=given), Heard())
    text, name, size = value_of(report)
    assert (text, size) == (CONTENT, len(CONTENT))
    assert name == "people.csv" or kind == "shell"


@pytest.mark.parametrize("kind", sorted(WRITES))
async def test_it_cannot_change_them(box: Sandbox, kind: str, given: dict[str, UploadedFile]) -> None:
    report = await box.run(call(kind, WRITES[kind], {"file": "upload-1"}, files=given), Heard())
    assert value_of(report) is None
    path = given["upload-1"].path
    assert path is not None
    assert path.read_text() == CONTENT


async def test_copies_are_there_for_its_user_alone(box: Sandbox, given: dict[str, UploadedFile]) -> None:
    source = "import time\ndef main(input, ctx):\n ctx.log.info('up')\n time.sleep(30)"
    running = asyncio.create_task(box.run(call("python", source, files=given), heard := Heard()))
    await eventually(lambda: heard.lines)
    copies = list(box._folders.root.glob("given-*"))
    assert len(copies) == (os.geteuid() == 0)
    assert all(stat.S_IMODE(copy.stat().st_mode) == 0o440 and copy.stat().st_gid != os.getegid() for copy in copies)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("kind", sorted(MAKES))
async def test_files_that_it_makes_are_handed_over(box: Sandbox, kind: str) -> None:
    report = await run(box, kind, MAKES[kind])
    assert isinstance(report, Done), report
    assert report.value == {"report": "file:report.csv", "other": "file:none"}
    assert report.files == (MadeFile("report.csv", b"a" * 100_000),)


async def test_files_count_as_output(box: Sandbox) -> None:
    report = await run(box, "python", MAKES["python"], output_bytes=50_000)
    assert not isinstance(report, Done)


@pytest.mark.parametrize("tier", TIERS)
def test_files_that_cannot_all_be_given_leave_no_copies(tmp_path: Path, tier: str) -> None:
    folders = Folders(for_others=True)
    files = {}
    for number in range(2):
        path = tmp_path / f"{number}"
        path.write_text("x")
        path.chmod(0o600)
        files[str(number)] = UploadedFile(str(number), "x", 1, "", path=path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        give(files, tier, folders)
    assert not list(folders.root.glob("given-*"))
    folders.close()


async def test_a_call_that_is_cancelled_while_it_is_given_its_files_leaves_no_copies(
    box: Sandbox, given: dict[str, UploadedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.standings()
    begun, go_on, removed = threading.Event(), threading.Event(), threading.Event()

    class Copied:
        remove = staticmethod(removed.set)

    def slowly(*_: object) -> Copied:
        begun.set()
        go_on.wait(60)
        return Copied()

    monkeypatch.setattr(target, "give", slowly)
    running = asyncio.create_task(box.run(call("shell", "true", files=given), Heard()))
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert removed.is_set()


def test_only_whole_files_with_plain_names_are_kept() -> None:
    made = Made()
    made.take(Wrote("../../etc/passwd", b"a", last=False))
    made.take(Wrote("../../etc/passwd", b"b", last=True))
    made.take(Wrote("half", b"a", last=False))
    for number in range(200):
        made.take(Wrote(str(number), b"", last=True))
    assert made.files[0] == MadeFile("passwd", b"ab")
    assert len(made.files) < 101
