"""FTP, and FTPS with both of its channels encrypted (RFC 4217): one login a call."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

import aioftp
import msgspec
from aioftp.common import SSLSessionBoundContext
from aioftp.errors import AIOFTPException, StatusCodeError

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import CallFailed
from taskyard.executors.integration.files.far import PIECE, DraftingFar, Facts, checked
from taskyard.executors.integration.files.faults import exists, missing, not_let_in, refused
from taskyard.executors.integration.files.near import Source
from taskyard.executors.integration.files.shapes import FileSecrets, FileSettings
from taskyard.executors.integration.house import House
from taskyard.executors.integration.tls import context_for
from taskyard.security.egress.guard import close_at_once

_PORT: Final = 21
_IMPLICIT_PORT: Final = 990
_PAUSE_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 2.0
_READ: Final = 1 << 18


class _Client(aioftp.Client):
    """aioftp over guarded connections; files come from the server that was logged in at, whatever it names."""

    def __init__(self, house: House, host: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(ssl=tls, socket_timeout=_PAUSE_SECONDS, passive_commands=("epsv", "pasv"))
        self._house, self._host = house, host
        self._writers: list[asyncio.StreamWriter] = []

    def close(self) -> None:
        """See aioftp, which forgets connections for data that the server then had no use for."""
        super().close()
        for writer in self._writers:
            close_at_once(writer)

    async def _open_connection(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        del host
        context: Any = self.ssl
        if self._stream is not None:
            encrypted = self._stream.writer.transport.get_extra_info("ssl_object")
            if encrypted is not None:  # servers may want the session that they know
                context = SSLSessionBoundContext(
                    ssl.PROTOCOL_TLS_CLIENT, context=encrypted.context, session=encrypted.session
                )
        reader, writer = await self._house.egress().guard.open_connection(self._host, port, tls=context)
        self._writers.append(writer)
        return reader, writer


class FtpHost:
    """See the protocol."""

    def __init__(self, settings: FileSettings, secrets: FileSecrets, house: House) -> None:
        settings.need("host")
        self._settings, self._secrets, self._house = settings, secrets, house
        self._tls: ssl.SSLContext | None = None
        if settings.protocol == "ftps":
            verifying = msgspec.structs.replace(settings, tls="verify")
            self._tls = context_for(verifying, secrets, settings.host)
        self.label = settings.host

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[FtpFar]:
        """See the protocol."""
        settings = self._settings
        implicit = self._tls if settings.implicit_tls else None
        client = _Client(self._house, settings.host, implicit)
        try:
            with _breaking(settings.host):
                await client.connect(settings.host, settings.port or (_IMPLICIT_PORT if implicit else _PORT))
                await self._log_in(client)
                yield FtpFar(client)
                with contextlib.suppress(TimeoutError, AIOFTPException, OSError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await client.quit()
        finally:
            client.close()

    async def close(self) -> None:
        """See the protocol: nothing is kept open."""

    async def _log_in(self, client: _Client) -> None:
        if self._tls is not None and not self._settings.implicit_tls:
            try:
                await client.upgrade_to_tls(self._tls)
            except StatusCodeError:
                raise CallFailed(
                    f"{self.label} offers no TLS; use the protocol ftp to go without", reason="certificate"
                ) from None
        try:
            await client.login(self._secrets.username or "anonymous", self._secrets.password or "anonymous@")
        except StatusCodeError as error:
            if error.received_codes[-1].matches("530"):
                raise not_let_in() from None
            raise
        if self._tls is not None and self._settings.implicit_tls:
            await client.command("PBSZ 0", "200")
            await client.command("PROT P", "200")


class FtpFar(DraftingFar):
    """See the protocol."""

    def __init__(self, client: aioftp.Client) -> None:
        self._client = client

    async def facts(self, path: str) -> Facts | None:
        """See the protocol. Servers without MLST are asked for a listing."""
        with _telling(path):
            try:
                found = await self._client.stat(path)
            except StatusCodeError as error:
                if error.received_codes[-1].matches("550"):
                    return None
                raise
            except ValueError:  # aioftp's way to say that a listing does not have it
                return None
        return _facts(path.rpartition("/")[2], found)

    async def entries(self, path: str) -> AsyncGenerator[Facts, None]:
        """See the protocol."""
        with _telling(path):
            async for found, facts in self._client.list(path):
                name = str(found)
                base = f"{path.rstrip('/')}/" if path else ""
                yield _facts(checked(name.removeprefix(base), path), facts)

    async def read(self, path: str, offset: int, facts: Facts) -> AsyncGenerator[bytes, None]:
        """See the protocol."""
        del facts
        with _telling(path):
            async with self._client.download_stream(path, offset=offset) as stream:
                while piece := await stream.read(_READ):
                    yield piece

    async def write(self, path: str, offset: int, source: Source) -> None:
        """See the base."""
        with _telling(path):
            async with (
                self._client.upload_stream(path, offset=offset) as stream,
                contextlib.aclosing(source.pieces(offset, PIECE)) as pieces,
            ):
                async for piece in pieces:
                    await stream.write(piece)

    async def move(self, path: str, to: str, *, replace: bool) -> None:
        """See the protocol. Most servers replace; one that does not has the old file deleted before."""
        if not replace and await self.facts(to) is not None:
            raise exists(to)
        with _telling(path):
            try:
                await self._client.rename(path, to)
            except StatusCodeError:
                if not replace or await self.facts(path) is None or await self.facts(to) is None:
                    raise
                await self._client.remove_file(to)
                await self._client.rename(path, to)

    async def delete(self, path: str) -> None:
        """See the protocol."""
        found = await self.facts(path)
        if found is None:
            raise missing(path)
        with _telling(path):
            await (self._client.remove_directory if found.kind == "folder" else self._client.remove_file)(path)


def _facts(name: str, found: Any) -> Facts:
    kind: Literal["file", "folder", "link", "other"] = "other"
    match found.get("type"):
        case "file":
            kind = "file"
        case "dir" | "cdir" | "pdir":
            kind = "folder"
        case "link":
            kind = "link"
    size = str(found.get("size", ""))
    return Facts(name, kind, int(size) if size.isdecimal() else None, _moment(str(found.get("modify", ""))))


def _moment(text: str) -> float | None:
    """A time of MLSD (RFC 3659), which is UTC."""
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except StatusCodeError as error:
        code, said = error.received_codes[-1], " ".join(" ".join(error.info).split())
        if code.matches("550"):
            if "permission" in said.lower() or "denied" in said.lower():
                raise refused(path, said) from None
            raise missing(path) from None
        if code.matches("552") or code.matches("452"):
            raise OperationFailed(f"the other side has no room for {path}: {said[:300]}", reason="far-disk") from None
        raise OperationFailed(
            f"the other side refuses {path}: {code} {said[:300]}", retryable=code.matches("4xx")
        ) from None


@contextlib.contextmanager
def _breaking(host: str) -> Iterator[None]:
    """Whatever ends the connection; lines that are none and names that cannot be read too."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise CallFailed(
            f"{host}: its certificate does not fit: {error.verify_message}", reason="certificate", retryable=False
        ) from None
    except StatusCodeError as error:
        said = " ".join(" ".join(error.info).split())[:300]
        raise CallFailed(f"{host}: {error.received_codes[-1]} {said}", reason="refused") from None
    except (AIOFTPException, OSError, EOFError, TimeoutError, ValueError, IndexError) as error:
        raise CallFailed(
            f"{host}: the connection broke: {str(error) or type(error).__name__}", reason="broken"
        ) from None
