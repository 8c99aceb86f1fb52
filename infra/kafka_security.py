"""The settings of Kafka's security, made into the record that all clients take; what does not fit is refused."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from engine import kafka
from engine.kafka import Security
from infra.errors import OperatorError
from infra.settings import Settings

NONE: Final = {
    name: Settings.model_fields[name].default
    for name in (
        "kafka_security_protocol",
        "kafka_username",
        "kafka_password",
        "kafka_password_file",
        "kafka_ca",
        "kafka_certificate",
        "kafka_key",
    )
}
"""Settings of a Kafka without security, whatever the environment says."""
EMBEDDED: Final = "the embedded Kafka speaks PLAINTEXT on loopback only"


def security(settings: Settings) -> Security:
    """Raises `OperatorError` that names the setting, where one is missing or its file is not what it must be."""
    chosen = Security(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_username,
        password=settings.kafka_password,
        ca_file=settings.kafka_ca,
        certificate=settings.kafka_certificate,
        key=settings.kafka_key,
    )
    if chosen.protocol == kafka.PLAINTEXT:
        _refuse_login_in_vain(settings)
        return Security()
    if not settings.kafka_bootstrap:
        raise OperatorError(
            f"HFT_KAFKA_SECURITY_PROTOCOL={chosen.protocol}, but {EMBEDDED}: name your own in HFT_KAFKA_BOOTSTRAP"
        )
    if chosen.has_login and not (chosen.username and chosen.password):
        raise OperatorError(
            f"HFT_KAFKA_SECURITY_PROTOCOL={chosen.protocol} logs in: set HFT_KAFKA_USERNAME and HFT_KAFKA_PASSWORD_FILE"
        )
    if chosen.is_encrypted:
        _check_files(chosen)
    return chosen


def _refuse_login_in_vain(settings: Settings) -> None:
    """Whoever sets a password or a certificate believes that it is used."""
    for value, variable in (
        (settings.kafka_username, "HFT_KAFKA_USERNAME"),
        (settings.kafka_password, "HFT_KAFKA_PASSWORD"),
        (settings.kafka_ca, "HFT_KAFKA_CA"),
        (settings.kafka_certificate, "HFT_KAFKA_CERTIFICATE"),
    ):
        if value:
            raise OperatorError(f"{variable} is set, and HFT_KAFKA_SECURITY_PROTOCOL=PLAINTEXT uses none: set SASL_SSL")


def _check_files(chosen: Security) -> None:
    if bool(chosen.certificate) != bool(chosen.key):
        raise OperatorError("HFT_KAFKA_CERTIFICATE and HFT_KAFKA_KEY belong together: set both, or neither")
    if chosen.ca_file:
        _load("HFT_KAFKA_CA", chosen.ca_file, lambda: ssl.create_default_context(cafile=chosen.ca_file))
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load(
            "HFT_KAFKA_CERTIFICATE",
            chosen.certificate,
            partial(context.load_cert_chain, chosen.certificate, chosen.key, password=_refuse_password),
        )


def _load(variable: str, name: str, load: Callable[[], object]) -> None:
    try:
        Path(name).read_bytes()
        load()
    except ssl.SSLError:
        raise OperatorError(
            f"{variable}={name}: holds no certificate in PEM form, or HFT_KAFKA_KEY is not its key"
        ) from None
    except OSError as error:
        raise OperatorError(f"{variable}={name}: cannot be read: {error.strerror}") from None


def _refuse_password() -> str:
    raise OperatorError("HFT_KAFKA_KEY: the key is encrypted: take one without a password, readable by this user only")


def choose(settings: Callable[[], Settings]) -> None:
    """For all clients of this process; the settings are read when the first of them is made."""
    kafka.choose(lambda: security(settings()))
