# ruff: noqa: E501 - short programs stand on one line
"""Programs that try to get out, or to use up the machine, and what has to become of each.

An escape gives the list of what it could do: it must be empty. `{...}` words are the baits of `corpus.Baits`.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

NAP = f"4242.{os.getpid()}"
"""Seconds that nobody else sleeps, while others may let the same programs loose."""


class Attack(NamedTuple):
    """A hostile program. `expected`: `[]` for escapes, a limit, or an error code; several where tiers differ.
    `network`: whether it has a way to one endpoint.
    """

    name: str
    kind: str
    source: str
    expected: tuple[Any, ...]
    resources: dict[str, Any] = {}  # noqa: RUF012 - a default that nobody changes
    network: bool = False


def _python(body: str) -> str:
    """A program of attempts: functions whose names tell what they could do."""
    return f"""\
import ctypes, os, socket, stat, resource
{body}
def main(input, ctx):
    found = []
    for name, attempt in list(globals().items()):
        if name.startswith("t_"):
            try:
                attempt()
                found.append(name)
            except (OSError, KeyError, ValueError, RuntimeError):
                pass
    return found
"""


_CALLS = """\
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0: raise OSError(ctypes.get_errno(), "")
""" + "\n".join(
    f"def t_{name}(): call({number}, {arguments})"
    for name, number, arguments in (
        ("ptrace", 101, "16, {victim}, 0, 0"), ("unshare", 272, "0x10000000"), ("mount", 165, "b'a', b'/tmp', b'tmpfs', 0, 0"),
        ("bpf", 321, "0, 0, 0"), ("io_uring", 425, "4, ctypes.create_string_buffer(256)"), ("keyctl", 250, "0, -3, 0"),
        ("memfd", 319, "b'x', 0"), ("setns", 308, "0, 0"), ("userfaultfd", 323, "0"), ("pidfd_open", 434, "{victim}, 0"),
        ("perf_event_open", 298, "0, 0, 0, 0, 0"), ("chroot", 161, "b'/'"), ("add_key", 248, "b'user', b'a', b'b', 1, -3"),
        ("process_vm_readv", 310, "{victim}, 0, 0, 0, 0, 0"), ("pivot_root", 155, "b'/', b'/'"), ("fsopen", 430, "b'tmpfs', 0"),
        ("clone_user", 56, "0x10000000 | 17, 0, 0, 0, 0"), ("clone3", 435, "ctypes.create_string_buffer(88), 88"),
        ("open_by_handle", 304, "0, 0, 0"), ("kexec", 246, "0, 0, 0, 0"), ("shmget", 29, "0, 4096, 0o1600"),
        ("personality", 135, "8"), ("inotify", 294, "0"), ("msgctl", 71, "0, 3, ctypes.create_string_buffer(256)"),
        ("semctl", 66, "0, 0, 19, ctypes.create_string_buffer(256)"), ("fork", 57, ""), ("vfork", 58, ""),
    )
).replace(", )", ")")  # fmt: skip

PYTHON_ESCAPES = {
    "files": """\
def t_passwd(): open("/etc/passwd").read()
def t_shadow(): open("/etc/shadow").read()
def t_hostname(): open("/etc/hostname").read()
def t_canary(): open("{canary}").read()
def t_up(): open("../../../../../../../.." + "{canary}").read()
def t_symlink():
    os.symlink("{canary}", "link"); open("link").read()
def t_hardlink():
    os.link("{canary}", "hard"); open("hard").read()
def t_home(): os.listdir("{home}")
def t_database(): open("{folder}/taskyard.db").read()
def t_self_mem():
    if b"{secret}" in open("/proc/self/environ", "rb").read(): return
    raise OSError
""",
    "secrets": """\
def t_own(): os.environ["TASKYARD_TEST_SECRET"]
def t_anywhere():
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                if b"{secret}" in open(f"/proc/{{pid}}/environ", "rb").read(): return
            except OSError: pass
    raise OSError
