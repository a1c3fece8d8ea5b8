"""Settings, secrets and operations of file transfers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from taskyard.errors import ValidationFailed
from taskyard.executors.integration.shape import Port, Secret, Shape
from taskyard.executors.integration.tls import TlsSecrets, TlsSettings


class FileSettings(TlsSettings, kw_only=True, frozen=True):
    """Of a connection."""

    protocol: Literal["sftp", "ftp", "ftps", "s3", "local"]
    host: Annotated[str, Meta(description="of SFTP and FTP", max_length=255)] = ""
    port: Annotated[Port | None, Meta(description="if it is not the usual one")] = None
    folder: Annotated[str, Meta(description="where all paths begin; of S3 the prefix of all keys")] = ""
    host_keys: Annotated[
        list[str], Meta(description="SFTP: the server's public keys (ssh-ed25519 AAAA…) or fingerprints (SHA256:…)")
    ] = msgspec.field(default_factory=list)
    implicit_tls: Annotated[bool, Meta(description="FTPS: TLS from the first byte, as at port 990")] = False
    bucket: Annotated[str, Meta(description="of S3", max_length=255)] = ""
    region: Annotated[str, Meta(description="of S3")] = "us-east-1"
    endpoint: Annotated[str, Meta(description="of what speaks S3's protocol: https://…")] = ""

    def need(self, *names: str) -> None:
        """Raises ValidationFailed unless these settings are given."""
        for name in names:
            if not getattr(self, name.replace("hostKeys", "host_keys")):
                raise ValidationFailed(f"settings: {self.protocol} needs {name}")


class FileSecrets(TlsSecrets, kw_only=True, frozen=True):
    """Of a connection."""

    username: str = ""
    password: Secret = ""
    private_key: Annotated[Secret, Meta(description="SFTP: a private key in OpenSSH's or PEM form")] = ""
    passphrase: Annotated[Secret, Meta(description="of the private key")] = ""
    access_key_id: str = ""
    secret_access_key: Secret = ""
    session_token: Secret = ""


class FileOperation(Shape, kw_only=True, frozen=True):
    """Of a definition. `{name}` in its texts stands for a field of the input."""

    action: Literal["upload", "download", "list", "move", "delete"]
    path: Annotated[str, Meta(description="the file or folder on the other side", max_length=1024)] = ""
    to: Annotated[str, Meta(description="move: its new path", max_length=1024)] = ""
    file: Annotated[
        str, Meta(description="on this machine, below a permitted folder: what to upload, or where to download to")
    ] = ""
    replace: Annotated[bool, Meta(description="whether what is there already is replaced")] = True
    resume: Annotated[
        bool, Meta(description="whether what a broken attempt has transferred is kept and gone on with")
    ] = True
    sha256: Annotated[str, Meta(description="what the content's SHA-256 must be, in hex")] = ""
    verify: Annotated[bool, Meta(description="upload: read it back and compare")] = False
    missing_ok: Annotated[bool, Meta(description="delete: whether it may be gone already")] = False
    pattern: Annotated[str, Meta(description="list: names such as *.csv")] = "*"
    max_entries: Annotated[int, Meta(ge=1, le=10_000, description="list")] = 1000
