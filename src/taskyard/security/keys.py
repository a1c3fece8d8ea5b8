"""The secrets a data directory holds, and the keys made from them.

Both files have mode 0600. They appear complete or not at all, and processes that start together all end up
with the same one.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from taskyard.errors import ConfigurationError
from taskyard.security.api_tokens import is_api_token, new_api_token

KEY_BYTES = 32
SECRET_FILE = "secret.key"  # noqa: S105 - a file's name
ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - a file's name

_MODE_MATTERS = os.name == "posix"


def derive(master: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose (HKDF-SHA256), telling nothing of `master` or of other keys."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"taskyard/{purpose}".encode()).derive(master)


def load_or_create(data_dir: Path) -> bytes:
    """Return the installation's 32-byte master secret, made on first use.

    Raises ConfigurationError when the file cannot be kept, is damaged, or is open to other users.
    """
    path = data_dir / SECRET_FILE
    text = _load_or_create(path, lambda: secrets.token_hex(KEY_BYTES))
    try:
        master = bytes.fromhex(text)
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES:
        raise _damaged(path, "ends all sessions and leases")
    return master


def load_or_create_admin_token(data_dir: Path) -> str:
    """Return the admin's API token, made on first use; errors as in `load_or_create`."""
    path = data_dir / ADMIN_TOKEN_FILE
    token = _load_or_create(path, lambda: new_api_token().shown)
    if not is_api_token(token):
        raise _damaged(path, "makes a new token")
    return token


def _load_or_create(path: Path, make: Callable[[], str]) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _publish(path, make())
        return _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The secret {path} cannot be kept ({error}); "
            "let TASKYARD_DATA_DIR name a directory that this user can write to"
        ) from error


def _publish(path: Path, content: str) -> None:
    """Write beside `path`, then link: the first process wins and nobody ever reads half a file."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        if _MODE_MATTERS:
            _check_mode(path, file.fileno())
        return file.read().removesuffix("\n")


def _check_mode(path: Path, descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & stat.S_IRWXO:
        raise ConfigurationError(
            f"Other users can read or change {path}, so it is no secret any more; "
            "delete it to get a new one, or make it private with: chmod 600"
        )
    if mode & stat.S_IRWXG:
        os.fchmod(descriptor, 0o600)  # mounting a volume for a group adds these bits


def _damaged(path: Path, consequence: str) -> ConfigurationError:
    return ConfigurationError(f"{path} is damaged; restore it, or delete it, which {consequence}")
