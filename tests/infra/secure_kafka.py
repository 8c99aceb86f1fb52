"""A real broker with the configuration of infra/compose.production.yaml, on free ports, with its own certificates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from engine import kafka
from infra.kafka import CLUSTER_ID, JVM_OPTIONS, Probe, configuration, java
from infra.ports import free_ports
from infra.process import Program, run_to_end
from tests.system import running

PROPERTIES = Path(__file__).parents[2] / "infra" / "production" / "kafka.properties"


class Certificates:
    """Of one authority; each in files NAME.pem and NAME.key, with both in NAME.both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, name: str, *hosts: str) -> Path:
        """The file of the certificate."""
        issued = self._authority.issue_cert(*hosts or (f"{name}.example",), common_name=name)
        key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(one.bytes() for one in issued.cert_chain_pems)
        (self.folder / f"{name}.key").write_bytes(text)
        (self.folder / f"{name}.pem").write_bytes(chain)
        (self.folder / f"{name}.both").write_bytes(text + chain)
        return self.folder / f"{name}.pem"


class SecureKafka(NamedTuple):
    clients: str
    """Where clients log in."""
    brokers: str
    """Where brokers and administrators show certificates."""
    certificates: Certificates
    folder: Path


def read_properties() -> dict[str, str]:
    lines = (line for line in PROPERTIES.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def secure_kafka(folder: Path, class_path: list[Path]) -> Iterator[SecureKafka]:
    """One broker instead of three: the counts of copies, the addresses and the files are other ones, nothing else."""
    certificates = Certificates(folder)
    certificates.issue("kafka-1", "127.0.0.1")
    certificates.issue("hft-admin")
    clients, controller, brokers = (f"127.0.0.1:{port}" for port in free_ports(3))
    listeners = f"CLIENTS://{clients},CONTROLLER://{controller},BROKERS://{brokers}"
    production = read_properties()
    alone = configuration(folder, 1)
    copies = {name: alone[name] for name in production if name in alone and production[name] in ("2", "3")}
    lines = (
        production
        | copies
        | {
            "node.id": "1",
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.voters": f"1@{controller}",
            "ssl.keystore.location": str(folder / "kafka-1.both"),
            "ssl.truststore.location": str(certificates.ca),
            "log.dirs": str(folder / "data"),
        }
    )
    properties = folder / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    run = (java(""), *JVM_OPTIONS, "-cp", os.pathsep.join(map(str, class_path)))
    log = folder / "kafka.log"
    format = ("format", "--cluster-id", CLUSTER_ID, "--config", str(properties))
    run_to_end("kafka (format)", (*run, "kafka.tools.StorageTool", *format), log)
    found = SecureKafka(clients, brokers, certificates, folder)
    kafka.choose(lambda: administrator(found))
    program = Program(
        name="kafka", command=(*run, "kafka.Kafka", str(properties)), log=log, folder=folder, probe=Probe(brokers)
    )
    try:
        with running(program):
            yield found
    finally:
        kafka.choose(kafka.Security)


def administrator(found: SecureKafka) -> kafka.Security:
    folder = found.certificates.folder
    return kafka.Security(
        kafka.SSL,
        ca_file=str(found.certificates.ca),
        certificate=str(folder / "hft-admin.pem"),
        key=str(folder / "hft-admin.key"),
    )
