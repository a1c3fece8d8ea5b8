"""Give up every right but those of the jail, for good, and become the code's interpreter.

Started as `python -I -S confine.py SPEC`; SPEC is a Python literal, a dict of `limits` {name: number}, `uid` (0: keep
ours), `read` and `write` paths (`read` None: nothing but the limits and the user, for what confines itself), `folder`,
`seccomp` (a descriptor with the filter, or the filter in base64), `forks`, `lasts` (whether it may outlive the thread
that starts it), and either `runner` (a Python file to run here) or `argv`, to which further arguments are added.
Landlock: <https://docs.kernel.org/userspace-api/landlock.html>.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the wrapper's imports would double what a jail costs
import _stat as stat
import binascii
import ctypes
import os
import resource
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SECCOMP = {"x86_64": 317, "aarch64": 277}
SECCOMP_SET_MODE_FILTER = 1
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
BASIC, REFER, TRUNCATE, IOCTL_DEV = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
MAKE_DEVICES = (1 << 6) | (1 << 11)
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
REFER_SINCE, TRUNCATE_SINCE, NETWORK_SINCE, IOCTL_SINCE, SCOPES_SINCE = 2, 3, 4, 5, 6

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: object) -> int:
    """A system call. Raises OSError."""
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def landlock_version() -> int:
    """The kernel's Landlock ABI; 0 where there is none."""
    try:
        return call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(LANDLOCK_VERSION))
    except OSError:
        return 0


def restrict_files(read: list[str], write: list[str]) -> None:
    """Nothing of the file system but these paths; no TCP, and no signals to processes outside."""
    version = landlock_version()
    if version < 1:
        raise OSError("this kernel has no Landlock")
    handled = BASIC
    handled |= REFER if version >= REFER_SINCE else 0
    handled |= TRUNCATE if version >= TRUNCATE_SINCE else 0
    handled |= IOCTL_DEV if version >= IOCTL_SINCE else 0
    fields = (handled, 3 if version >= NETWORK_SINCE else 0, 3 if version >= SCOPES_SINCE else 0)
    size = 24 if version >= SCOPES_SINCE else 16 if version >= NETWORK_SINCE else 8
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", *fields)[:size], size)
    rules = call(LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    for paths, rights in ((read, READ_FILE | READ_DIR | EXECUTE), (write, handled & ~(MAKE_DEVICES | IOCTL_DEV))):
        for path in paths:
            allow(rules, path, rights)
    call(LANDLOCK_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    os.close(rules)


def allow(rules: int, path: str, rights: int) -> None:
    """A rule for a path and what is below it; a path that is not there needs none."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= OF_FILES
    rule = struct.pack("=Qi", rights, descriptor)
    buffer = ctypes.create_string_buffer(rule, len(rule))
    call(LANDLOCK_ADD, ctypes.c_int(rules), ctypes.c_int(1), buffer, ctypes.c_uint32(0))
    os.close(descriptor)


def filter_calls(program: bytes) -> None:
    """Put the seccomp filter in force."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    buffer = ctypes.create_string_buffer(program, len(program))
    given = Program(len(program) // 8, ctypes.addressof(buffer))
    number = SECCOMP[os.uname().machine]
    call(number, ctypes.c_uint(SECCOMP_SET_MODE_FILTER), ctypes.c_uint(0), ctypes.byref(given))


def limit(limits: dict[str, int]) -> None:
    """Lower the limits, such as {"as": 268435456}; whom a signal ends at the one of CPU time may ignore it a second."""
    for name, value in limits.items():
        which = getattr(resource, "RLIMIT_" + name.upper(), None)
        if which is not None:
            resource.setrlimit(which, (value, value + (name == "cpu")))


def become(uid: int) -> None:
    """Another user, for good; root's rights go with it."""
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def die_with(parent: int, number: int) -> None:
    """Have the kernel signal us when the process that started us ends."""
    if libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) or os.getppid() != parent:
        os._exit(1)


def guard(parent: int) -> None:
    """Stay behind as the one who ends all that the code starts, however this process's own parent ends.

    The code cannot signal it: it stands outside of what is restricted. Returns in the child.
    """

    def end(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    die_with(parent, signal.SIGTERM)
    for descriptor in range(64):
        try:
            os.close(descriptor)
        except OSError:
            continue
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def read_filter(given: int | str) -> bytes:
    """The filter, from a descriptor or a text."""
    if isinstance(given, str):
        return binascii.a2b_base64(given)
    with os.fdopen(given, "rb") as stream:
        return stream.read()


def main() -> None:
    """Read the spec, confine, run."""
    spec = eval(sys.argv[1], {})
    parent = os.getppid()
    program = read_filter(spec["seccomp"])
    source = ""
    if spec["runner"]:
        with open(spec["runner"], encoding="utf-8") as stream:
            source = stream.read()
    os.chdir(spec["folder"])
    if spec["forks"]:
        guard(parent)
        parent = os.getppid()
    limit(spec["limits"])
    become(spec["uid"])
    if not spec["lasts"]:
        die_with(parent, signal.SIGKILL)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("no_new_privs cannot be set")
    if spec["read"] is not None:
        restrict_files(spec["read"], spec["write"])
        filter_calls(program)
    if source:
        sys.argv = [spec["runner"], *spec["argv"]]
        exec(compile(source, spec["runner"], "exec"), {"__name__": "__main__"})
    else:
        os.execve(spec["argv"][0], [*spec["argv"], *sys.argv[2:]], os.environ)


if __name__ == "__main__":
    main()
