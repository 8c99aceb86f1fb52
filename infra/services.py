"""The table of our own processes: what each is called, when it stops, and how `hft run NAME` calls it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from engine import acks, kafka
from infra import alpaca_keys, confirmation, exposure, garbage, metrics, placement, quota, state, tls
from infra.errors import OperatorError
from infra.folders import Folders, folders
from infra.node import PAGE
from infra.process import Program
from infra.secrets import jwt_secret
from infra.settings import WORKERS_MOST, Settings

if TYPE_CHECKING:
    from gateway.options import Options
    from gateway.system import ProcessState

STAGE_SERVERS: Final = 0
STAGE_ENGINE: Final = 1
STAGE_STREAMS: Final = 2
STAGE_GATEWAY: Final = 3
STAGE_MARKET: Final = 4

COMPILE_LIMIT_S: Final = 900.0
"""The first start of the engine compiles the matcher: about a minute, or ten on a small machine that has more to do."""
COMPILE_NOTICE_S: Final = 3.0
"""An engine that is not ready after this long is compiling."""
MEGABYTE: Final = 1 << 20
WORKER: Final = "streams"
GATEWAY: Final = "gateway"
SEVERAL: Final = (WORKER, GATEWAY)
"""The services of which there may be several on one machine."""
HUGE_PAGES: Final = "NUMPY_MADVISE_HUGEPAGE"
"""NumPy reads it when it is imported: whether it asks for huge pages for arrays of 4 MiB and more."""


class Service(NamedTuple):
    module: str
    """Whose `run` it is."""
    stage: int
    arguments: Callable[[Settings, Folders], dict[str, Any]]
    start_limit_s: float = 120.0
    place: Callable[[Settings], None] = lambda settings: None
    """Called first in its process: where its memory lies."""


def _place_engine(settings: Settings) -> None:
    if settings.engine_numa_node:
        placement.bind_to_node(int(settings.engine_numa_node))
    if settings.lock_memory:
        placement.lock_memory()


def _secret(settings: Settings, where: Folders) -> str:
    return jwt_secret(settings.jwt_secret, where.secrets)


def _options(settings: Settings, where: Folders) -> Options:
    from gateway.options import Options

    return Options(
        engine_address=settings.zeromq,
        bootstrap=settings.bootstrap,
        dsn=settings.dsn,
        redis_url=settings.redis,
        secret=_secret(settings, where),
        page=PAGE / "dist",
        token_minutes=settings.token_minutes,
        session_hours=settings.session_hours,
        audit_folder=where.audit,
        name=numbered(settings.gateway_name, where.number),
        orders_per_second=settings.orders_per_second,
        requests_per_second=settings.requests_per_second,
        origins=settings.origins,
        processes=lambda: _processes(where),
    )


def _processes(where: Folders) -> list[ProcessState]:
    """What the launcher that started us knows of all processes."""
    from gateway.system import ProcessState

    found = state.read(where.run)
    return [
        ProcessState(
            name=service.name,
            state=service.state,
            pid=service.pid,
            started_ns=None if service.started_at is None else int(service.started_at * 1_000_000_000),
            restarts=service.restarts,
            detail=service.detail,
        )
        for service in (found.services if found else ())
    ]


def _processor(number: str, setting: str) -> int | None:
    """Raises `OperatorError` for a processor that this machine has not, or not for us."""
    if not number:
        return None
    there = os.sched_getaffinity(0)
    if int(number) not in there:
        raise OperatorError(f"{setting}={number}: the processors here are {', '.join(map(str, sorted(there)))}")
    return int(number)


def _quota(settings: Settings, part: Literal["journal", "tables"]) -> int:
    """Bytes; 0 without a quota. Raises `OperatorError`."""
    division = quota.division(settings)
    return 0 if division is None else int(getattr(division, part))


def _thresholds(settings: Settings) -> Any:
    from streams.alerts import PPM, Thresholds

    return Thresholds(
        limit_ppm=round(settings.alert_limit_percent * PPM / 100),
        drawdown_ppm=round(settings.alert_drawdown_percent * PPM / 100),
        stale_s=settings.alert_stale_seconds,
    )


SERVICES: Final[Mapping[str, Service]] = {
    "engine": Service(
        "engine.server",
        STAGE_ENGINE,
        lambda settings, where: {
            "address": settings.zeromq_bind,
            "journal": where.journal,
            "bootstrap": settings.bootstrap,
            "secret": _secret(settings, where),
            "instruments": settings.instruments,
            "max_orders": settings.max_orders,
            "market_data": settings.market_data_bind,
            "snapshot_seconds": settings.snapshot_seconds,
            "most_unpublished": settings.max_unpublished_mb * MEGABYTE,
            "busy_poll": settings.busy_poll,
            "secret_key": settings.zeromq_key,
            "signed_orders": settings.orders_topic == "signed",
            "cpu": _processor(settings.engine_cpu, "HFT_ENGINE_CPU"),
            "most_journal": _quota(settings, "journal"),
        },
        COMPILE_LIMIT_S,
        _place_engine,
    ),
    "publisher": Service(
        "engine.publisher",
        STAGE_STREAMS,
        lambda settings, where: {
            "journal": where.journal,
            "bootstrap": settings.bootstrap,
            "max_orders": settings.max_orders,
            "cpu": _processor(settings.publisher_cpu, "HFT_PUBLISHER_CPU"),
        },
        COMPILE_LIMIT_S,
    ),
    "schedule": Service(
        "infra.scheduler",
        STAGE_MARKET,
        lambda settings, where: {
            "engine_address": settings.zeromq,
            "secret": _secret(settings, where),
            "instruments": settings.instruments,
        },
    ),
    "streams": Service(
        "streams.app",
        STAGE_STREAMS,
        lambda settings, where: {
            "bootstrap": settings.bootstrap,
            "data": where.streams,
            "mark": settings.mark,
            "alerts": _thresholds(settings),
        },
    ),
    "sink-postgres": Service(
        "streams.sinks.postgres",
        STAGE_STREAMS,
        lambda settings, where: {
            "bootstrap": settings.bootstrap,
            "dsn": settings.dsn,
            "history_days": settings.history_days,
            "most_bytes": _quota(settings, "tables"),
        },
    ),
    "sink-redis": Service(
        "streams.sinks.redis",
        STAGE_STREAMS,
        lambda settings, where: {"bootstrap": settings.bootstrap, "url": settings.redis},
    ),
    "hashes": Service(
        "streams.hashes",
        STAGE_STREAMS,
        lambda settings, where: {"bootstrap": settings.bootstrap},
    ),
    "audit": Service(
        "streams.watcher",
        STAGE_STREAMS,
        lambda settings, where: {
            "bootstrap": settings.bootstrap,
            "dsn": settings.dsn,
            "redis_url": settings.redis,
            "engine_address": settings.zeromq,
            "secret": _secret(settings, where),
        },
    ),
    "gateway": Service(
        "gateway.app",
        STAGE_GATEWAY,
        lambda settings, where: {
            "host": settings.host,
            "port": settings.gateway_port + where.number - 1,
            "options": _options(settings, where),
            "certificate": tls.certificate(settings),
        },
    ),
    "market": Service(
        "streams.feeds.simulated",
        STAGE_MARKET,
        lambda settings, where: {
            "engine_address": settings.zeromq,
            "secret": _secret(settings, where),
            "instruments": settings.instruments,
            "seed": settings.market_seed,
            "rate": settings.market_rate,
        },
    ),
    "alpaca": Service(
        "streams.feeds.alpaca",
        STAGE_MARKET,
        lambda settings, where: {
            "engine_address": settings.zeromq,
            "secret": _secret(settings, where),
            "instruments": settings.instruments,
            "symbols": names(settings.alpaca_symbols),
            "feed": settings.alpaca_feed,
            "keys": alpaca_keys.needed(settings.alpaca_keys),
            "stream_url": settings.alpaca_stream_url,
            "data_url": settings.alpaca_data_url,
        },
    ),
    "venue": Service(
        "streams.venues.alpaca",
        STAGE_MARKET,
        lambda settings, where: {
            "engine_address": settings.zeromq,
            "secret": _secret(settings, where),
            "bootstrap": settings.bootstrap,
            "instruments": settings.instruments,
            "symbols": names(settings.alpaca_symbols),
            "accounts": names(settings.venue_accounts),
            "keys": alpaca_keys.needed(settings.alpaca_keys),
            "paper": settings.venue != "alpaca-live",
            "confirmed": confirmation.read(where.secrets),
            "trading_url": settings.alpaca_trading_url,
            "updates_url": settings.alpaca_updates_url,
        },
    ),
}


def names(listed: str) -> list[str]:
    """Of a setting that lists some, with commas."""
    return [name for text in listed.split(",") if (name := text.strip())]


def market(settings: Settings) -> tuple[str | None, str]:
    """The service that trades besides the users, None for none; and what is to be said of it. Raises `OperatorError`
    where there are keys that cannot be used."""
    if settings.market == "none":
        return None, ""
    if settings.market == "simulated":
        return "market", ""
    if alpaca_keys.read(settings.alpaca_keys) is None:
        return "market", f"the market is simulated: {alpaca_keys.WHERE}"
    return "alpaca", ""


def venue(settings: Settings, where: Folders) -> tuple[str | None, str]:
    """The service that routes orders, None for none; and what is to be said of it. Raises `OperatorError` where they
    cannot be routed as the settings have it."""
    if settings.venue == "none":
        return None, ""
    if settings.market == "simulated":
        raise OperatorError(
            f"HFT_VENUE={settings.venue} needs HFT_MARKET=alpaca or none: the simulated market has no part in Alpaca's"
        )
    if alpaca_keys.read(settings.alpaca_keys) is None:
        return None, f"orders are not routed, all is simulated: {alpaca_keys.WHERE}"
    if settings.venue == "alpaca-live" and not confirmation.read(where.secrets):
        raise OperatorError("HFT_VENUE=alpaca-live trades with real money: hft venue confirm-live asks for your word")
    return "venue", ""


def numbered(name: str, number: int) -> str:
    """`streams`, `streams-2`, …"""
    return name if number == 1 else f"{name}-{number}"


def workers(settings: Settings) -> list[str]:
    """The names of the Faust workers."""
    return [numbered(WORKER, number) for number in range(1, settings.streams_workers + 1)]


def gateways(settings: Settings) -> list[str]:
    """The names of the gateways, in the order of `Settings.gateways`."""
    return [numbered(GATEWAY, number) for number in range(1, settings.gateway_replicas + 1)]


def find(name: str) -> tuple[Service, int]:
    """The service, and which of several of it, from 1 on. Raises `OperatorError` where there is no such service."""
    if name in SERVICES:
        return SERVICES[name], 1
    base, _, number = name.rpartition("-")
    if base in SEVERAL and number.isdecimal() and int(number) > 1:
        return SERVICES[base], int(number)
    further = " and ".join(f"{base}-2" for base in SEVERAL)
    raise OperatorError(f"there is no service {name}: there are {', '.join(SERVICES)}, and {further} and on")


def metrics_port(name: str, settings: Settings) -> int:
    """Where the service tells its metrics: `HFT_METRICS_PORT` and its place in the table above, further workers behind
    it, further gateways behind as many of these as there may be; 0: anywhere. Raises `OperatorError` where there is no
    such service."""
    service, number = find(name)
    if settings.metrics_port == 0:
        return 0
    if number == 1:
        return settings.metrics_port + list(SERVICES.values()).index(service)
    first = len(SERVICES) + (WORKERS_MOST - 1 if service is SERVICES[GATEWAY] else 0)
    return settings.metrics_port + first + number - 2


def run(name: str, settings: Settings, ready: Callable[[], None]) -> None:
    """Runs a service in this process until it is told to stop. Only its own modules are imported."""
    exposure.check(settings)
    acks.choose(settings.acks)
    kafka.security()  # what is wrong with it is said now
    service, number = find(name)
    service.place(settings)
    where = folders(settings.var, number)
    metrics.serve(name, settings.metrics_host, metrics_port(name, settings), where.metrics)
    arguments = service.arguments(settings, where)
    import_module(service.module).run(**arguments, ready=garbage.rarely(ready))


def program(name: str, settings: Settings, where: Folders) -> Program:
    """The service as a child of the launcher."""
    mark = where.mark(name)

    def forget() -> None:
        mark.unlink(missing_ok=True)

    return Program(
        name=name,
        command=(sys.executable, "-m", "infra.cli", "run", name, "--ready-file", str(mark)),
        log=where.log(name),
        environment={**settings.environment(), HUGE_PAGES: str(int(settings.huge_pages))},
        prepare=forget,
        probe=mark.exists,
        start_limit_s=find(name)[0].start_limit_s,
    )
