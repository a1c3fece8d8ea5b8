"""Give up every right but those of the jail, for good, and become the code's interpreter.

Started as `python -I -S confine.py SPEC`; SPEC is a Python literal, a dict of `limits` {name: number}, `uid` (0: keep
ours), `read` and `write` paths (`read` None: nothing but the limits and the user, for what confines itself), `folder`,
`folders` to make in it, `seccomp` (the filter, as bytes), `forks`, `lasts` (whether it may outlive the thread that
starts it), `namespaces` (whether the program makes such: then it puts the filter in force, and gives up to gain rights,
for it may have those by what it is), and `argv`, to which further arguments are added.

Started as `python -I -S confine.py serve SOCKET` it is a fork server: it starts no interpreter for each jail. Each
message is the SPEC of a new one, in which `{frames}` is the descriptor for frames and `{seccomp}` one to read the
filter from, with `env` and `session` (whether it leaves ours), and with the descriptors of its standard streams, for
frames, and `asks`, over which to hand out the filter's listener, if it may ask for connections. The new process answers
with its number; it is a child of the server's parent. It keeps nothing of the server: it becomes another program, or
stays outside of what is restricted.
Landlock: <https://docs.kernel.org/userspace-api/landlock.html>.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the real constant would cost an import
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
SECCOMP, CLONE = {"x86_64": 317, "aarch64": 277}, {"x86_64": 56, "aarch64": 220}
CLONE_PARENT = 0x8000
SECCOMP_SET_MODE_FILTER, SECCOMP_NEW_LISTENER, SECCOMP_WAIT_KILLABLE = 1, 8, 32
EINVAL = 22
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
BASIC, REFER, TRUNCATE, IOCTL_DEV = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
MAKE_DEVICES = (1 << 6) | (1 << 11)
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
REFER_SINCE, TRUNCATE_SINCE, NETWORK_SINCE, IOCTL_SINCE, SCOPES_SINCE = 2, 3, 4, 5, 6

MESSAGE, DESCRIPTORS = 1 << 18, 5

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


def filter_calls(program: bytes, asks: int) -> None:
    """Put the seccomp filter in force, and hand its listener to whoever answers what it asks."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    buffer = ctypes.create_string_buffer(program, len(program))
    given = Program(len(program) // 8, ctypes.addressof(buffer))
    number = SECCOMP[os.uname().machine]

    def install(flags: int) -> int:
        return call(number, ctypes.c_uint(SECCOMP_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.byref(given))

    if asks < 0:
        install(0)
    else:
        try:
            listener = install(SECCOMP_NEW_LISTENER | SECCOMP_WAIT_KILLABLE)  # no signal takes back what is being made
        except OSError as error:
            if error.errno != EINVAL:  # Linux before 5.19 does not know it
                raise
            listener = install(SECCOMP_NEW_LISTENER)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, asks) as outside:
            socket.send_fds(outside, [b"l"], [listener])
        os.close(listener)


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


def guard(parent: int) -> int:
    """Stay behind as the one who ends all that the code starts, however this process's own parent ends.

    The code cannot signal it: it stands outside of what is restricted. Whose parent has ended becomes its child, so
    that all are seen and counted as descendants of one. Returns in the child: the number of who stays behind.
    """

    def end(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("no orphans can be taken in")
    own = os.getpid()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return own
    die_with(parent, signal.SIGTERM)
    os.closerange(0, 64)
    ended, status = os.wait()
    while ended != child:
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def confine(spec: dict[str, Any], parent: int, asks: int = -1) -> None:
    """Have no rights but those of the spec."""
    os.chdir(spec["folder"])
    if spec["forks"]:
        parent = guard(parent)
    limit(spec["limits"])
    become(spec["uid"])
    for folder in spec["folders"]:
        os.mkdir(folder)
    if not spec["lasts"]:
        die_with(parent, signal.SIGKILL)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if not spec["namespaces"] and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("no_new_privs cannot be set")
    if spec["read"] is not None:
        restrict_files(spec["read"], spec["write"])
        filter_calls(spec["seccomp"], asks)


def readable(program: bytes) -> int:
    """A descriptor from which another program reads the filter."""
    read, write = os.pipe()
    os.write(write, program)  # it fits
    os.close(write)
    os.set_inheritable(read, True)
    return read


def run(argv: list[str], env: dict[str, str]) -> None:
    """Become another program, with signals as any has them."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and so would what it becomes
        signal.signal(number, signal.SIG_DFL)
    os.execve(argv[0], argv, env)


def serve(number: int) -> None:
    """Make jails until nobody asks any more."""
    parent = os.getppid()
    die_with(parent, signal.SIGKILL)
    low = os.dup(number)  # one of those that a guard closes, however many our parent had open
    os.close(number)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, low) as asked:
        while True:
            message, descriptors, _, _ = socket.recv_fds(asked, MESSAGE, DESCRIPTORS)
            if not message:
                return
            spec = eval(message, {})  # here, for what the new process touches it has to copy
            try:
                if call(CLONE[os.uname().machine], ctypes.c_ulong(CLONE_PARENT | signal.SIGCHLD), 0, 0, 0, 0) == 0:
                    begin(spec, descriptors, asked, parent)
            except OSError as error:
                asked.send(b"-%d" % (error.errno or 0))
            for descriptor in descriptors:
                os.close(descriptor)


def begin(spec: dict[str, Any], descriptors: list[int], asked: socket.socket, parent: int) -> None:
    """In a new process: tell its number, confine it, and become the program. Does not return."""
    try:
        if spec["session"]:
            os.setsid()
        else:
            os.setpgid(0, 0)
        for stream, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        asked.send(b"%d" % os.getpid())
        confine(spec, parent, *descriptors[4:])
        given = {"{frames}": str(descriptors[3])}
        if spec["namespaces"]:
            given["{seccomp}"] = str(readable(spec["seccomp"]))
        run([given.get(word, word) for word in spec["argv"]], spec["env"])
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(1)


def main() -> None:
    """Serve; or read the spec, confine, run."""
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
        return
    spec = eval(sys.argv[1], {})
    confine(spec, os.getppid())
    run([*spec["argv"], *sys.argv[2:]], dict(os.environ))


if __name__ == "__main__":
    main()
