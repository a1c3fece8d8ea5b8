"""What a jail is made of, and the command that makes it, in each tier."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from taskyard.domain.resources import Resources
from taskyard.executors.script.sandbox.seccomp import Allowed

INSIDE = Path(__file__).parent / "inside"
WORK = "/task"
PROXY_SOCKET = "/jail/proxy"
_FORWARDER, _PROXY_PORT = "/jail/forward.py", "3128"
_CERTIFICATES = ("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates")
NOBODY = 65534
_MIB = 1 << 20
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache")
_TOOLS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives")
_DEVICES = ("/dev/urandom", "/dev/random", "/dev/zero", "/dev/full")
_OPEN_FILES = 128
_THREADS = 64


class Bind(NamedTuple):
    """A path of this machine that can be read at `inside` in the jail. `for_one`: made for it, to be its user's."""

    outside: str
    inside: str
    for_one: bool = False


class Engine(NamedTuple):
    """What runs one kind of source.

    `argv`: the command in the jail, where `{frames}` becomes the descriptor for frames. `read`: paths it needs to read.
    `memory`: the limit that bounds its memory: `as` or `data`. `forks`: whether it may start processes.
    `allows_reading`: its option for files it may read, if it has permissions of its own. `aborts_when_full`: whether it
    ends by a signal when it is out of memory. `allows_network`: its option likewise for a network. `has_network`:
    whether there is one. `path`: folders in the jail with packages of its language. `version`: of its language, where
    that matters. `folders`: those it finds in its own.
    """

    name: str
    argv: tuple[str, ...]
    read: tuple[str, ...]
    memory: str = "as"
    forks: bool = False
    binds: tuple[Bind, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    frames_on_stdout: bool = False
    aborts_when_full: bool = False
    allows_reading: str = ""
    allows_network: str = ""
    has_network: bool = False
    path: tuple[str, ...] = ()
    version: tuple[int, int, int] = (0, 0, 0)
    folders: tuple[str, ...] = ()

    def reading(self, binds: Sequence[Bind]) -> Engine:
        """This engine, itself allowing what the jail shows of these."""
        if not self.allows_reading:
            return self
        return self._with_option(self.allows_reading + ",".join(bind.inside for bind in binds))

    def forwarding(self, python: Engine, forwarder: Path) -> Engine:
        """This engine with a way out: by a proxy that is shown as a socket file. `python` runs the forwarder to it."""
        engine = self.asking()
        return engine._replace(
            argv=(python.argv[0], "-I", "-S", _FORWARDER, PROXY_SOCKET, _PROXY_PORT, *engine.argv),
            read=tuple(dict.fromkeys((*engine.read, *python.read))),
            forks=True,
            binds=(*self.binds, Bind(str(forwarder), _FORWARDER)),
        )

    def asking(self) -> Engine:
        """This engine with a proxy at an address, whose connections somebody makes for it."""
        allowed = self._with_option(self.allows_network) if self.allows_network else self
        address = f"http://127.0.0.1:{_PROXY_PORT}"
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        return allowed._replace(
            read=tuple(dict.fromkeys((*self.read, *_CERTIFICATES))),
            env=(*self.env, *((name, address) for name in names)),
            has_network=True,
        )

    def _with_option(self, option: str) -> Engine:
        return self._replace(argv=(*self.argv[:-1], option, self.argv[-1]))


class Means(NamedTuple):
    """How this process may confine others: as root it gives each jail a user of its own.

    `has_terminal`: whether it has one, which jails must not share. Where there is none they stay in our session: of
    what runs in others the kernel may keep account apart, and then no jail there gives way to us (sched(7), autogroup).
    """

    bwrap: str
    python: str
    is_root: bool
    has_terminal: bool = True


def libraries(*more: str) -> tuple[str, ...]:
    """The paths of shared libraries, and more."""
    return (*_LIBRARIES, *more)


def tools(*more: str) -> tuple[str, ...]:
    """The paths of what a shell calls, and more."""
    return (*_TOOLS, *more)


def limits(engine: Engine, resources: Resources, *, processes: int | None) -> dict[str, int]:
    """The kernel's limits for each process of a jail; `processes` None: as many as there may be.

    At the one of CPU time the kernel tells a process by a signal, and kills who ignores it a second later.
    """
    cpu = max(1, math.ceil(resources.cpu_seconds))
    found = {
        "cpu": cpu,
        engine.memory: resources.memory_mb * _MIB,
        "fsize": resources.disk_mb * _MIB,
        "nofile": _OPEN_FILES,
        "core": 0,
        "memlock": 0,
        "msgqueue": 0,
        "nice": 0,  # with any more it could take back that it gives way
        "rtprio": 0,
    }
    return found if processes is None else {**found, "nproc": processes}


def process_limit(engine: Engine, resources: Resources) -> int:
    """How many processes and threads a jail may have."""
    return resources.processes if engine.forks else _THREADS


def bubblewrap_spec(
    means: Means, engine: Engine, resources: Resources, *, uid: int, binds: Sequence[Bind] = ()
) -> dict[str, Any]:
    """What the fork server is told of a jail with namespaces of its own, which bwrap makes as a user without rights.

    One more process counts where the jail has a user of its own: bwrap's, which stays outside. Without, see
    `inner_limits`.
    """
    processes = process_limit(engine, resources) + 1 if means.is_root else None
    return {
        "limits": limits(engine, resources, processes=processes),
        "uid": uid,
        "read": None,
        "write": (),
        "folder": "/",
        "folders": (),
        "forks": False,
        "lasts": False,
        "namespaces": True,
        "argv": _bubblewrap(means, engine, resources, tuple(binds)),
    }


def inner_limits(means: Means, engine: Engine, resources: Resources) -> dict[str, int]:
    """The limits to which a jail with namespaces of its own can be held only from within them: the user's other
    processes do not count there.
    """
    return {} if means.is_root else {"nproc": process_limit(engine, resources)}


def _bubblewrap(means: Means, engine: Engine, resources: Resources, binds: tuple[Bind, ...]) -> list[str]:
    """The command. Its own root is read-only; `/task`, of limited size, is all it can write."""
    private = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    ids = ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    size = str(resources.disk_mb * _MIB)
    return [
        means.bwrap, *private, "--unshare-cgroup-try", "--disable-userns", *ids,
        "--die-with-parent", *(("--new-session",) if means.has_terminal else ()), "--as-pid-1",
        "--hostname", "sandbox", "--clearenv",
        *_environment(engine, WORK),
        *_laid_out(engine, binds),
        "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev",
        "--perms", "0777", "--size", size, "--tmpfs", WORK,
        *(word for name in engine.folders for word in ("--dir", f"{WORK}/{name}")),
        "--symlink", "task", "/tmp", "--remount-ro", "/",  # noqa: S108 - inside
        "--chdir", WORK, "--seccomp", "{seccomp}", "--",
        *_worded(engine, resources),
    ]  # fmt: skip


@functools.lru_cache(256)
def _laid_out(engine: Engine, binds: tuple[Bind, ...]) -> tuple[str, ...]:
    """What a jail shows: the same for all of a shape, and not worth looking at the disk for each."""
    own = [Bind(str(path), str(path)) for path in map(Path, engine.read) if path.exists() and not _is_link(path)]
    return (*_mounts([*own, *engine.binds, *binds]), *_links(engine))


def landlock_spec(
    engine: Engine,
    resources: Resources,
    *,
    uid: int,
    folder: Path,
    processes: int | None,
    binds: Sequence[Bind] = (),
    confined: bool = True,
) -> dict[str, Any]:
    """What the fork server is told of a jail that Landlock and the filter alone make, around `folder`; where it is not
    `confined`, an emulated interpreter has to do that, and only its limits and its user are ours.
    """
    return {
        "limits": limits(engine, resources, processes=processes),
        "uid": uid,
        "read": [*engine.read, *_DEVICES, *(bind.outside for bind in (*engine.binds, *binds))] if confined else None,
        "write": [str(folder), "/dev/null"],
        "folder": str(folder),
        "folders": engine.folders,
        "forks": engine.forks,
        "lasts": False,
        "namespaces": False,
        "argv": [_outside(each, engine.binds) for each in _worded(engine, resources)],
    }


def landlock_environment(engine: Engine, folder: Path) -> dict[str, str]:
    """The environment of a jail around `folder`."""
    words = _environment(engine, str(folder))
    return {words[at + 1]: words[at + 2] for at in range(0, len(words), 3)}


def allowed_calls(engine: Engine, *, namespaces: bool, own_user: bool) -> Allowed:
    """What the filter lets pass. `namespaces`: there are no files nor a network but the jail's, and its processes end
    with it wherever they go; `own_user`: none but the jail's files belong to its user.
    """
    return Allowed(
        forks=engine.forks, sessions=namespaces and engine.forks, times=namespaces, modes=own_user,
        sockets=engine.has_network and namespaces, asks=engine.has_network and not namespaces,
    )  # fmt: skip


def _environment(engine: Engine, home: str) -> list[str]:
    values = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home, **dict(engine.env)}
    return [word for name, value in values.items() for word in ("--setenv", name, value.replace("{home}", home))]


