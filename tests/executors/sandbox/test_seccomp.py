"""The filters, run by a small machine of our own, as for processors that this one is not."""

from __future__ import annotations

import itertools
import struct

import pytest

from taskyard.executors.script.sandbox.seccomp import MACHINES, Allowed, seccomp_filter

QUEUES_AND_WATCHES = {
    "msgsnd", "msgrcv", "msgctl", "semop", "semtimedop", "semctl", "mq_unlink", "inotify_init", "inotify_init1",
    "inotify_add_watch",
}  # fmt: skip
ALLOW, ASK, KILL, EPERM, EAGAIN, ENOSYS = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050001, 0x0005000B, 0x00050026
THREAD, NEW_USER, SIGCHLD = 0x00010000 | 0x00000100, 0x10000000, 17
NUMBERS = {
    "x86_64": {
        "read": 0, "socket": 41, "connect": 42, "socketpair": 53, "clone": 56, "fork": 57, "clone3": 435, "ptrace": 101,
        "mount": 165, "unshare": 272, "io_uring_setup": 425, "setsid": 112, "chmod": 90, "utimensat": 280, "bpf": 321,
        "execve": 59, "keyctl": 250, "memfd_create": 319, "bind": 49, "sendto": 44, "sendmsg": 46, "sendmmsg": 307,
        "setsockopt": 54, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "semop": 65, "semtimedop": 220, "semctl": 66,
        "mq_unlink": 241, "inotify_init": 253, "inotify_init1": 294, "inotify_add_watch": 254,
    },
    "aarch64": {
        "read": 63, "socket": 198, "connect": 203, "socketpair": 199, "clone": 220, "clone3": 435, "ptrace": 117,
        "mount": 40, "unshare": 97, "io_uring_setup": 425, "setsid": 157, "fchmodat": 53, "utimensat": 88, "bpf": 280,
        "execve": 221, "keyctl": 219, "memfd_create": 279, "bind": 200, "sendto": 206, "sendmsg": 211, "sendmmsg": 269,
        "setsockopt": 208, "msgsnd": 189, "msgrcv": 188, "msgctl": 187, "semop": 193, "semtimedop": 192, "semctl": 191,
        "mq_unlink": 181, "inotify_init1": 26, "inotify_add_watch": 27,
    },
}  # fmt: skip


def decide(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the filter answers."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *(0,) * (6 - len(arguments)))
    value, place = 0, 0
    while True:
        code, then, otherwise, constant = struct.unpack_from("=HBBI", program, place * 8)
        place += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, constant)
            case 0x15:
                place += then if value == constant else otherwise
            case 0x35:
                place += then if value >= constant else otherwise
            case 0x45:
                place += then if value & constant else otherwise
            case 0x54:
                value &= constant
            case 0x06:
                return constant
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_what_a_filter_lets_pass(machine: str) -> None:
    numbers, audit = NUMBERS[machine], MACHINES[machine].audit
    strict = seccomp_filter(Allowed(sessions=False, times=False, modes=False), machine)
    loose = seccomp_filter(Allowed(forks=True, sockets=True), machine)

    def asked(program: bytes, name: str, argument: int = 0) -> int:
        return decide(program, audit, numbers[name], argument)

    for program in (strict, loose):
        never = {"ptrace", "mount", "unshare", "io_uring_setup", "bpf", "keyctl", "memfd_create"}
        for name in never | (QUEUES_AND_WATCHES & numbers.keys()):
            assert asked(program, name) == EPERM, name
        for name in ("read", "execve"):
            assert asked(program, name) == ALLOW, name
        assert asked(program, "clone3") == ENOSYS
        assert asked(program, "clone", THREAD) == ALLOW
        assert asked(program, "clone", NEW_USER | SIGCHLD) == EPERM
    assert asked(strict, "clone", SIGCHLD) == EAGAIN
    assert asked(loose, "clone", SIGCHLD) == ALLOW
    for name in {"socket", "connect", "setsid", "utimensat", "chmod", "fchmodat"} & numbers.keys():
        assert asked(strict, name, 2) == EPERM, name
        assert asked(loose, name, 2) == ALLOW, name
    assert [asked(loose, "socket", family) for family in (1, 2, 10, 16, 17)] == [ALLOW, ALLOW, ALLOW, EPERM, EPERM]
    streams, datagrams = [(1, 1), (1, 1 | 0o2000000)], [(1, 2), (1, 2 | 0o2000000), (1, 3), (1, 5)]
    for program, pair in itertools.product((strict, seccomp_filter(Allowed(asks=True), machine)), streams + datagrams):
        assert decide(program, audit, numbers["socketpair"], *pair) == (ALLOW if pair in streams else EPERM), pair
    assert decide(loose, audit, numbers["socketpair"], *datagrams[0]) == ALLOW
    if "fork" in numbers:
        assert (asked(strict, "fork"), asked(loose, "fork")) == (EAGAIN, ALLOW)


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_a_filter_that_asks_lets_nothing_connect_by_itself(machine: str) -> None:
    numbers, audit = NUMBERS[machine], MACHINES[machine].audit
    program = seccomp_filter(Allowed(asks=True), machine)

    def asked(name: str, *arguments: int) -> int:
        return decide(program, audit, numbers[name], *arguments)

    stream, not_blocking, datagram, tcp, sctp, mptcp = 1, 0o4000, 2, 6, 132, 262
    for family in (2, 10):
        for kind in (stream, stream | not_blocking):
            assert {asked("socket", family, kind, protocol) for protocol in (0, tcp)} == {ASK}
            assert {asked("socket", family, kind, protocol) for protocol in (sctp, mptcp)} == {EPERM}
        assert {asked("socket", family, kind, 0) for kind in (datagram, 3, 5, datagram | not_blocking)} == {EPERM}
    assert {asked("socket", family, stream, 0) for family in (1, 16, 17, 40)} == {EPERM}
    assert (asked("connect", 3), asked("bind", 3), asked("clone", SIGCHLD)) == (ASK, EPERM, EAGAIN)
    fast = 0x20000000
    for name, at in (("sendto", 3), ("sendmmsg", 3), ("sendmsg", 2)):
        assert asked(name, *(0,) * at, 0x4000) == ALLOW
        assert asked(name, *(0,) * at, fast | 0x4000) == EPERM
    no_delay, keep_alive, fast_connect, no_cookie, upper_layer, attach_filter, ip_options = 1, 9, 30, 34, 31, 26, 4
    assert {asked("setsockopt", 3, 1, keep_alive), asked("setsockopt", 3, tcp, no_delay)} == {ALLOW}
    assert {asked("setsockopt", 3, tcp, option) for option in (fast_connect, no_cookie, upper_layer, 23)} == {EPERM}
    assert {asked("setsockopt", 3, level, ip_options) for level in (0, 41, 17, 255)} == {EPERM}
    assert asked("setsockopt", 3, 1, attach_filter) == EPERM


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_other_numberings_end_the_process(machine: str) -> None:
    program = seccomp_filter(Allowed(), machine)
    assert decide(program, 0x40000003, 0) == KILL  # 32-bit calls on x86
    if MACHINES[machine].x32:
        assert decide(program, MACHINES[machine].audit, 0x40000000) == KILL


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError):
        seccomp_filter(Allowed(), "riscv64")
