"""Media types: what a file says it is, held against its first bytes.

The signatures are those of the WHATWG MIME Sniffing standard, and of the formats it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

UNKNOWN = "application/octet-stream"

_LOOKED_AT = 4096
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/bmp": (b"BM",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "application/zip": _ZIP,
    "application/gzip": (b"\x1f\x8b",),
    "application/x-7z-compressed": (b"7z\xbc\xaf\x27\x1c",),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "audio/ogg": (b"OggS",),
}
_ENDINGS = {
    ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
    ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".webp": "image/webp", ".svg": "image/svg+xml",
    ".zip": "application/zip", ".gz": "application/gzip", ".7z": "application/x-7z-compressed", ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".webm": "video/webm", ".txt": "text/plain",
    ".csv": "text/csv", ".html": "text/html", ".md": "text/markdown", ".json": "application/json",
    ".xml": "application/xml", ".yaml": "application/yaml", ".yml": "application/yaml",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".odt": "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}  # fmt: skip
_SAME = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip", "application/x-pdf": "application/pdf",
}  # fmt: skip
_ZIPPED = ("application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/epub+zip")
_TEXTS = frozenset(
    {
        "application/json",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/x-sh",
        "image/svg+xml",
    }
)


def media_type(name: str, declared: str, content: bytes) -> str:
    """The type of a file: the declared one, else what its name's ending stands for.

    Raises ValueError where the content is neither what is declared nor what the ending says.
    """
    stated = declared.partition(";")[0].strip().lower() or UNKNOWN
    by_name = _ENDINGS.get(PurePath(name).suffix.lower(), UNKNOWN)
    for type_, source in ((stated, "it says"), (by_name, f"its name {name!r} says")):
        if not _fits(_SAME.get(type_, type_), content):
            raise ValueError(f"is not what {source} it is, {type_}: its content is something else")
    return by_name if stated == UNKNOWN else stated


def _fits(type_: str, content: bytes) -> bool:
    """Whether the content may be of this type; of a type nobody knows here it always may."""
    head = content[:_LOOKED_AT]
    if type_ in _SIGNATURES:
        return head.startswith(_SIGNATURES[type_])
    if type_.startswith(_ZIPPED):
        return head.startswith(_ZIP)
    if type_ in _CONTAINERS:
        return _CONTAINERS[type_](head)
    if type_.startswith("text/") or type_ in _TEXTS:
        return b"\x00" not in head or head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return True


_CONTAINERS: dict[str, Callable[[bytes], bool]] = {
    "image/webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "audio/wav": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE",
    "video/mp4": lambda head: head[4:8] == b"ftyp",
    "video/webm": lambda head: head.startswith(b"\x1aE\xdf\xa3"),
}
