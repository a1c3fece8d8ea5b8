"""What runs each kind of source in a jail, and where it is found on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from taskyard.executors.script.sandbox.folders import Folders, readable_by_all
from taskyard.executors.script.sandbox.jail import INSIDE, Bind, Engine, libraries, tools

KINDS = ("python", "shell", "javascript", "typescript", "bash-lite")
EMULATING = frozenset({"bash-lite"})
"""The kinds whose interpreter has a system of its own, and so gives some isolation by itself."""

_RUNNER = "/jail/run_python.py"
_BASH_RUNNER, _BASHKIT = "/jail/run_bash.py", "/jail/_bashkit.abi3.so"
_MODULE = "/jail/run_javascript.mjs"
_ASK = """\
import json, sys, sysconfig
print(json.dumps([sys.base_prefix, sysconfig.get_path("stdlib"), sys.version_info[:3]]))
"""
_ASK_SECONDS = 10.0
_OLDEST = (3, 9)
_BOOT = 'mkdir "$HOME/.task" "$HOME/files" && printf "ready\\n" >&$1 && eval "$(cat)"'
_DENO_FLAGS = ("--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-code-cache", "--allow-env")


class Missing(NamedTuple):
    """What there is not, and how to get it."""

    what: str
    mend: str


Found = Engine | Missing


def find_engine(kind: str, folders: Folders | None) -> Found:
    """What runs this kind. `folders`: where copies are put that any user can read, if it has to be such."""
    return _FINDERS[kind](folders)


def with_network(engine: Engine, folders: Folders | None) -> Found:
    """The engine with a forwarder to a proxy before it."""
    python = _find_python(folders)
    if isinstance(python, Missing):
        return python
    return engine.reaching(python, _readable(INSIDE / "forward.py", folders))


def confining_python() -> str:
    """The interpreter that confines and then becomes another program: the system's, which starts quickly, or ours."""
    return next((path for path in reversed(_pythons()) if os.access(path, os.X_OK)), sys.executable)


def _find_python(folders: Folders | None) -> Found:
    for path in _pythons():
        if not os.access(path, os.X_OK) or (folders is not None and not readable_by_all(Path(path))):
            continue
        known = _ask(path)
        if known is not None:
            return _python(os.path.realpath(path), *known, _readable(INSIDE / "run_python.py", folders))
    what = f"no Python 3 that the jail's user can read (tried {', '.join(_pythons())})"
    return Missing(what, "install the package python3, or let all users read the one that runs Taskyard")


def _python(path: str, prefix: str, library: str, version: tuple[int, int, int], runner: Path) -> Engine:
    own = () if prefix == "/usr" else (f"{prefix}/lib",)
    inside = path.startswith("/usr/lib") or any(path.startswith(each) for each in own)
    return Engine(
        name="python",
        argv=(path, "-I", "-S", "-u", _RUNNER, "{frames}"),
        read=libraries(*own, *(() if inside else (path,)), *(() if library.startswith("/usr/lib") else (library,))),
        runner=str(runner),
        binds=(Bind(str(runner), _RUNNER),),
        version=version,
    )


def _find_shell(folders: Folders | None) -> Found:
    del folders
    path = _bash()
    if path is None:
        return Missing("no bash", "install the package bash")
    argv = (path, "--noprofile", "--norc", "-c", _BOOT, "jail", "{frames}")
    return Engine(name="shell", argv=argv, read=tools(), forks=True)


def _bash() -> str | None:
    return next((path for path in ("/bin/bash", "/usr/bin/bash") if os.access(path, os.X_OK)), None)


def _find_deno(folders: Folders | None) -> Found:
    path = _deno()
    if path is None:
        return Missing("no Deno", "install taskyard[sandbox]; its wheels are for glibc, so not for Alpine")
    path, module = _readable(path, folders), _readable(INSIDE / "run_javascript.mjs", folders)
    return Engine(
        name="deno",
        argv=("/jail/deno", "run", *_DENO_FLAGS, "--v8-flags=--jitless,--max-old-space-size={heap}", _MODULE),
        read=libraries(),
        memory="data",
        binds=(Bind(str(path), "/jail/deno"), Bind(str(module), _MODULE)),
        env=(("DENO_DIR", "{home}/.deno"), ("NO_COLOR", "1"), ("DENO_NO_UPDATE_CHECK", "1")),
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


def _find_bash_lite(folders: Folders | None) -> Found:
    library = _bashkit()
    if library is None:
        return Missing("no Bashkit", "install taskyard[sandbox]")
    python = _find_python(folders)
    if isinstance(python, Missing):
        return python
    runner, library = _readable(INSIDE / "run_bash.py", folders), _readable(library, folders)
    return python._replace(
        name="bash-lite",
        argv=(*python.argv[:-2], _BASH_RUNNER, _BASHKIT, python.argv[-1]),
        runner=str(runner),
        binds=(Bind(str(runner), _BASH_RUNNER), Bind(str(library), _BASHKIT)),
    )


def _bashkit() -> Path | None:
    """Bashkit's library, which any Python from 3.9 on can load."""
    found = find_spec("bashkit")
    folders = found.submodule_search_locations if found is not None else None
    return next((path for folder in folders or () for path in Path(folder).glob("_bashkit.abi3.so")), None)


_FINDERS: dict[str, Callable[[Folders | None], Found]] = {
    "python": _find_python,
    "shell": _find_shell,
    "javascript": _find_deno,
    "typescript": _find_deno,
    "bash-lite": _find_bash_lite,
}


def _readable(path: Path, folders: Folders | None) -> Path:
    return path if folders is None else folders.publish(path)


def _pythons() -> list[str]:
    own = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return list(dict.fromkeys((own, "/usr/local/bin/python3", "/usr/bin/python3")))


def _ask(path: str) -> tuple[str, str, tuple[int, int, int]] | None:
    """An interpreter's prefix, library and version; None for one that does not run or is too old."""
    try:
        answer = subprocess.run(  # noqa: S603 - an interpreter of this machine
            [path, "-I", "-S", "-c", _ASK], capture_output=True, timeout=_ASK_SECONDS, check=True, env={}
        )
        prefix, library, version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    major, minor, micro = version
    return (prefix, library, (major, minor, micro)) if (major, minor) >= _OLDEST else None
