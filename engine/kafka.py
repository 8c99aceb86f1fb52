"""How every Kafka client of ours reaches the brokers: one choice for all clients of a process, made where it starts.

`configuration` is where each of them gets its address and its security from; Faust, whose client is another library,
gets the same from `streams/credentials.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

PLAINTEXT: Final = "PLAINTEXT"
SSL: Final = "SSL"
SASL_PLAINTEXT: Final = "SASL_PLAINTEXT"
SASL_SSL: Final = "SASL_SSL"


class Security(NamedTuple):
    """Of the connections to the brokers; what is empty is not used. Files are in PEM form."""

    protocol: str = PLAINTEXT
    """One of the four above."""
    mechanism: str = ""
    """With SASL: `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`."""
    username: str = ""
    password: str = ""
    ca_file: str = ""
    """Certificates of whom the brokers' are signed by; empty: those that the machine trusts."""
    certificate: str = ""
    """Our own, where the brokers ask for one."""
    key: str = ""

    @property
    def is_encrypted(self) -> bool:
        return self.protocol in (SSL, SASL_SSL)

    @property
    def has_login(self) -> bool:
        return self.protocol in (SASL_PLAINTEXT, SASL_SSL)

    def __str__(self) -> str:
        """For people, without the password."""
        login = f", {self.mechanism} as {self.username}" if self.has_login else ""
        certificate = f", certificate {self.certificate}" if self.is_encrypted and self.certificate else ""
        return f"{self.protocol}{login}{certificate}"

    def __repr__(self) -> str:
        return f"<Security {self}>"


def client(security: Security) -> dict[str, Any]:
    """The security part of a confluent-kafka client's configuration."""
    found: dict[str, Any] = {"security.protocol": security.protocol}
    if security.is_encrypted:
        found["ssl.ca.location"] = security.ca_file or "probe"
        if security.certificate:
            found |= {"ssl.certificate.location": security.certificate, "ssl.key.location": security.key}
    if security.has_login:
        found |= {
            "sasl.mechanism": security.mechanism,
            "sasl.username": security.username,
            "sasl.password": security.password,
        }
    return found


_source: Callable[[], Security] = Security


def choose(source: Callable[[], Security]) -> None:
    """For clients that are made from now on; `source` is asked when the first of them is, and only then."""
    global _source
    _source = cache(source)


def security() -> Security:
    """What was chosen; without a choice PLAINTEXT."""
    return _source()


def configuration(bootstrap: str) -> dict[str, Any]:
    """What every confluent-kafka client's configuration begins with."""
    return {"bootstrap.servers": bootstrap, **client(security())}
