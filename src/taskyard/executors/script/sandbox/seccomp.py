"""Seccomp filters: the system calls that code in a jail may make, as a classic BPF program.

Everything is allowed but what is named here, for interpreters and the tools of a shell need too much to name.
See seccomp(2), and <linux/filter.h> for the encoding.
"""

from __future__ import annotations

import functools
import platform
import struct
from typing import NamedTuple

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ASK, _KILL, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050000
_EPERM, _EAGAIN, _ENOSYS = 1, 11, 38
_X32 = 0x40000000
_NEW_NAMESPACES, _THREAD = 0x7E020000, 0x00010000
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_ARGUMENT_SIZE = 8
_TYPE_MASK, _STREAM, _PROTOCOLS = 0xF, 1, (0, 6)  # none that is named, or TCP
_CONNECTS_TOO = 0x20000000  # MSG_FASTOPEN

# By name: the numbers on x86_64 and on aarch64; None where there is no such call.
_NEVER: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "bpf": (321, 280), "perf_event_open": (298, 241), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "userfaultfd": (323, 282), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "fanotify_init": (300, 262), "quotactl": (179, 60), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "syslog": (103, 116), "personality": (135, 92), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "msgget": (68, 186),
    "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
_SOCKETS: dict[str, tuple[int | None, int | None]] = {
    "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
}  # fmt: skip
_SESSIONS: dict[str, tuple[int | None, int | None]] = {"setsid": (112, 157), "setpgid": (109, 154)}
_TIMES: dict[str, tuple[int | None, int | None]] = {
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
_MODES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
}  # fmt: skip
_FORKS: dict[str, tuple[int | None, int | None]] = {"fork": (57, None), "vfork": (58, None)}
_SOCKET, _CONNECT, _SOCKETPAIR, _CLONE, _CLONE3 = (41, 198), (42, 203), (53, 199), (56, 220), (435, 435)
_SENDTO, _SENDMSG, _SENDMMSG, _SETSOCKOPT = (44, 206), (46, 211), (307, 269), (54, 208)

# By level, SOL_SOCKET and IPPROTO_TCP: what clients set. Others could send packets past what their sockets are
# connected to, such as a source route together with fast open.
_OPTIONS = {
    1: (2, 7, 8, 9, 10, 12, 13, 20, 21),  # REUSEADDR SNDBUF RCVBUF KEEPALIVE OOBINLINE PRIORITY LINGER, timeouts
    6: (1, 4, 5, 6, 12, 18),  # NODELAY KEEPIDLE KEEPINTVL KEEPCNT QUICKACK USER_TIMEOUT
}


class Machine(NamedTuple):
    """A processor: its audit architecture, its column in the tables, and whether it has a second (x32) numbering."""

    audit: int
    column: int
    x32: bool


MACHINES = {"x86_64": Machine(0xC000003E, 0, x32=True), "aarch64": Machine(0xC00000B7, 1, x32=False)}


class Allowed(NamedTuple):
    """What a filter lets pass besides the harmless.

    `forks`: new processes; `sessions`: leaving the process group; `times` and `modes`: changing those of files, and
    their owners; `sockets`: those of files and of the Internet, where there is a network to use them in; `asks`:
    connections by TCP, which whoever listens to the filter makes. Without `sockets` a pair of them is of streams, which
    reach nobody but each other; a datagram may be sent to any address.
    """

    forks: bool = False
    sessions: bool = True
    times: bool = True
    modes: bool = True
    sockets: bool = False
    asks: bool = False


class _Step(NamedTuple):
    code: int
    value: int
    then: str = ""
    otherwise: str = ""
    label: str = ""


