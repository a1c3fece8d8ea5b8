"""The connection type `file-transfer`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from taskyard.contracts.integration import Answer, Call, OpenConnection
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.files.far import Host
from taskyard.executors.integration.files.shapes import FileOperation, FileSecrets, FileSettings
from taskyard.executors.integration.files.transfer import Transfer
from taskyard.executors.integration.house import House
from taskyard.executors.integration.shape import ShapedType, read, within

_TEST_SECONDS: Final = 15.0
_LATE: Final = "the transfer did not end"


class FileTransfer(
    ShapedType[FileSettings, FileSecrets], name="file-transfer", shapes=(FileSettings, FileSecrets, FileOperation)
):
    """SFTP, FTP and S3 each with an extra of its name."""

    async def open(self, connection: OpenConnection) -> FileLink:
        """See the contract. Nothing is connected to yet."""
        settings, secrets = self._read(connection)
        host = await asyncio.to_thread(_host, settings, secrets, self._house)  # a locked key takes a second to open
        return FileLink(host, settings, self._house)


class FileLink:
    """See the contract."""

    def __init__(self, host: Host, settings: FileSettings, house: House) -> None:
        self._host, self._settings, self._house = host, settings, house

    def target(self, call: Call) -> str:
        """See the contract."""
        return f"{call.operation.get('action', '')} on {self._host.label}"

    async def call(self, call: Call) -> Answer:
        """See the contract."""
        operation = read(FileOperation, call.operation, "operation")
        transfer = Transfer(operation, self._settings.folder, call, self._house)
        async with within(call.deadline, _LATE), self._host.session() as far:
            return await transfer.carry_out(far)

    async def test(self) -> None:
        """See the contract: the folder is looked at."""
        folder = self._settings.folder
        async with (
            within(_TEST_SECONDS, _LATE),
            self._host.session() as far,
            contextlib.aclosing(far.entries(folder)) as found,
        ):
            async for _ in found:
                break

    async def close(self) -> None:
        """See the contract."""
        await self._host.close()


def _host(settings: FileSettings, secrets: FileSecrets, house: House) -> Host:
    try:
        match settings.protocol:
            case "sftp":
                from taskyard.executors.integration.files.sftp import SftpHost

                return SftpHost(settings, secrets, house)
            case "ftp" | "ftps":
                from taskyard.executors.integration.files.ftp import FtpHost

                return FtpHost(settings, secrets, house)
            case "s3":
                from taskyard.executors.integration.files.s3 import S3Host

                return S3Host(settings, secrets, house)
    except ImportError:
        extra = settings.protocol.removesuffix("s") if settings.protocol == "ftps" else settings.protocol
        raise ValidationFailed(f"settings: {settings.protocol} needs pip install 'taskyard[{extra}]'") from None
    from taskyard.executors.integration.files.local import LocalHost

    return LocalHost(settings, house)
