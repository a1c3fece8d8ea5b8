"""Secrets in the environment of scripts: there when the code runs, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, sandbox, value_of

from taskyard.domain.mask import Mask
from taskyard.domain.outcome import Done, Failed, Report, TaskError
from taskyard.executors.script.secrets import run_with_secrets
from taskyard.security.secrets import NoSecret, Secrets

CANARY, LINES = "canary-7f3a", "first-line-of-it\nsecond-line"
ENV = {"TOKEN": {"secret": "token"}, "KEY": {"secret": "key"}, "PLAIN": "plain"}
LEAKS = {
    "python": """
import os, sys
def main(input, ctx):
    token = os.environ["TOKEN"]
    print("printed", token); sys.stderr.write(token + "\\n")
    ctx.log.info("logged " + token); ctx.progress(1, 2, "with " + token)
    for line in os.environ["KEY"].splitlines(): print(line)
    if input: raise ValueError("failed with " + token)
    return {"length": len(token), token: [token], "plain": os.environ["PLAIN"]}
""",
    "javascript": """
export default async function (input, ctx) {
  const token = Deno.env.get("TOKEN");
  console.log("printed", token); ctx.log("info", "logged " + token); ctx.progress(1, 2, "with " + token);
  for (const line of Deno.env.get("KEY").split("\\n")) console.log(line);
  if (input) throw new Error("failed with " + token);
  return { length: token.length, [token]: [token], plain: Deno.env.get("PLAIN") };
}
""",
    "shell": """
echo "printed $TOKEN"; echo "$TOKEN" >&2; echo "1 2 with $TOKEN" >>"$TASK_PROGRESS"; echo "$KEY"
[ "$(cat)" = true ] && { echo "failed with $TOKEN"; exit 1; }
printf '{"length": %d, "%s": ["%s"], "plain": "%s"}' "${#TOKEN}" "$TOKEN" "$TOKEN" "$PLAIN" >"$TASK_OUTPUT"
""",
}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "key").write_text(LINES + "\n")
    return Secrets({"token": CANARY}, tmp_path)


@pytest.mark.parametrize("kind", sorted(LEAKS))
@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_code_has_them_and_nobody_hears_them(tier: str, kind: str, secrets: Secrets) -> None:
    async with sandbox([tier]) as box:
        for fails in (False, True):
            heard = Heard()
            asked = call(kind, LEAKS[kind], fails, implementation={"env": ENV})
            report = await run_with_secrets(box, asked, heard, secrets)
            if fails:
                error = error_of(report)
                assert (error.code, "failed with ***" in f"{error}") == ("EXECUTION_ERROR", True)
            else:
                assert value_of(report) == {"length": len(CANARY), "***": ["***"], "plain": "plain"}
            assert "printed ***" in heard.text
            assert heard.steps[0][2] == "with ***"
            told = f"{report} {heard.lines} {heard.steps}"
            assert not [part for part in (CANARY, *LINES.splitlines()) if part in told]


async def test_they_are_not_in_the_command_or_the_environment_of_a_process(secrets: Secrets) -> None:
    look = "import os\ndef main(i, c):\n os.environ['TOKEN']\n"
    look += " return [open(f'/proc/self/{n}').read().count('canary') for n in ('cmdline', 'environ')]"
    async with sandbox(TIERS_HERE[:1]) as box:
        asked = call("python", look, implementation={"env": ENV})
        assert value_of(await run_with_secrets(box, asked, Heard(), secrets)) == [0, 0]


@pytest.mark.parametrize("name", ["none", "../key", "/etc/passwd", "", "short", "binary", "nul", "."])
async def test_what_is_no_secret_is_named_and_the_code_never_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "short").write_text("abc")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd\xfc\xfb\xfa\xf9")
    (tmp_path / "nul").write_bytes(b"abc\0defgh")
    heard = Heard()
    asked = call("python", "def main(i, c): return 1", implementation={"env": {"A": {"secret": name}}})
    async with sandbox(TIERS_HERE[-1:]) as box:
        error = error_of(await run_with_secrets(box, asked, heard, Secrets({}, tmp_path)))
    assert (error.code, heard.tiers, repr(name) in error.message) == ("SANDBOX_UNAVAILABLE", [], True)


def test_what_the_operator_gives_wins_and_without_a_folder_there_are_no_others(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from the file")
    assert Secrets({"token": CANARY}, tmp_path).value("token") == CANARY
    assert Secrets({}, tmp_path).value("token") == "from the file"
    with pytest.raises(NoSecret, match="TASKYARD_SECRETS_DIR"):
        Secrets({}, None).value("token")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Done([{"a": f"x{CANARY}"}], ({CANARY: 1},)), Done([{"a": "x***"}], ({"***": 1},))),
        (
            Failed(TaskError(CANARY, CANARY, [CANARY], CANARY, retryable=True), 3.0),
            Failed(TaskError("***", "***", ["***"], "***", retryable=True), 3.0),
        ),
    ],
)
def test_reports_are_masked_whole(report: Report, expected: Any) -> None:
    assert Mask([CANARY]).report(report) == expected


ODD = 'pass "word" & more/päss'


@pytest.mark.parametrize("tier", TIERS_HERE[:1])
async def test_they_are_not_heard_as_json_addresses_or_base64_either(tier: str) -> None:
    source = """
