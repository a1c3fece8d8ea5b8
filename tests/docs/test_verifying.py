"""The programs of docs/how-to/verify-webhooks.md tell genuine webhooks from others, in each of the five languages."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.docs.test_docs import ROOT, blocks_of

from taskyard.security.webhooks import new_secret, signed_headers

PAGE = ROOT / "docs" / "how-to" / "verify-webhooks.md"
PROGRAMS = {block.info: block.text for block in blocks_of(PAGE)}
BODY = '{"type": "task.instance.completed", "data": {"name": "Zoë"}}'.encode()
FILES = {
    "python": "verify.py",
    "javascript": "verify.mjs",
    "shell": "verify.sh",
    "go": "verify.go",
    "java": "Verify.java",
}


def command(language: str, file: Path) -> list[str]:
    if language == "python":
        return [sys.executable, str(file)]
    if language == "javascript":
        deno = Path(sys.executable).with_name("deno")
        return [str(deno), "run", "--allow-read", str(file)]
    runners = {"shell": ["sh"], "go": ["go", "run"], "java": ["java"]}
    program = shutil.which(runners[language][0])
    assert program is not None, f"install {runners[language][0]} to try the program in {language}"
    return [program, *runners[language][1:], str(file)]


def judged(language: str, folder: Path, secret: str, headers: dict[str, str], body: bytes) -> bool:
    file = folder / FILES[language]
    file.write_text(PROGRAMS[language], encoding="utf-8")
    arguments = [secret, headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"]]
    done = subprocess.run(
        [*command(language, file), *arguments], input=body, capture_output=True, timeout=110, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(
    "language",
    [
        "python",
        "javascript",
        "shell",
        pytest.param("go", marks=pytest.mark.real),
        pytest.param("java", marks=pytest.mark.real),
    ],
)
def test_a_program_accepts_what_is_genuine_and_nothing_else(language: str, tmp_path: Path) -> None:
    new, old = new_secret(), new_secret()
    now = int(time.time())
    headers = signed_headers([new, old], "id-7", now * 1_000_000, BODY, both=False)
    assert judged(language, tmp_path, new, headers, BODY)
    assert judged(language, tmp_path, old, headers, BODY)
    assert not judged(language, tmp_path, new_secret(), headers, BODY)
    assert not judged(language, tmp_path, new, headers, BODY + b" ")
    assert not judged(language, tmp_path, new, {**headers, "webhook-id": "id-8"}, BODY)
    assert not judged(language, tmp_path, new, {**headers, "webhook-signature": "v1,AAAA"}, BODY)
    late = signed_headers([new], "id-7", (now - 400) * 1_000_000, BODY, both=False)
    assert not judged(language, tmp_path, new, late, BODY)


def test_there_are_five() -> None:
    assert set(PROGRAMS) == set(FILES)