@functools.cache
def seccomp_filter(allowed: Allowed, machine: str = "") -> bytes:
    """The program for this machine, as bwrap and seccomp(2) take it. Raises KeyError for an unknown machine.

    Other calls fail with EPERM; forks with EAGAIN, as at a limit; other architectures end the process.
    """
    how = MACHINES[machine or platform.machine()]
    steps = [_Step(_LOAD, _ARCHITECTURE), _Step(_EQUAL, how.audit, otherwise="kill"), _Step(_LOAD, _NUMBER)]
    if how.x32:
        steps.append(_Step(_AT_LEAST, _X32, then="kill"))
    steps += [_Step(_EQUAL, number, then="deny") for number in _denied(allowed, how.column)]
    if not allowed.forks:
        steps += [_Step(_EQUAL, number, then="again") for number in _numbers(_FORKS, how.column)]
    steps += [
        _Step(_EQUAL, _CLONE3[how.column], then="absent"),  # its flags lie in memory, where no filter can look
        _Step(_EQUAL, _CLONE[how.column], then="clone"),
    ]
    if allowed.sockets:
        steps.append(_Step(_EQUAL, _SOCKET[how.column], then="socket"))
    else:
        steps.append(_Step(_EQUAL, _SOCKETPAIR[how.column], then="pair"))
    if allowed.asks:
        steps += [
            _Step(_EQUAL, _SOCKET[how.column], then="tcp"),
            _Step(_EQUAL, _CONNECT[how.column], then="ask"),
            _Step(_EQUAL, _SETSOCKOPT[how.column], then="level"),
            _Step(_EQUAL, _SENDMSG[how.column], then="third"),
            *(_Step(_EQUAL, number[how.column], then="fourth") for number in (_SENDTO, _SENDMMSG)),
        ]
    steps += [
        _Step(_RETURN, _ALLOW, label="allow"),
        _Step(_LOAD, _FIRST_ARGUMENT, label="clone"),
        _Step(_ANY_BIT, _NEW_NAMESPACES, then="deny"),
        _Step(_ANY_BIT, _THREAD, then="allow2", otherwise="allow2" if allowed.forks else "again"),
        _Step(_LOAD, _FIRST_ARGUMENT, label="socket"),
        *(_Step(_EQUAL, family, then="allow2") for family in _FAMILIES[:-1]),
        _Step(_EQUAL, _FAMILIES[-1], then="allow2", otherwise="deny"),
        _Step(_LOAD, _FIRST_ARGUMENT + _ARGUMENT_SIZE, label="pair"),
        _Step(_AND, _TYPE_MASK),
        _Step(_EQUAL, _STREAM, then="allow2", otherwise="deny"),
        *(_asking() if allowed.asks else ()),
        _Step(_RETURN, _ALLOW, label="allow2"),
        _Step(_RETURN, _ERRNO | _EPERM, label="deny"),
        _Step(_RETURN, _ERRNO | _EAGAIN, label="again"),
        _Step(_RETURN, _ERRNO | _ENOSYS, label="absent"),
        _Step(_RETURN, _KILL, label="kill"),
    ]
    return _assembled(steps)


def _asking() -> list[_Step]:
    """Of what goes out nothing but TCP, and what connects without saying so is denied."""
    return [
        _Step(_LOAD, _FIRST_ARGUMENT, label="tcp"),
        _Step(_EQUAL, _FAMILIES[1], then="type"),
        _Step(_EQUAL, _FAMILIES[2], otherwise="deny"),
        _Step(_LOAD, _FIRST_ARGUMENT + _ARGUMENT_SIZE, label="type"),
        _Step(_AND, _TYPE_MASK),
        _Step(_EQUAL, _STREAM, otherwise="deny"),
        _Step(_LOAD, _FIRST_ARGUMENT + 2 * _ARGUMENT_SIZE),
        _Step(_EQUAL, _PROTOCOLS[0], then="ask"),
        _Step(_EQUAL, _PROTOCOLS[1], otherwise="deny"),
        _Step(_RETURN, _ASK, label="ask"),
        _Step(_LOAD, _FIRST_ARGUMENT + _ARGUMENT_SIZE, label="level"),
        *(_Step(_EQUAL, level, then=f"options{level}") for level in _OPTIONS),
        _Step(_RETURN, _ERRNO | _EPERM),
        *(step for level, options in _OPTIONS.items() for step in _only(options, f"options{level}")),
        _Step(_LOAD, _FIRST_ARGUMENT + 2 * _ARGUMENT_SIZE, label="third"),
        _Step(_ANY_BIT, _CONNECTS_TOO, then="deny", otherwise="allow2"),
        _Step(_LOAD, _FIRST_ARGUMENT + 3 * _ARGUMENT_SIZE, label="fourth"),
        _Step(_ANY_BIT, _CONNECTS_TOO, then="deny", otherwise="allow2"),
    ]


def _only(options: tuple[int, ...], label: str) -> list[_Step]:
    """These options, and no others."""
    load = _Step(_LOAD, _FIRST_ARGUMENT + 2 * _ARGUMENT_SIZE, label=label)
    return [load, *(_Step(_EQUAL, option, then="allow2") for option in options), _Step(_RETURN, _ERRNO | _EPERM)]


def socket_call() -> int:
    """The number of `socket` on this machine."""
    return _SOCKET[MACHINES[platform.machine()].column]


def _denied(allowed: Allowed, column: int) -> list[int]:
    tables = [_NEVER]
    if not allowed.sockets:
        tables.append(_SOCKETS)
    if not allowed.sessions:
        tables.append(_SESSIONS)
    if not allowed.times:
        tables.append(_TIMES)
    if not allowed.modes:
        tables.append(_MODES)
    numbers = [number for table in tables for number in _numbers(table, column)]
    return numbers if allowed.sockets or allowed.asks else [*numbers, _SOCKET[column], _CONNECT[column]]


def _numbers(table: dict[str, tuple[int | None, int | None]], column: int) -> list[int]:
    return [number for each in table.values() if (number := each[column]) is not None]


def _assembled(steps: list[_Step]) -> bytes:
    """The steps as `struct sock_filter`s; jumps only lead forward."""
    places = {step.label: place for place, step in enumerate(steps) if step.label}

    def distance(place: int, label: str) -> int:
        return places[label] - place - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", step.code, distance(place, step.then), distance(place, step.otherwise), step.value)
        for place, step in enumerate(steps)
    )
