"""Packages of Python, by uv: resolved to exact versions with their hashes, then unpacked from wheels.

Nothing of a package runs: what would have to be built is refused. <https://docs.astral.sh/uv/reference/cli/>
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from taskyard.domain.dependencies import Dependencies
from taskyard.executors.script.sandbox.jail import Bind, Engine
from taskyard.executors.script.sandbox.packages.installing import Installer, Uninstallable

_UNSATISFIABLE = 1
MEND = "install taskyard[sandbox], which brings uv"


def find_uv() -> Path:
    """The installer. Raises Uninstallable."""
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin()).resolve()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise Uninstallable(f"there is no uv to install packages with; {MEND}")
    return Path(found).resolve()


def resolve(installer: Installer, uv: Path, python: str, index: str, wanted: Dependencies) -> bytes:
    """The lock: exact versions with their hashes, of all that is needed. Raises Uninstallable."""
    project = installer.folder / "pyproject.toml"
    asked = json.dumps(list(wanted.packages))  # a list of texts is written alike in TOML
    project.write_text(f'[project]\nname = "task"\nversion = "0"\ndependencies = {asked}\n')
    lock = installer.folder / "lock.txt"
    words = ["pip", "compile", *_common(python, index), "--generate-hashes", "--no-header", "--no-annotate"]
    code, said = installer.run([str(uv), *words, "--output-file", str(lock), str(project)])
    if code:
        raise Uninstallable(f"the dependencies cannot be resolved: {said}", retryable=code != _UNSATISFIABLE)
    return lock.read_bytes()


def install(installer: Installer, uv: Path, python: str, index: str, lock: bytes) -> None:
    """Unpack what the lock says into `packages` in the installer's folder. Raises Uninstallable."""
    file = installer.folder / "lock.txt"
    file.write_bytes(lock)
    words = ["pip", "install", *_common(python, index), "--require-hashes", "--no-deps", "--link-mode", "copy"]
    target = str(installer.folder / "packages")
    code, said = installer.run([str(uv), *words, "--target", target, "--requirements", str(file)])
    if code:
        raise Uninstallable(f"the dependencies cannot be installed: {said}", retryable=True)
    (installer.folder / "packages" / ".lock").unlink(missing_ok=True)


def shown(engine: Engine, installed: Bind) -> Engine:
    """The engine with the packages that lie in this folder."""
    return engine._replace(binds=(*engine.binds, installed), path=(installed.inside,))


def _common(python: str, index: str) -> list[str]:
    return [
        "--quiet", "--no-config", "--no-python-downloads", "--no-build", "--color", "never",
        "--keyring-provider", "disabled", "--python", python, *(("--default-index", index) if index else ()),
    ]  # fmt: skip
