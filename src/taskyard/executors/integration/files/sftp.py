"""SFTP: one SSH connection a link, whose host key must be one that the connection names."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, Final, cast

import asyncssh

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.files.far import PIECE, DraftingFar, Facts, checked
from taskyard.executors.integration.files.faults import exists, missing, not_let_in, refused
from taskyard.executors.integration.files.near import Source
from taskyard.executors.integration.files.shapes import FileSecrets, FileSettings
from taskyard.executors.integration.house import House

_PORT: Final = 22
_LOGIN_SECONDS: Final = 15.0
_KEEP_ALIVE_SECONDS: Final = 15.0
_KINDS: Final = {
    asyncssh.FILEXFER_TYPE_REGULAR: "file",
    asyncssh.FILEXFER_TYPE_DIRECTORY: "folder",
    asyncssh.FILEXFER_TYPE_SYMLINK: "link",
}


class SftpHost:
    """See the protocol. Calls at once share the connection; one that broke is made anew by the next call."""

    def __init__(self, settings: FileSettings, secrets: FileSecrets, house: House) -> None:
        settings.need("host", "hostKeys")
        self._settings, self._secrets, self._house = settings, secrets, house
        self._keys = _HostKeys(settings.host_keys)
        self._private = _private_keys(secrets)
        self._opening = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self.label = settings.host

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[SftpFar]:
        """See the protocol."""
        async with self._opening:
            client = await self._opened()
        try:
            yield SftpFar(client)
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost, OSError) as error:
            await self._forget(client)
            raise CallFailed(f"the connection broke: {_told(error)}", reason="broken") from None

    async def close(self) -> None:
        """See the protocol."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    async def _forget(self, client: asyncssh.SFTPClient) -> None:
        if client is self._client:
            await self.close()

    async def _opened(self) -> asyncssh.SFTPClient:
        if self._connection is not None and self._connection.is_closed():
            await self.close()
        if self._client is None:
            port = self._settings.port or _PORT
            connected = await self._house.egress().guard.open_socket(self._settings.host, port)
            checker = self._keys.checker()
            try:
                self._connection = await asyncssh.connect(
                    sock=connected, options=self._options(), client_factory=lambda: checker
                )
                self._client = await self._connection.start_sftp_client()
            except asyncssh.HostKeyNotVerifiable:
                raise _other_key(self._settings.host, checker.shown) from None
            except asyncssh.PermissionDenied:
                raise not_let_in() from None
            except (asyncssh.Error, OSError) as error:
                raise CallFailed(f"{self._settings.host}: {_told(error)}", reason="connect") from None
            finally:
                if self._client is None:
                    connected.close()
                    await self.close()
        return self._client

    def _options(self) -> asyncssh.SSHClientConnectionOptions:
        """Nothing is taken from this machine's own SSH: no keys, agents, configuration or known hosts."""
        secrets = self._secrets
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            known_hosts=(self._keys.keys, [], []),
            username=secrets.username,
            password=secrets.password or None,
            client_keys=self._private or None,
            agent_path=None,
            gss_host=None,
            connect_timeout=_LOGIN_SECONDS,
            login_timeout=_LOGIN_SECONDS,
            keepalive_interval=_KEEP_ALIVE_SECONDS,
        )


