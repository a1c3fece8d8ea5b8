"""What a jail is told to run: one request by its standard input, for each kind of source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from typing import Any

import msgspec

from taskyard.contracts.target import Call
from taskyard.domain.json import loads
from taskyard.executors.script.sandbox.jail import WORK

_LONGEST_LITERAL = 16_384
_LONGEST_VARIABLE = 65_536
_SHORT_OUTPUT = 4_096  # characters; another program is quicker with more
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")
_SHELL = """\
own="$HOME/.task"
leave() {{
  if [ "$1" != 0 ] && [ "$own" = {own} ] && [ "$(stat -f -c %a {own})" = 0 ]; then
    printf '{{"type": "error", "error": {{"code": "LIMIT:disk", "message": "no space left"}}}}\n' >&$2
  fi
  exit $1
}}
printf %s {source} >"$own/task.sh" && printf %s {input} >"$own/input.json" || leave 1 $1
export TASK_OUTPUT="$own/output" TASK_PROGRESS="/dev/fd/$1" TASK_FILES="$HOME/files"
{exports}
"$BASH" --noprofile --norc "$own/task.sh" <"$own/input.json"
code=$?
if [ -s "$TASK_OUTPUT" ]; then
  if IFS= read -r -d '' -n {short} output <"$TASK_OUTPUT"; then
    {{ printf '{{"type": "result", "output": '; tr '\\n' ' ' <"$TASK_OUTPUT"; printf '}}\\n'; }} >&$1
  else
    printf '{{"type": "result", "output": %s}}\\n' "${{output//$'\\n'/ }}" >&$1
  fi
fi
for file in "$TASK_FILES"/*; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    name=${{file##*/}} name=${{name//[[:cntrl:]\\"\\\\]/_}}
    {{ printf '{{"type": "file", "last": true, "name": "%s", "data": "' "$name"; base64 -w0 "$file"
      printf '"}}\\n'; }} >&$1
  fi
done
leave $code $1
"""
"""Who leaves looks whether all of its own file system is taken: else only the tool that found no room knows it."""


def request(call: Call, env: Mapping[str, str], files: Mapping[str, dict[str, Any]], path: list[str]) -> bytes:
    """The request of a call. `env`: its variables; `files`: where in the jail its files are, by upload id;
    `path`: folders with its dependencies.
    """
    if call.kind == "shell":
        return _shell(call, env, files)
    if call.kind == "bash-lite":
        return _bash_lite(call, env, files)
    common = {
        "source": call.implementation["source"],
        "env": dict(env),
        "task": {"id": call.task_id, "attempt": call.attempt, "definition": call.definition},
        "files": dict(files),
    }
    if call.kind == "python":
        return _python(call, {**common, "path": path})
    return msgspec.json.encode({**common, "typescript": call.kind == "typescript", "input": msgspec.Raw(call.input)})


def _python(call: Call, common: dict[str, Any]) -> bytes:
    """A literal: reading it spares most jails the import of a JSON reader."""
    long = len(call.input) > _LONGEST_LITERAL
    given = {"input": None, "json": call.input.decode()} if long else {"input": loads(call.input), "json": ""}
    return repr({**common, **given}).encode("utf-8", "surrogatepass")


def _bash_lite(call: Call, env: Mapping[str, str], files: Mapping[str, dict[str, Any]]) -> bytes:
    """A literal, as Python's."""
    told = {
        "source": call.implementation["source"],
        "input": call.input.decode(),
        "env": _variables(call, env, files),
        "files": dict(files),
        "memory": call.resources.memory_mb << 20,
    }
    return repr(told).encode("utf-8", "surrogatepass")


def _variables(call: Call, env: Mapping[str, str], files: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The environment of a script."""
    own = {"TASK_ID": call.task_id, "TASK_ATTEMPT": str(call.attempt), "TASK_DEFINITION": call.definition}
    return own | _input_variables(loads(call.input), files) | dict(env)


def _shell(call: Call, env: Mapping[str, str], files: Mapping[str, dict[str, Any]]) -> bytes:
    variables = _variables(call, env, files)
    text = _SHELL.format(
        short=_SHORT_OUTPUT,
        own=f"{WORK}/.task",
        source=quote(call.implementation["source"]),
        input=quote(call.input.decode()),
        exports="\n".join(f"export {name}={quote(value)}" for name, value in variables.items()),
    )
    return text.encode("utf-8", "replace")


def _input_variables(value: Any, files: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """`INPUT_<NAME>` of each field: texts as they are, a file's path for its id, and the rest as JSON.

    What is too long for a variable is only in the JSON on standard input.
    """
    if not isinstance(value, dict):
        return {}
    found = {}
    for name, each in value.items():
        if isinstance(each, str):
            text = files[each]["path"] if each in files else each
        else:
            text = msgspec.json.encode(each).decode()
        if len(text) <= _LONGEST_VARIABLE:
            found["INPUT_" + _NOT_IN_NAMES.sub("_", name.upper())] = text
    return found
