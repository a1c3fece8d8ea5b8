"""The filters, run by a small machine of our own, as for processors that this one is not."""

from __future__ import annotations

import struct

import pytest

from taskyard.executors.script.sandbox.seccomp import MACHINES, Allowed, seccomp_filter

ALLOW, KILL, EPERM, EAGAIN, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x0005000B, 0x00050026
THREAD, NEW_USER, SIGCHLD = 0x00010000 | 0x00000100, 0x10000000, 17
NUMBERS = {
    "x86_64": {
        "read": 0, "socket": 41, "connect": 42, "socketpair": 53, "clone": 56, "fork": 57, "clone3": 435, "ptrace": 101,
        "mount": 165, "unshare": 272, "io_uring_setup": 425, "setsid": 112, "chmod": 90, "utimensat": 280, "bpf": 321,
        "execve": 59, "keyctl": 250, "memfd_create": 319,
    },
    "aarch64": {
        "read": 63, "socket": 198, "connect": 203, "socketpair": 199, "clone": 220, "clone3": 435, "ptrace": 117,
        "mount": 40, "unshare": 97, "io_uring_setup": 425, "setsid": 157, "fchmodat": 53, "utimensat": 88, "bpf": 280,
        "execve": 221, "keyctl": 219, "memfd_create": 279,
    },
}  # fmt: skip


def decide(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """What the filter answers."""
    data = struct.pack("=IIQQ", number, architecture, 0, argument)
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
        for name in ("ptrace", "mount", "unshare", "io_uring_setup", "bpf", "keyctl", "memfd_create"):
            assert asked(program, name) == EPERM, name
        for name in ("read", "socketpair", "execve"):
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
    if "fork" in numbers:
        assert (asked(strict, "fork"), asked(loose, "fork")) == (EAGAIN, ALLOW)


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_other_numberings_end_the_process(machine: str) -> None:
    program = seccomp_filter(Allowed(), machine)
    assert decide(program, 0x40000003, 0) == KILL  # 32-bit calls on x86
    if MACHINES[machine].x32:
        assert decide(program, MACHINES[machine].audit, 0x40000000) == KILL


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError):
        seccomp_filter(Allowed(), "riscv64")