def _is_link(path: Path) -> bool:
    """Whether it is a symbolic link at the top, as where /lib is /usr/lib."""
    return path.is_symlink() and path.parent == path.parent.parent


def _links(engine: Engine) -> list[str]:
    links = [path for path in map(Path, engine.read) if _is_link(path)]
    return [word for path in links for word in ("--symlink", str(path.readlink()), str(path))]


def _mounts(shown: Sequence[Bind]) -> list[str]:
    """The mounts, with the folders above them open to the jail's user."""
    folders = dict.fromkeys(folder for bind in shown for folder in reversed(Path(bind.inside).parents[:-1]))
    return [
        *(word for folder in folders for word in ("--perms", "0755", "--dir", str(folder))),
        *(word for bind in shown for word in ("--ro-bind", bind.outside, bind.inside)),
    ]


def _worded(engine: Engine, resources: Resources) -> list[str]:
    """The engine's command with the size of its heap, where it takes one: most of its memory."""
    heap = str(resources.memory_mb * 3 // 4)
    return [word.replace("{heap}", heap) for word in engine.argv]


def _outside(word: str, binds: Sequence[Bind]) -> str:
    """Where a path of the jail is on this machine: the Landlock tier moves nothing."""
    return next((bind.outside for bind in binds if bind.inside == word), word)
