"""Servers from Maven Central: Apache Kafka, ElasticMQ, Camunda 7. They need Java 17 and Maven; for `make real` only."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.ports import free_port

LOG4J = ["log4j-slf4j-impl", "log4j-core", "log4j-1.2-api"]
KAFKA = ["org.apache.kafka:kafka_2.13:4.1.1", *(f"org.apache.logging.log4j:{name}:2.24.3" for name in LOG4J)]
CAMUNDA = [
    "org.camunda.bpm.springboot:camunda-bpm-spring-boot-starter-rest:7.24.0",
    "org.springframework.boot:spring-boot-starter-jdbc:3.5.5",
    "com.h2database:h2:2.3.232",
]
ELASTICMQ = ["org.elasticmq:elasticmq-server_2.13:1.6.14"]
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"

_PROJECT = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>taskyard</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>
<dependencyManagement><dependencies>{}</dependencies></dependencyManagement>
<dependencies>{}</dependencies></project>"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>"
_SPRING_BOOT = "org.springframework.boot:spring-boot-dependencies:3.5.5"


def jars(name: str, artifacts: Sequence[str], versions: str | None = None) -> Path:
    """The folder with these artifacts and what they need, kept from run to run; `versions`: who says of which versions.

    Fails in one line without Maven.
    """
    if not (shutil.which("mvn") and shutil.which("java")):
        raise RuntimeError(f"{name} needs Java and Maven: apt-get install openjdk-17-jre-headless maven")
    base = Path(tempfile.gettempdir(), "taskyard-maven")
    folder = base / name
    base.mkdir(exist_ok=True)
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            folder.mkdir(exist_ok=True)
            dependencies = "".join(_DEPENDENCY.format(*artifact.split(":"), "") for artifact in artifacts)
            imported = "<type>pom</type><scope>import</scope>"
            managed = _DEPENDENCY.format(*versions.split(":"), imported) if versions else ""
            (folder / "pom.xml").write_text(_PROJECT.format(managed, dependencies))
            command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if ended.returncode:
                raise RuntimeError(f"{name} could not be fetched from Maven Central: {ended.stdout[-500:]}")
            (folder / "complete").touch()
    return folder


class Kafka(NamedTuple):
    """How one node of Apache Kafka is started, and the ports where it wants TLS, and TLS with a login."""

    command: Callable[[int, Path], Sequence[str]]
    tls: int
    login: int


USER, PASSWORD = "ada", "open-sesame"
"""Who may log in, by PLAIN and SCRAM."""


def kafka(certificates: Path) -> Kafka:
    """Apache Kafka, with the certificates of `write_certificates`."""
    libs, controller, tls, login = jars("kafka", KAFKA), free_port(), free_port(), free_port()
    module = "org.apache.kafka.common.security"
    scram = [f"SCRAM-SHA-{bits}" for bits in (256, 512)]

    def jaas(mechanism: str) -> str:
        return f"listener.name.sasl_ssl.{mechanism.lower()}.sasl.jaas.config"

    def command(port: int, folder: Path) -> Sequence[str]:
        ports = {"PLAINTEXT": port, "CONTROLLER": controller, "SSL": tls, "SASL_SSL": login}
        lines = [
            f"listeners={','.join(f'{name}://127.0.0.1:{at}' for name, at in ports.items())}",
            "process.roles=broker,controller", "node.id=1",
            f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}",
            "controller.listener.names=CONTROLLER", "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
            "group.initial.rebalance.delay.ms=0", "num.partitions=3", f"log.dirs={folder}/data",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
            "ssl.keystore.type=PEM", f"ssl.keystore.location={certificates}/server.pem",
            f"sasl.enabled.mechanisms=PLAIN,{','.join(scram)}",
            f'{jaas("plain")}={module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
            *(f"{jaas(each)}={module}.scram.ScramLoginModule required;" for each in scram),
        ]  # fmt: skip
        (folder / "server.properties").write_text("\n".join(lines))
        java = f"java -Xmx384m -XX:+UseSerialGC -cp '{libs}/*'"
        users = " ".join(f"--add-scram '{each}=[name={USER},password={PASSWORD}]'" for each in scram)
        prepare = f"{java} kafka.tools.StorageTool format --standalone --ignore-formatted {users} -t {CLUSTER}"
        run = f"exec {java} kafka.Kafka {folder}/server.properties"
        return ["sh", "-c", f"{prepare} -c {folder}/server.properties && {run}"]

    return Kafka(command, tls, login)


def elasticmq(port: int, folder: Path) -> Sequence[str]:
    """ElasticMQ: SQS again, by other hands."""
    libs = jars("elasticmq", ELASTICMQ)
    (folder / "elasticmq.conf").write_text(
        'include classpath("application.conf")\n'
        f'node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}\n'
        f'rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = "127.0.0.1", sqs-limits = relaxed }}\n'
        "rest-stats { enabled = false }\n"
    )
    config = f"-Dconfig.file={folder}/elasticmq.conf"
    return ["java", "-Xmx256m", config, "-cp", f"{libs}/*", "org.elasticmq.server.Main"]


def camunda(main: Path) -> Callable[[int, Path], Sequence[str]]:
    """How a Camunda 7.24 on H2 is started; `main` is the source of its main class."""
    libs = jars("camunda", CAMUNDA, _SPRING_BOOT)

    def command(port: int, folder: Path) -> Sequence[str]:
        database = f"--spring.datasource.url=jdbc:h2:{folder}/engine"
        return [
            "java", "-Xmx400m", "-XX:+UseSerialGC", "-cp", f"{libs}/*", str(main), f"--server.port={port}",
            "--server.address=127.0.0.1", database,
        ]  # fmt: skip

    return command


def write_certificates(folder: Path) -> None:
    """A certificate for 127.0.0.1 that vouches for itself: `server.pem` with its key, `authority.pem` without."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    from ipaddress import ip_address

    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + certificate)
    (folder / "authority.pem").write_bytes(certificate)
