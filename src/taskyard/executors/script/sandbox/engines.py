"""What runs each kind of source in a jail, and where it is found on this machine."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from taskyard.executors.script.sandbox.folders import Folders
from taskyard.executors.script.sandbox.jail import INSIDE, Bind, Engine, libraries, tools
from taskyard.executors.script.sandbox.launch import PASSING

KINDS = ("python", "shell", "javascript", "typescript", "bash-lite")
EMULATING = frozenset({"bash-lite"})
"""The kinds whose interpreter has a system of its own, and so gives some isolation by itself."""

_RUNNER = "/jail/run_python.pyc"
_BASH_RUNNER, _BASHKIT = "/jail/run_bash.pyc", "/jail/_bashkit.abi3.so"
_MODULE = "/jail/run_javascript.mjs"
_ASK = """\
import json, sys, sysconfig
print(json.dumps([sys.base_prefix, sysconfig.get_path("stdlib"), sys.version_info[:3]]))
"""
_COMPILE = """\
import py_compile, sys
py_compile.compile(sys.argv[1], sys.argv[2], doraise=True)
"""
_CONFINES = "import ctypes, resource, os, socket; os.waitstatus_to_exitcode, socket.recv_fds"
_ASK_SECONDS = 10.0
_OLDEST = (3, 9)
_BOOT = "echo ready >&$1 && . /dev/stdin"
_NOWHERE = "/dev/null/deno"  # databases for what a jail never looks at again are a fifth of its processor time
_DENO_FLAGS = ("--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-code-cache", "--allow-env")


class Missing(NamedTuple):
    """What there is not, and how to get it."""

    what: str
    mend: str


Found = Engine | Missing


def find_engine(kind: str, folders: Folders) -> Found:
    """What runs this kind. `folders`: where that is put which is made for it. Blocks."""
    return _FINDERS[kind](folders)


def with_forwarder(engine: Engine, python: Engine, folders: Folders) -> Engine:
    """The engine with a forwarder to a proxy before it, run by `python`, where it has a network of its own. Blocks."""
    return engine.forwarding(python, folders.publish(INSIDE / "forward.py"))


@functools.cache
def confining_python() -> str:
    """The interpreter that confines and then becomes another program: the system's, which starts quickly, where it can
    do that, or ours. Blocks.
    """
    return next(filter(_can_confine, reversed(_pythons()[1:])), sys.executable)


def _can_confine(path: str) -> bool:
    """Whether it runs, is new enough, and has what confining needs."""
    command = [path, "-I", "-S", "-c", _CONFINES]
    try:
        return not subprocess.run(command, capture_output=True, timeout=_ASK_SECONDS, check=False, env={}).returncode  # noqa: S603 - an interpreter of this machine
    except (OSError, subprocess.SubprocessError):
        return False


def _find_python(folders: Folders) -> Found:
    for path in _pythons():
        if not os.access(path, os.X_OK) or not folders.can_read(Path(path)):
            continue
        known = _ask(path)
        runner = _compiled(path, INSIDE / "run_python.py", folders) if known is not None else None
        if known is not None and runner is not None:
            return _python(os.path.realpath(path), *known, runner)
    what = f"no Python 3 that the jail's user can read (tried {', '.join(_pythons())})"
    return Missing(what, "install the package python3, or let all users read the one that runs Taskyard")


def _python(path: str, prefix: str, library: str, version: tuple[int, int, int], runner: Path) -> Engine:
    own = () if prefix == "/usr" else (f"{prefix}/lib",)
    inside = path.startswith("/usr/lib") or any(path.startswith(each) for each in own)
    return Engine(
        name="python",
        argv=(path, "-I", "-S", "-u", _RUNNER, "{frames}"),
        read=libraries(*own, *(() if inside else (path,)), *(() if library.startswith("/usr/lib") else (library,))),
        binds=(Bind(str(runner), _RUNNER),),
        version=version,
    )


def _find_shell(folders: Folders) -> Found:
    del folders
    path = _bash()
    if path is None:
        return Missing("no bash", "install the package bash")
    argv = (path, "--noprofile", "--norc", "-c", _BOOT, "jail", "{frames}")
    return Engine(name="shell", argv=argv, read=tools(), forks=True, folders=(".task", "files"))


def _bash() -> str | None:
    return next((path for path in ("/bin/bash", "/usr/bin/bash") if os.access(path, os.X_OK)), None)


def _find_deno(folders: Folders) -> Found:
    path = _deno()
    if path is None:
        return Missing("no Deno", "install taskyard[sandbox]; its wheels are for glibc, so not for Alpine")
    path, module = folders.publish(path), folders.publish(INSIDE / "run_javascript.mjs")
    return Engine(
        name="deno",
        argv=("/jail/deno", "run", *_DENO_FLAGS, "--v8-flags=--jitless,--max-old-space-size={heap}", _MODULE),
        read=libraries(),
        memory="data",
        binds=(Bind(str(path), "/jail/deno"), Bind(str(module), _MODULE)),
        env=(
            ("DENO_DIR", _NOWHERE),
            ("DENO_EMIT_CACHE_MODE", "disable"),  # it would try six times to write there
            ("NO_COLOR", "1"),
            ("DENO_NO_UPDATE_CHECK", "1"),
        ),
        frames_on_stdout=True,
        aborts_when_full=True,
        allows_reading="--allow-read=",
        allows_network="--allow-net",
    )


def _deno() -> Path | None:
    try:
        from deno import find_deno_bin

        found: str | None = find_deno_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("deno")
    return Path(found).resolve() if found else None


def _find_bash_lite(folders: Folders) -> Found:
    library = _bashkit()
    if library is None:
        return Missing("no Bashkit", "install taskyard[sandbox]")
    python = _find_python(folders)
    if isinstance(python, Missing):
        return python
    runner, library = _compiled(python.argv[0], INSIDE / "run_bash.py", folders), folders.publish(library)
    if runner is None:
        return Missing(f"{python.argv[0]} compiles nothing", "see that it runs, and that the temporary folder has room")
    return python._replace(
        name="bash-lite",
        argv=(*python.argv[:4], _BASH_RUNNER, _BASHKIT, "{frames}"),
        aborts_when_full=True,
        binds=(Bind(str(runner), _BASH_RUNNER), Bind(str(library), _BASHKIT)),
    )


def _bashkit() -> Path | None:
    """Bashkit's library, which any Python from 3.9 on can load."""
    found = find_spec("bashkit")
    folders = found.submodule_search_locations if found is not None else None
    return next((path for folder in folders or () for path in Path(folder).glob("_bashkit.abi3.so")), None)


