"""The gateway's certificate: whether it can be served with, and how this machine's own probes know it again."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from infra.errors import OperatorError
from infra.settings import Settings


class Certificate(NamedTuple):
    """PEM files that belong together."""

    chain: Path
    key: Path


def certificate(settings: Settings) -> Certificate | None:
    """None where TLS is off. Raises `OperatorError` that names the setting, where a file is not what it must be."""
    if not settings.tls_certificate:
        return None
    chain = _readable(settings.tls_certificate, "HFT_TLS_CERTIFICATE")
    key = _readable(settings.tls_key, "HFT_TLS_KEY")
    try:
        ssl.create_default_context(cafile=chain)
    except ssl.SSLError:
        raise OperatorError(f"HFT_TLS_CERTIFICATE={chain}: holds no certificate in PEM form") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(chain, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise OperatorError(f"HFT_TLS_KEY={key}: is not the key of HFT_TLS_CERTIFICATE={chain}") from None
        raise OperatorError(f"HFT_TLS_KEY={key}: holds no private key in PEM form") from None
    return Certificate(chain, key)


def _readable(name: str, setting: str) -> Path:
    path = Path(name)
    try:
        path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{setting}={name}: cannot be read: {error.strerror}") from None
    return path


def _refuse_password() -> str:
    """A server that starts by itself has nobody to ask."""
    raise OperatorError("HFT_TLS_KEY: the key is encrypted: take one without a password, readable by this user only")


def trust(settings: Settings) -> ssl.SSLContext | None:
    """For probes of our own gateway, by whatever address: whoever shows its certificate is it. None without TLS."""
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    # So that the gateway's certificate suffices, without that of whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=settings.tls_certificate)
    return context