import base64, json, os, urllib.parse
def main(input, ctx):
    odd = os.environ["ODD"]
    print(json.dumps({"odd": odd})); print(urllib.parse.quote(odd, safe="")); print(urllib.parse.urlencode({"q": odd}))
    print(base64.b64encode(odd.encode()).decode())
    print(json.dumps({"odd": odd}, ensure_ascii=False))
"""
    heard = Heard()
    async with sandbox([tier]) as box:
        asked = call("python", source, implementation={"env": {"ODD": {"secret": "odd"}}})
        value_of(await run_with_secrets(box, asked, heard, Secrets({"odd": ODD}, None)))
    assert [text for _, text in heard.lines] == ['{"odd": "***"}', "***", "q=***", "***", '{"odd": "***"}']


LONG = "".join(f"{number:05}" for number in range(4_000))  # no part of it is in it twice


@pytest.mark.parametrize("tier", TIERS_HERE)
@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("shell", 'exec 2>/dev/null; printf %s "$LONG"; exit 1'),
        ("shell", "printf 'x%.0s' $(seq 8100); echo \"$LONG\"; exit 1"),
        ("shell", "printf 'x%.0s' $(seq 65000); echo \"$LONG\""),
        ("shell", "echo \"${LONG}$(printf 'x%.0s' $(seq 4000))\"; exit 1"),
        ("python", "import os\ndef main(i, c): raise ValueError('x' * 8000 + os.environ['LONG'])"),
        ("python", "import os\ndef main(i, c):\n c.log.info('x' * 8000 + os.environ['LONG'])\n return 1"),
    ],
)
async def test_no_part_of_one_is_left_where_text_is_cut(tier: str, kind: str, source: str) -> None:
    heard = Heard()
    async with sandbox([tier]) as box:
        asked = call(kind, source, implementation={"env": {"LONG": {"secret": "long"}}})
        report = await run_with_secrets(box, asked, heard, Secrets({"long": LONG}, None))
    told = f"{report} {heard.lines}"
    assert "***" in told
    assert not [at for at in range(len(LONG) - 12) if LONG[at : at + 12] in told]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retly-kept and", "*** and"),
        ("and secretl", "and ***"),
        ("a\nretly-kept\nsecretl", "a\n***\n***"),
        ("exit code 1: …cretly-k", "exit code 1: …***"),
        ("kept", "kept"),
        ("a secret", "a ***"),
        ("etly-k here", "etly-k here"),
    ],
)
def test_of_one_that_was_cut_the_rest_is_hidden(text: str, expected: str) -> None:
    assert Mask(["secretly-kept"]).said(text) == expected
    assert Mask(["a" * 65_000]).said("a" * 8_000) == "***"


def test_the_longest_goes_first() -> None:
    assert Mask(["secret", "secret-and-more"]).text("secret-and-more secret") == "*** ***"
