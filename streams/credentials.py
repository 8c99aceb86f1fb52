"""What Faust is told of the security that `engine/kafka.py` has for every other client."""

from __future__ import annotations

import ssl

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from engine.kafka import Security


def credentials(security: Security) -> Credentials | None:
    """None without security. Raises `OSError` where a certificate cannot be read."""
    if not (security.is_encrypted or security.has_login):
        return None
    context = _context(security) if security.is_encrypted else None
    if not security.has_login:
        return SSLCredentials(context)
    return SASLCredentials(
        username=security.username, password=security.password, mechanism=security.mechanism, ssl_context=context
    )


def _context(security: Security) -> ssl.SSLContext:
    """The brokers' certificates are checked, and that they are of the hosts we connect to, as librdkafka does."""
    context = ssl.create_default_context(cafile=security.ca_file or None)
    if security.certificate:
        context.load_cert_chain(security.certificate, security.key)
    return context
