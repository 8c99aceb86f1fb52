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
NOTICE_S: Final = 30.0
"""How often it is said what is waited for."""

Say = Callable[[str], None]


def without_password(url: str) -> str:
    """A DSN or URL that may be shown."""
    if "://" not in url:
        return " ".join(word for word in url.split() if not word.lower().startswith("password"))
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = (parts.username or "") + "@" if parts.username else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))


def _silent(text: str) -> None:
    """For who does not wait long."""


def require_kafka(bootstrap: str, wait_s: float | None = None, say: Say = _silent) -> None:
    """Waits for it. Raises `OperatorError` where nobody answers; so do the two below."""
    probe = kafka.Probe(bootstrap, PROBE_S)
    what = f"Kafka at {bootstrap}"
    _require(probe, what, "HFT_KAFKA_BOOTSTRAP", lambda: probe.refusal or _hangs_up(bootstrap), wait_s, say)


def _hangs_up(bootstrap: str) -> str:
    """What is to be said where somebody listens there who does not speak our protocol; all that he does is hang up."""
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PROBE_S).close()
    except (OSError, ValueError):
        return ""
    return f"it hangs up on {security()}: HFT_KAFKA_SECURITY_PROTOCOL is to be what that port speaks"


def require_postgres(dsn: str, wait_s: float | None = None, say: Say = _silent) -> None:
    probe = postgres.Probe(dsn)
    _require(probe, f"Postgres at {without_password(dsn)}", "HFT_POSTGRES_DSN", lambda: probe.refusal, wait_s, say)


def require_redis(url: str, wait_s: float | None = None, say: Say = _silent) -> None:
    probe = redis.Probe(url)
    _require(probe, f"Redis at {without_password(url)}", "HFT_REDIS_URL", lambda: probe.refusal, wait_s, say)


def _require(
    probe: Callable[[], bool], what: str, setting: str, refusal: Callable[[], str], wait_s: float | None, say: Say
) -> None:
    """`refusal`: why the server does not take us, where it said so at the last try. One that has just started may not
    know its users yet."""
    begun = told = time.monotonic()
    patience_s = PATIENCE_S if wait_s is None else wait_s
    while True:
        try:
            if probe():
                return
        except ValueError as error:
            raise OperatorError(f"{what}: {error}: set {setting}") from None
        now = time.monotonic()
        if now - begun > patience_s:
            raise _away(what, setting, refusal())
        if now - told > NOTICE_S:
            say(f"waiting: {_away(what, setting, refusal())}")
            told = now
        time.sleep(0.2)


def _away(what: str, setting: str, refusal: str) -> OperatorError:
    if refusal:
        return OperatorError(f"{what} refuses us: {refusal} (docs/security.md)")
    return OperatorError(f"{what} does not answer: start it, or set {setting} (empty starts our own)")


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