def t_parent_memory(): open("/proc/{victim}/mem", "rb").read(1)
def t_parent_command(): open("/proc/{victim}/cmdline").read()
def t_descriptors():
    for number in range(3, 128):
        try: mode = os.fstat(number).st_mode
        except OSError: continue
        if not stat.S_ISFIFO(mode): return
    raise OSError
""",
    "network": """\
def t_tcp(): socket.create_connection(("127.0.0.1", {port}), 1)
def t_udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port}))
def t_unix(): socket.socket(socket.AF_UNIX).connect("{socket}")
def t_abstract(): socket.socket(socket.AF_UNIX).connect("\\0{mark}")
def t_datagram(): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", "{folder}/datagrams")
def t_abstract_datagram(): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", "\\0{mark}-datagrams")
def t_message(): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendmsg([b"x"], [], 0, "{folder}/datagrams")
def t_netlink(): socket.socket(16, 3, 0)
def t_raw(): socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
def t_listen():
    s = socket.socket(); s.bind(("0.0.0.0", 0)); s.listen()
""",
    "writes": """\
def t_canary(): open("{canary}", "a").write("changed")
def t_usr(): open("/usr/{mark}", "w")
def t_usr_lib(): open("/usr/lib/{mark}", "w")
def t_root(): open("/{mark}", "w")
def t_etc(): open("/etc/{mark}", "w")
def t_dev(): open("/dev/{mark}", "w").write("x")
def t_shm(): open("/dev/shm/{mark}", "w").write("x")
def t_chmod(): os.chmod("{canary}", 0o777)
def t_chown(): os.chown("{canary}", os.getuid(), os.getgid())
def t_utime(): os.utime("{canary}", (1, 1))
def t_xattr(): os.setxattr("{canary}", "user.a", b"b")
def t_remove(): os.remove("{canary}")
def t_rename(): os.rename("{canary}", "{canary}2")
def t_mknod(): os.mknod("disk", 0o60666, os.makedev(8, 0))
def t_sysctl(): open("/proc/sys/kernel/hostname", "w").write("x")
""",
    "rights": """\
import signal
def t_kill(): os.kill({victim}, 0)
def t_kill_9(): os.kill({victim}, signal.SIGKILL)
def t_setuid(): os.setuid(0)
def t_setgroups(): os.setgroups([0])
def t_limits(): resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))
def t_nice(): os.setpriority(os.PRIO_PROCESS, 0, -10)
def t_terminal():
    import fcntl
    fcntl.ioctl(0, 0x5412, b"x")
def t_fork():
    if os.fork() == 0: os._exit(0)
def t_spawn():
    import subprocess
    subprocess.run(["/bin/true"])
