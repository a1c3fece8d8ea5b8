"""Which cluster, and who we are there: from a kubeconfig, or from the pod that we run in ourselves.

<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from taskyard.errors import ConfigurationError
from taskyard.security.egress.tls import tls_context

IN_CLUSTER = "in-cluster"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVER = "https://kubernetes.default.svc"


class Cluster(NamedTuple):
    """`token` is asked before each request, for tokens are renewed; it gives "" where a certificate is shown.
    It raises OSError.
    """

    server: str
    namespace: str
    tls: ssl.SSLContext
    token: Callable[[], str]


def find_cluster(where: str, namespace: str = "", account: Path = _ACCOUNT) -> Cluster:
    """The cluster that `where` means: `in-cluster`, or the path of a kubeconfig. Raises ConfigurationError."""
    try:
        found = _in_cluster(account) if where == IN_CLUSTER else _from_file(Path(where).expanduser())
    except (OSError, KeyError, TypeError, StopIteration, ValueError, AttributeError, yaml.YAMLError) as error:
        told = f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ConfigurationError(f"TASKYARD_KUBERNETES: {where} tells of no cluster that can be used: {told}") from None
    return found._replace(namespace=namespace) if namespace else found


def _in_cluster(account: Path) -> Cluster:
    return Cluster(
        _SERVER,
        (account / "namespace").read_text().strip(),
        tls_context(authorities=(account / "ca.crt").read_text()),
        lambda: (account / "token").read_text().strip(),
    )


def _from_file(path: Path) -> Cluster:
    config = yaml.safe_load(path.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    if "exec" in user or "auth-provider" in user:
        raise ValueError("its user gets credentials from a program; use a token or a certificate, or in-cluster")
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError("it does not check the server's certificate; name its certificate-authority")
    return Cluster(
        cluster["server"],
        context.get("namespace", "default"),
        tls_context(
            authorities=_material(cluster, "certificate-authority", path),
            certificate=_material(user, "client-certificate", path),
            key=_material(user, "client-key", path),
        ),
        _token(user, path),
    )


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _material(section: dict[str, Any], name: str, path: Path) -> str:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"]).decode()
    return (path.parent / section[name]).read_text() if name in section else ""


def _token(user: dict[str, Any], path: Path) -> Callable[[], str]:
    if "tokenFile" in user:
        file = path.parent / user["tokenFile"]
        return lambda: file.read_text().strip()
    token = str(user.get("token", ""))
    return lambda: token
