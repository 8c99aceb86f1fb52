"""Whether the servers answer: those of others before we use them, and all of them for `hft status`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from engine.kafka import security
from infra import kafka, postgres, redis, tls
from infra.errors import OperatorError
from infra.services import gateways
from infra.settings import Settings

PATIENCE_S: Final = 10.0
"""How long a server of somebody else's may take to answer, where nobody says how long to wait for it."""
PROBE_S: Final = 2.0


def without_password(url: str) -> str:
    """A DSN or URL that may be shown."""
    if "://" not in url:
        return " ".join(word for word in url.split() if not word.lower().startswith("password"))
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = (parts.username or "") + "@" if parts.username else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))


def require_kafka(bootstrap: str, wait_s: float | None = None) -> None:
    """Waits for it. Raises `OperatorError` where nobody answers; so do the two below."""
    probe = kafka.Probe(bootstrap, PROBE_S)
    what = f"Kafka at {bootstrap}"
    _require(probe, what, "HFT_KAFKA_BOOTSTRAP", lambda: probe.refusal or _hangs_up(bootstrap), wait_s)


def _hangs_up(bootstrap: str) -> str:
    """What is to be said where somebody listens there who does not speak our protocol; all that he does is hang up."""
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_S).close()
    except (OSError, ValueError):
        return ""
    return f"it hangs up on {security()}: HFT_KAFKA_SECURITY_PROTOCOL is to be what that port speaks"


def require_postgres(dsn: str, wait_s: float | None = None) -> None:
    probe = postgres.Probe(dsn)
    _require(probe, f"Postgres at {without_password(dsn)}", "HFT_POSTGRES_DSN", lambda: probe.refusal, wait_s)


def require_redis(url: str, wait_s: float | None = None) -> None:
    probe = redis.Probe(url)
    _require(probe, f"Redis at {without_password(url)}", "HFT_REDIS_URL", lambda: probe.refusal, wait_s)


def _require(
    probe: Callable[[], bool], what: str, setting: str, refusal: Callable[[], str], wait_s: float | None
) -> None:
    """`refusal`: why the server does not take us, where it said so at the last try. One that has just started may not
    know its users yet."""
    limit = time.monotonic() + (PATIENCE_S if wait_s is None else wait_s)
    while True:
        try:
            if probe():
                return
        except ValueError as error:
            raise OperatorError(f"{what}: {error}: set {setting}") from None
        if time.monotonic() > limit:
            if said := refusal():
                raise OperatorError(f"{what} refuses us: {said} (docs/security.md)")
            raise OperatorError(f"{what} does not answer: start it, or set {setting} (empty starts our own)")
        time.sleep(0.2)


def gateway_answers(address: str, settings: Settings) -> bool:
    try:
        with urlopen(f"{address}/healthz", timeout=PROBE_S, context=tls.trust(settings)) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def probes(settings: Settings) -> dict[str, Callable[[], bool]]:
    """For each service that has a door, whether it answers there now."""
    return {
        "kafka": kafka.Probe(settings.bootstrap, PROBE_S),
        "postgres": postgres.Probe(settings.dsn),
        "redis": redis.Probe(settings.redis),
        **{
            name: partial(gateway_answers, address, settings)
            for name, address in zip(gateways(settings), settings.gateways, strict=True)
        },
    }
