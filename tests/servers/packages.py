"""An index of Python packages and a registry of npm packages on loopback, with packages made for the test.

They speak what the public ones speak: the simple repository API (PEP 503) and npm's registry API.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any


class PackageServer:
    """What it holds, and the paths it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._python: dict[str, dict[str, bytes]] = {}
        self._npm: dict[str, dict[str, tuple[bytes, dict[str, Any]]]] = {}

    @property
    def index(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    @property
    def registry(self) -> str:
        return f"http://127.0.0.1:{self.port}/npm"

    def add_wheel(self, name: str, version: str, files: Mapping[str, str], requires: Sequence[str] = ()) -> None:
        about = f"{name}-{version}.dist-info"
        about_it = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        about_it += "".join(f"Requires-Dist: {each}\n" for each in requires)
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        all_files = {**files, f"{about}/METADATA": about_it, f"{about}/WHEEL": tag}
        record = "".join(f"{path},{_sha256(text)},{len(text.encode())}\n" for path, text in all_files.items())
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in {**all_files, f"{about}/RECORD": record + f"{about}/RECORD,,\n"}.items():
                archive.writestr(path, text)
        self._python.setdefault(name, {})[f"{name}-{version}-py3-none-any.whl"] = packed.getvalue()

    def add_installed(self, name: str) -> None:
        """A wheel of what is installed here, its code in Python."""
        files = {
            str(path): Path(path.locate()).read_text()
            for path in metadata.files(name) or ()
            if path.suffix == ".py" and ".." not in path.parts
        }
        self.add_wheel(name, metadata.version(name), files)

    def add_source(self, name: str, version: str, setup: str) -> None:
        """A package that would have to be built, by running its `setup.py`."""
        files = {f"{name}-{version}/setup.py": setup, f"{name}-{version}/PKG-INFO": f"Name: {name}\n"}
        self._python.setdefault(name, {})[f"{name}-{version}.tar.gz"] = _tar(files)

    def add_npm(self, name: str, version: str, files: Mapping[str, str], **package: Any) -> None:
        about = {"name": name, "version": version, "main": "index.js", **package}
        packed = _tar({f"package/{path}": text for path, text in {"package.json": json.dumps(about), **files}.items()})
        self._npm.setdefault(name, {})[version] = (packed, about)

    def answer(self, path: str) -> tuple[bytes, str] | None:
        """The body and its type; None for what is not there."""
        self.asked.append(path)
        match path.replace("%2f", "/").strip("/").split("/"):
            case ["simple", name] if name in self._python:
                links = "".join(
                    f'<a href="/files/{name}/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
                    for file, data in self._python[name].items()
                )
                return f"<html><body>{links}</body></html>".encode(), "text/html"
            case ["files", name, file]:
                return self._python[name][file], "application/octet-stream"
            case ["npm", *name, "-", file]:
                return self._npm["/".join(name)][file.removesuffix(".tgz")][0], "application/octet-stream"
            case ["npm", *name] if "/".join(name) in self._npm:
                return self._about("/".join(name)), "application/json"
        return None

    def _about(self, name: str) -> bytes:
        versions = {
            version: {**about, "dist": {"tarball": f"{self.registry}/{name}/-/{version}.tgz", **_integrity(data)}}
            for version, (data, about) in self._npm[name].items()
        }
        return json.dumps({"name": name, "dist-tags": {"latest": max(versions)}, "versions": versions}).encode()


@contextlib.contextmanager
def packages() -> Iterator[PackageServer]:
    """A server, empty at first."""
    held = PackageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = held.answer(self.path)
            body, kind = found if found is not None else (b"{}", "application/json")
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the names are BaseHTTPRequestHandler's

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield held
        finally:
            server.shutdown()
            thread.join()


def _tar(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _integrity(data: bytes) -> dict[str, str]:
    return {
        "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode(),
        "shasum": hashlib.sha1(data).hexdigest(),
    }