class SftpFar(DraftingFar):
    """See the protocol."""

    def __init__(self, client: asyncssh.SFTPClient) -> None:
        self._client = client

    async def facts(self, path: str) -> Facts | None:
        """See the protocol."""
        with _telling(path):
            try:
                found = await self._client.stat(path)
            except asyncssh.SFTPNoSuchFile:
                return None
        return _facts(path.rpartition("/")[2], found)

    async def entries(self, path: str) -> AsyncGenerator[Facts, None]:
        """See the protocol."""
        with _telling(path):
            async for entry in self._client.scandir(path or "."):
                name = str(entry.filename)
                if name not in (".", ".."):
                    yield _facts(checked(name, path), entry.attrs)

    async def read(self, path: str, offset: int, facts: Facts) -> AsyncGenerator[bytes, None]:
        """See the protocol. asyncssh asks for the parts of a piece all at once, and for the next while one is used."""
        del facts
        with _telling(path):
            async with self._client.open(path, "rb") as file:
                coming = asyncio.ensure_future(file.read(PIECE, offset))
                try:
                    while piece := await coming:
                        offset += len(piece)
                        coming = asyncio.ensure_future(file.read(PIECE, offset))
                        yield cast("bytes", piece)
                finally:
                    coming.cancel()
                    await asyncio.wait([coming])

    async def write(self, path: str, offset: int, source: Source) -> None:
        """See the base."""
        with _telling(path):
            async with (
                self._client.open(path, "r+b" if offset else "wb") as file,
                contextlib.aclosing(source.pieces(offset, PIECE)) as pieces,
            ):
                async for piece in pieces:
                    await file.write(piece, offset)
                    offset += len(piece)

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """See the protocol. Servers that cannot replace while renaming have the old file deleted before."""
        with _telling(path):
            try:
                await self._client.rename(path, to, asyncssh.FXR_OVERWRITE if replace else 0)
            except (asyncssh.SFTPOpUnsupported, asyncssh.SFTPFailure):
                if await self.facts(path) is None or await self.facts(to) is None:
                    raise
                if not replace:
                    raise exists(to) from None
                await self._client.remove(to)
                await self._client.rename(path, to)

    async def delete(self, path: str) -> None:
        """See the protocol."""
        with _telling(path):
            found = await self.facts(path)
            if found is None:
                raise missing(path)
            await (self._client.rmdir if found.kind == "folder" else self._client.remove)(path)


class _HostKeys:
    """The keys that a server may show."""

    def __init__(self, texts: list[str]) -> None:
        self.keys: list[asyncssh.SSHKey] = []
        self.fingerprints: set[str] = set()
        for text in texts:
            if text.startswith("SHA256:"):
                self.fingerprints.add(text.rstrip("="))
                continue
            try:
                key = asyncssh.import_public_key(text)
            except (asyncssh.KeyImportError, ValueError):
                raise ValidationFailed(
                    "settings: each of hostKeys is a public key (ssh-ed25519 AAAA…) or a fingerprint (SHA256:…)"
                ) from None
            self.keys.append(key)

    def checker(self) -> _Checker:
        """What looks at the key of one connection."""
        return _Checker(self.fingerprints)


class _Checker(asyncssh.SSHClient):
    """Asked for keys that are not known; `shown` is the fingerprint of the last one."""

    def __init__(self, fingerprints: set[str]) -> None:
        self._fingerprints = fingerprints
        self.shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """See asyncssh."""
        del host, addr, port
        self.shown = key.get_fingerprint()
        return self.shown in self._fingerprints


def _private_keys(secrets: FileSecrets) -> list[asyncssh.SSHKey]:
    if not secrets.private_key:
        return []
    try:
        return [asyncssh.import_private_key(secrets.private_key, secrets.passphrase or None)]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise ValidationFailed("secrets: privateKey cannot be read, or not with this passphrase") from None


def _other_key(host: str, shown: str) -> OperationFailed:
    return OperationFailed(
        f"{host} shows another host key than the connection names ({shown or 'of a kind that is not among them'}):"
        " ask its operator whether it has changed, then set hostKeys",
        reason="host-key",
        retryable=False,
    )


def _facts(name: str, found: asyncssh.SFTPAttrs) -> Facts:
    kind: Any = _KINDS.get(found.type, "other")
    if kind == "other" and found.permissions is not None:
        kind = "folder" if stat.S_ISDIR(found.permissions) else "file" if stat.S_ISREG(found.permissions) else "other"
    return Facts(name, kind, found.size, found.mtime)


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except asyncssh.SFTPNoSuchFile:
        raise missing(path) from None
    except asyncssh.SFTPFileAlreadyExists:
        raise exists(path) from None
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise
    except asyncssh.SFTPNoSpaceOnFilesystem:
        raise OperationFailed(f"the other side's disk has no room for {path}", reason="far-disk") from None
    except asyncssh.SFTPError as error:
        raise refused(path, error.reason) from None


def _told(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:300]