_FINDERS: dict[str, Callable[[Folders], Found]] = {
    "python": _find_python,
    "shell": _find_shell,
    "javascript": _find_deno,
    "typescript": _find_deno,
    "bash-lite": _find_bash_lite,
}


def _pythons() -> list[str]:
    own = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return list(dict.fromkeys((own, "/usr/local/bin/python3", "/usr/bin/python3")))


def _ask(path: str) -> tuple[str, str, tuple[int, int, int]] | None:
    """An interpreter's prefix, library and version; None for one that does not run or is too old.

    Raises OSError where that cannot be found out now.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - an interpreter of this machine
            [path, "-I", "-S", "-c", _ASK], capture_output=True, timeout=_ASK_SECONDS, check=True, env={}
        )
        prefix, library, version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _unless_passing(error)
        return None
    major, minor, micro = version
    return (prefix, library, (major, minor, micro)) if (major, minor) >= _OLDEST else None


def _compiled(python: str, source: Path, folders: Folders) -> Path | None:
    """The source as this interpreter compiles it, which each jail would do else; None where it cannot.

    Raises OSError where it cannot now.
    """

    def compile_to(path: Path) -> None:
        subprocess.run(  # noqa: S603 - an interpreter of this machine
            [python, "-I", "-S", "-c", _COMPILE, str(source), str(path)],
            capture_output=True, timeout=_ASK_SECONDS, check=True, env={},
        )  # fmt: skip

    try:
        return folders.made(f"{source.stem}.pyc", compile_to)
    except (OSError, subprocess.SubprocessError) as error:
        _unless_passing(error)
        return None


def _unless_passing(error: Exception) -> None:
    """Raises OSError for what only a busy moment kept from being done."""
    if isinstance(error, subprocess.TimeoutExpired):
        raise TimeoutError(str(error)) from None
    if isinstance(error, OSError) and error.errno in PASSING:
        raise error
