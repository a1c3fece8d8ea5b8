"""Packages of npm, by Deno: into a cache of its own, with a lock. Scripts of packages are not run.

<https://docs.deno.com/runtime/reference/cli/install/>
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

from taskyard.domain.dependencies import Dependencies
from taskyard.executors.script.sandbox.jail import Bind, Engine
from taskyard.executors.script.sandbox.packages.installing import Installer, Uninstallable

LOCK = "deno.lock"
FLAGS = ("--no-prompt", "--no-config", "--no-remote")
_IS_NOT_THERE = re.compile(
    r"does not exist|Could not find npm package|Invalid (npm )?(specifier|version)", re.IGNORECASE
)


def environment(registry: str, folder: str) -> dict[str, str]:
    """What has to be set alike where packages are installed and where they are used."""
    own = {"NPM_CONFIG_REGISTRY": registry} if registry else {}
    return {"DENO_DIR": folder, "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", **own}


def install(installer: Installer, deno: Path, wanted: Dependencies) -> bytes:
    """Fetch the packages and all they need into `packages` in the installer's folder; the lock, which lies there too.

    Raises Uninstallable.
    """
    packages = installer.folder / "packages"
    stub = installer.folder / "stub.js"
    stub.write_text("".join(f"import {json.dumps('npm:' + package)};\n" for package in wanted.packages))
    lock = packages / LOCK
    code, said = installer.run([str(deno), "install", *FLAGS, f"--lock={lock}", "--entrypoint", str(stub)])
    if code:
        gone = _IS_NOT_THERE.search(said) is not None
        raise Uninstallable(f"the dependencies cannot be resolved: {said}", retryable=not gone)
    for cache in packages.glob("*_cache_v*"):  # of what was looked at; a jail makes its own
        cache.unlink()
    return lock.read_bytes()


def shown(engine: Engine, installed: Bind, registry: str, wanted: Dependencies) -> Engine:
    """The engine with the packages that lie in this folder, and no others."""
    folder = installed.inside
    options = ["--quiet", "--cached-only", "--frozen", f"--lock={folder}/{LOCK}", f"--allow-read={folder}"]
    if wanted.imports:
        text = json.dumps({"imports": dict(wanted.imports)})
        options.append(f"--import-map=data:application/json,{quote(text)}")
    kept = [word for word in engine.argv if word not in ("--no-npm", "--no-lock")]
    return engine._replace(
        argv=(*kept[:-1], *options, kept[-1]),
        binds=(*engine.binds, installed),
        env=(*engine.env, *environment(registry, folder).items()),
    )