""",
    "calls": _CALLS,
}

_JS = """\
export default async function (input, ctx) {{
  const attempts = {{
    passwd: () => Deno.readTextFile("/etc/passwd"),
    canary: () => Deno.readTextFile("{canary}"),
    fileText: () => import("file://{canary}", {{ with: {{ type: "text" }} }}),
    fileJson: () => import("file://{canary}", {{ with: {{ type: "json" }} }}),
    fileModule: () => import("file://{canary}"),
    inWorker: () => new Promise((done, fail) => {{
      const code = `import s from "file://{canary}" with {{ type: "text" }}; postMessage(s)`;
      const worker = new Worker("data:text/javascript," + encodeURIComponent(code), {{ type: "module" }});
      worker.onmessage = () => done();
      worker.onerror = (event) => {{ event.preventDefault(); fail(event); }};
    }}),
    node: async () => (await import("node:fs")).readFileSync("{canary}"),
    nodeProcess: async () => (await import("node:child_process")).execSync("id"),
    write: () => Deno.writeTextFile("{canary}", "changed"),
    writeHere: () => Deno.writeTextFile("./here", "x"),
    tcp: () => Deno.connect({{ hostname: "127.0.0.1", port: {port} }}),
    fetch: () => fetch("http://127.0.0.1:{port}/"),
    remote: () => import("http://127.0.0.1:{port}/a.js"),
    npm: () => import("np" + "m:left-pad"),
    jsr: () => import("jsr:@std/path"),
    listen: () => Deno.listen({{ port: 0 }}),
    run: () => new Deno.Command("/bin/true").output(),
    kill: () => Deno.kill({victim}, "SIGKILL"),
    ffi: () => Deno.dlopen("libc.so.6", {{ getpid: {{ parameters: [], result: "i32" }} }}),
    secret: () => {{ if (Deno.env.get("TASKYARD_TEST_SECRET") === undefined) throw new Error("none"); }},
    environ: async () => {{
      if (!(await Deno.readTextFile("/proc/self/environ")).includes("{secret}")) throw new Error("none");
    }},
    hostname: () => Deno.hostname(),
    permission: async () => {{
      const got = await Deno.permissions.request({{ name: "read" }});
      if (got.state !== "granted") throw new Error("no");
    }},
    constructor: () => {{
      const global = (async () => {{}}).constructor("return globalThis")();
      return global.Deno.readTextFileSync("{canary}");
    }},
    wasm: () => new WebAssembly.Memory({{ initial: 1 }}),
    inspector: async () => (await import("node:inspector")).open(0),
  }};
  const found = [];
  for (const [name, attempt] of Object.entries(attempts)) {{
    try {{ await attempt(); found.push(name); }} catch {{}}
  }}
  return found.filter((name) => name !== "wasm");
}}
"""

_SHELL = """\
found=""
could() {{ found="$found,\\"$1\\""; }}
cat /etc/passwd 2>&1 >/dev/null && could passwd
cat {canary} >/dev/null 2>&1 && could canary
ln -s {canary} link && cat link >/dev/null 2>&1 && could symlink
ls {home} >/dev/null 2>&1 && could home
{{ echo changed >>{canary}; }} 2>/dev/null && could write
{{ echo x >/usr/{mark}; }} 2>/dev/null && could usr
{{ echo x >/etc/{mark}; }} 2>/dev/null && could etc
{{ echo x >/dev/shm/{mark}; }} 2>/dev/null && could shm
{{ : >/dev/tcp/127.0.0.1/{port}; }} 2>/dev/null && could tcp
{{ echo x >/dev/udp/127.0.0.1/{port}; }} 2>/dev/null && could udp
[ -n "$TASKYARD_TEST_SECRET" ] && could secret
grep -q {secret} /proc/*/environ 2>/dev/null && could environ
kill -9 {victim} 2>/dev/null && could kill
chmod 777 {canary} 2>/dev/null && could chmod
touch {canary} 2>/dev/null && could touch
rm {canary} 2>/dev/null </dev/null && could remove
mknod disk b 8 0 2>/dev/null && could mknod
mount -t tmpfs none /tmp 2>/dev/null && could mount
unshare -r true 2>/dev/null && could unshare
su root -c id >/dev/null 2>&1 </dev/null && could su
ulimit -t unlimited 2>/dev/null && could limits
echo "[${{found#,}}]" >"$TASK_OUTPUT"
"""

ESCAPES = [
    *(Attack(name, "python", _python(body), ([],)) for name, body in PYTHON_ESCAPES.items()),
    Attack("all", "javascript", _JS, ([],)),
    Attack(
        "all", "typescript", _JS.replace("(input, ctx)", "(input: unknown, ctx: unknown): Promise<string[]>"), ([],)
    ),
    Attack("all", "shell", _SHELL, ([],)),
]

ONE_SECOND = {"cpu_seconds": 1}
LIMITS = [
    Attack("loop", "python", "def main(i, c):\n while True: pass", ("cpu",), ONE_SECOND),
    Attack("native loop", "python", "def main(i, c): return (7 ** (10 ** 8)) % 10", ("cpu",), ONE_SECOND),
    Attack(
        "stubborn loop", "python",
        "import signal\ndef main(i, c):\n for s in (signal.SIGXCPU, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        " while True: pass", ("cpu",), ONE_SECOND,
    ),
    Attack("regex", "python", "import re\ndef main(i, c): re.match(r'(a+)+$', 'a' * 40 + 'b')", ("cpu",), ONE_SECOND),
    Attack("sleep", "python", "import time\ndef main(i, c): time.sleep(60)", ("TIMEOUT",), {"wall_seconds": 1}),
    Attack(
        "closed and asleep", "python",
        "import os, time\ndef main(i, c):\n for n in range(3, 128):\n  try: os.close(n)\n  except OSError: pass\n"
        " os.close(1); os.close(2); time.sleep(60)", ("TIMEOUT",), {"wall_seconds": 1},
    ),
    Attack("huge", "python", "def main(i, c): return len(bytearray(10 ** 10))", ("memory",)),
    Attack("growing", "python", "def main(i, c):\n a = []\n while True: a.append(bytearray(10 ** 6))", ("memory",)),
    Attack("fork bomb", "python", "import os\ndef main(i, c):\n while True: os.fork()", ("processes",)),
    Attack(
        "thread bomb", "python",
        "import threading, time\ndef main(i, c):\n while True: threading.Thread(target=time.sleep, args=(9,)).start()",
        ("processes", "memory"),
    ),
    Attack("printing", "python", "def main(i, c):\n while True: print('x' * 100_000)", ("output",)),
    Attack("logging", "python", "def main(i, c):\n while True: c.log.info('x' * 8000)", ("output",)),
    Attack("stderr", "python", "import sys\ndef main(i, c):\n while True: sys.stderr.write('x')", ("output",), {"output_bytes": 50_000}),
    Attack("long result", "python", "def main(i, c): return 'x' * (5 << 20)", ("output",)),
    Attack(
        "one file", "python",
        "def main(i, c):\n with open('a', 'wb') as f:\n  while True: f.write(b'x' * 10 ** 6)", ("disk",), {"disk_mb": 8},
    ),
    Attack(
        "many files", "python",
        "import itertools\ndef main(i, c):\n for n in itertools.count():\n  open(str(n), 'wb').write(b'x' * 10 ** 6)",
        ("disk",), {"disk_mb": 8},
    ),
    Attack("loop", "javascript", "export default function () { for (;;) {} }", ("cpu",), ONE_SECOND),
    Attack("regex", "javascript", "export default () => /(a+)+$/.test('a'.repeat(40) + 'b')", ("cpu",), ONE_SECOND),
    Attack("sleep", "javascript", "export default () => new Promise((d) => setTimeout(d, 60000))", ("TIMEOUT",), {"wall_seconds": 1}),
    Attack("heap", "javascript", "export default () => { const a = []; for (;;) a.push(new Array(1000).fill({})); }", ("memory",)),
    Attack(
        "buffers", "javascript",
        "export default () => { const a = []; for (let n = 0; n < 40; n++) a.push(new Uint8Array(50e6).fill(1)); return 1; }",
        ("memory",), {"memory_mb": 128},
    ),
    Attack("printing", "javascript", "export default () => { for (;;) console.log('x'.repeat(8000)); }", ("output",)),
    Attack("raw", "javascript", "export default () => { for (;;) Deno.stderr.writeSync(new Uint8Array(65536)); }", ("output",)),
    Attack(
        "workers", "javascript",
        "export default async () => { const code = 'data:text/javascript,for(;;){}'; for (let n = 0; n < 1000; n++)"
        " new Worker(code, { type: 'module' }); await new Promise((d) => setTimeout(d, 60000)); }",
        ("memory", "cpu", "processes", "EXECUTION_ERROR", "TIMEOUT"), {"cpu_seconds": 2, "wall_seconds": 5},
    ),
    Attack("100 MB of lines", "python", "def main(i, c):\n for n in range(100): print('x' * 10 ** 6)", ("output",)),
    Attack("long result", "javascript", "export default () => 'x'.repeat(5 << 20)", ("output",)),
    Attack("100 MB of lines", "javascript", "export default () => { for (let n = 0; n < 1e4; n++) console.log('x'.repeat(1e4)); }", ("output",)),
    Attack("recursion", "javascript", "const f = () => f() + 1; export default f", ("EXECUTION_ERROR", "memory")),
    Attack("loop", "typescript", "export default (i: unknown): never => { for (;;) {} }", ("cpu",), ONE_SECOND),
    Attack("100 MB of lines", "shell", "head -c 100000000 /dev/zero | tr '\\0' x | fold -w 1000", ("output",)),
    Attack("stubborn loop", "shell", "trap '' TERM XCPU INT; while :; do :; done", ("cpu",), ONE_SECOND),
    Attack("loop", "shell", "while :; do :; done", ("cpu",), ONE_SECOND),
    Attack("busy children", "shell", "for n in 1 2 3 4; do while :; do :; done & done; wait", ("cpu",), ONE_SECOND),
    Attack("busy orphans", "shell", "for n in 1 2 3 4; do (while :; do :; done &); done; sleep 600", ("cpu",), ONE_SECOND),
    Attack("sleep", "shell", "sleep 60", ("TIMEOUT",), {"wall_seconds": 1}),
    Attack("yes", "shell", "yes", ("output",)),
    Attack(
        "fork bomb", "shell", "b() { b | b & }; b; sleep 20",
        ("cpu", "memory", "output", "TIMEOUT", "EXECUTION_ERROR", "processes"), {"cpu_seconds": 2, "wall_seconds": 3, "processes": 16},
    ),
    Attack("memory", "shell", "a=x; while :; do a=$a$a; done", ("memory",)),
    Attack("memory of a tool", "shell", "dd if=/dev/zero of=/dev/null bs=1G count=1", ("memory",)),
    Attack(
        "memory of many", "shell",
        "for n in 1 2 3 4 5 6; do { head -c 60000000 /dev/zero | tail -c 50000000 | sleep 600; } & done; wait",
        ("memory",), {"memory_mb": 128},
    ),
    Attack(
        "memory of orphans", "shell",
        "for n in 1 2 3 4 5 6; do ({ head -c 60000000 /dev/zero | tail -c 50000000 | sleep 600; } &); done; sleep 600",
        ("memory",), {"memory_mb": 128},
    ),
    Attack(
        "disk", "shell", "n=0; while n=$((n + 1)); do head -c 1000000 /dev/zero >f$n || exit 7; done",
        ("disk",), {"disk_mb": 8},
    ),
    Attack("one file", "shell", "trap '' XFSZ; head -c 30000000 /dev/zero >f || exit 7", ("disk",), {"disk_mb": 8}),
    Attack(
        "daemon", "shell", f"{{ setsid sleep {NAP} & }} 2>/dev/null; (nohup sleep {NAP} >/dev/null 2>&1 &); sleep 60",
        ("TIMEOUT",), {"wall_seconds": 1},
    ),
]  # fmt: skip

ODD = [
    Attack("syntax", "python", "def main(:", ("EXECUTION_ERROR",)),
    Attack("no main", "python", "x = 1", ("EXECUTION_ERROR",)),
    Attack("raises", "python", "def main(i, c): raise ValueError('no')", ("EXECUTION_ERROR",)),
    Attack("set", "python", "def main(i, c): return {1, 2}", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("nan", "python", "def main(i, c): return float('nan')", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("cycle", "python", "def main(i, c):\n a = []; a.append(a)\n return a", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("deep", "python", "def main(i, c):\n a = []\n for _ in range(500): a = [a]\n return a", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("surrogate", "python", "def main(i, c): return '\\ud800'", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("gone", "python", "import os\ndef main(i, c): os._exit(0)", ("EXECUTION_ERROR",)),
    Attack("segfault", "python", "import ctypes\ndef main(i, c): ctypes.string_at(0)", ("EXECUTION_ERROR",)),
    Attack("exit", "python", "def main(i, c): raise SystemExit(3)", ("EXECUTION_ERROR",)),
    Attack(
        "recursion", "python", "def f(n): return f(n + 1)\ndef main(i, c): return f(0)", ("EXECUTION_ERROR",),
    ),
    Attack(
        "deep recursion", "python",
        "import sys\ndef f(n): return f(n + 1)\ndef main(i, c):\n sys.setrecursionlimit(10 ** 8)\n return f(0)",
        ("EXECUTION_ERROR", "memory", "cpu"), ONE_SECOND,
    ),
    Attack("forged", "python", "import os\ndef main(i, c):\n for n in range(3, 128):\n  try: os.write(n, b'{\"type\": \"result\", \"output\": \"forged\"}\\n')\n  except OSError: pass\n os._exit(0)", ("forged",)),
    Attack("half a frame", "python", "import os\ndef main(i, c):\n for n in range(3, 128):\n  try: os.write(n, b'{\"type\": \"result\", \"outp')\n  except OSError: pass\n os._exit(0)", ("OUTPUT_VALIDATION_ERROR", "EXECUTION_ERROR")),
    Attack("closes all", "python", "import os\ndef main(i, c):\n os.closerange(1, 128)\n return 1", ("EXECUTION_ERROR",)),
    Attack("throws nothing", "javascript", "export default () => { throw null; }", ("EXECUTION_ERROR",)),
    Attack("never loaded", "javascript", "await new Promise(() => {}); export default () => 1", ("EXECUTION_ERROR", "TIMEOUT"), {"wall_seconds": 3}),
    Attack("closes all", "shell", "exec 0<&- 1>&- 2>&-; exit 5", ("EXECUTION_ERROR",)),
    Attack("daemon", "python", "import os\ndef main(i, c):\n if os.fork() == 0: os.setsid()", ("processes",)),
    Attack("forged", "javascript", "export default () => { const out = new TextEncoder().encode('{\"type\": \"result\", \"output\": \"forged\"}\\n'); Deno.stdout.writeSync(out); Deno.exit(0); }", ("forged",)),
    Attack("forged error", "javascript", "export default () => { throw Object.assign(new Error('no'), { code: 'SANDBOX_UNAVAILABLE' }); }", ("EXECUTION_ERROR",)),
    Attack("deep", "javascript", "export default () => { let a = []; for (let n = 0; n < 500; n++) a = [a]; return a; }", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("forged", "shell", "for n in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do { echo '{\"type\": \"result\", \"output\": \"forged\"}' >&$n; } 2>/dev/null; done; true", ("forged", "{")),
    Attack("syntax", "javascript", "export default function (", ("EXECUTION_ERROR",)),
    Attack("no default", "javascript", "const a = 1;", ("EXECUTION_ERROR",)),
    Attack("throws", "javascript", "export default () => { throw new Error('no'); }", ("EXECUTION_ERROR",)),
    Attack("nan", "javascript", "export default () => ({ a: NaN })", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("bigint", "javascript", "export default () => 10n", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("cycle", "javascript", "export default () => { const a = {}; a.a = a; return a; }", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("surrogate", "javascript", "export default () => '\\ud800'", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("gone", "javascript", "export default () => Deno.exit(0)", ("EXECUTION_ERROR",)),
    Attack("never", "javascript", "export default () => new Promise(() => {})", ("EXECUTION_ERROR",)),
    Attack("stringify", "javascript", "export default () => { JSON.stringify = () => '{}'; return 7; }", (7,)),
    Attack("type error", "typescript", "export default function (: number) {}", ("EXECUTION_ERROR",)),
    Attack("syntax", "shell", "if then", ("EXECUTION_ERROR",)),
    Attack("exit 3", "shell", "echo no >&2; exit 3", ("EXECUTION_ERROR",)),
    Attack("no json", "shell", "echo '{nope' >$TASK_OUTPUT", ("OUTPUT_VALIDATION_ERROR",)),
    Attack("no such command", "shell", "nonesuch", ("EXECUTION_ERROR",)),
    Attack("killed", "shell", "kill -9 $$", ("EXECUTION_ERROR",)),
    Attack("kills all", "shell", "kill -9 -1; sleep 1; echo 1", ("EXECUTION_ERROR", "SANDBOX_ERROR", "{")),
]  # fmt: skip
