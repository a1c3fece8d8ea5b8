"""Programs that try to get out. Each gives a list of what it could do and should not have been able to."""

from __future__ import annotations

from typing import NamedTuple


class Bait(NamedTuple):
    """What there is to be reached: a file, a port of this machine that listens, and a name in our environment."""

    file: str
    port: int
    variable: str


_PYTHON = """\
import os, socket
def main(input, ctx):
    def read(): open({file!r}).read()
    def write(): open({file!r}, "a").write("x")
    def connect(): socket.create_connection(("127.0.0.1", {port}), 5)
    def fork():
        if os.fork() == 0: os._exit(0)
    def look(): os.environ[{variable!r}]
    def signal(): os.kill(os.getppid(), 0) if os.getppid() else open("/none")
    def gain(): os.setuid(0)
    found = []
    for each in (read, write, connect, fork, look, signal, gain):
        try:
            each()
            found.append(each.__name__)
        except Exception:
            pass
    return found
"""
_JAVASCRIPT = """\
export default async function (input, ctx) {{
  const tries = {{
    read: () => Deno.readTextFile("{file}"),
    write: () => Deno.writeTextFile("{file}", "x"),
    connect: () => Deno.connect({{ hostname: "127.0.0.1", port: {port} }}),
    run: () => new Deno.Command("/bin/true").output(),
    text: () => import("file://{file}", {{ with: {{ type: "text" }} }}),
    look: () => {{ if (Deno.env.get("{variable}") === undefined) throw new Error("not there"); }},
  }};
  const found = [];
  for (const [name, attempt] of Object.entries(tries)) {{
    try {{ await attempt(); found.push(name); }} catch {{}}
  }}
  return found;
}}
"""
_SHELL = """\
found=""
cat {file} 2>/dev/null >&2 && found="$found,\\"read\\""
{{ echo x >>{file}; }} 2>/dev/null && found="$found,\\"write\\""
{{ : >/dev/tcp/127.0.0.1/{port}; }} 2>/dev/null && found="$found,\\"connect\\""
[ -n "${{{variable}}}" ] && found="$found,\\"look\\""
echo "[${{found#,}}]" >"$TASK_OUTPUT"
"""
_PROGRAMS = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "shell": _SHELL,
    "bash-lite": _SHELL,
}


def canary(kind: str, bait: Bait) -> str:
    """The source of the canary program of this kind."""
    return _PROGRAMS[kind].format(**bait._asdict())
