"""Which ports are wanted by whom, and whether they can be had."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from typing import NamedTuple

import psutil

from infra.errors import OperatorError
from infra.settings import Settings


class Wanted(NamedTuple):
    host: str
    port: int
    who: str
    setting: str


def wanted_ports(settings: Settings) -> list[Wanted]:
    """The ports that this configuration listens on."""
    wanted = []
    if not settings.kafka_bootstrap:
        wanted.append(Wanted("127.0.0.1", settings.kafka_port, "Kafka", "HFT_KAFKA_PORT"))
        wanted.append(Wanted("127.0.0.1", settings.kafka_port + 1, "Kafka's controller", "HFT_KAFKA_PORT"))
    if not settings.postgres_dsn:
        wanted.append(Wanted("127.0.0.1", settings.postgres_port, "Postgres", "HFT_POSTGRES_PORT"))
    if not settings.redis_url:
        wanted.append(Wanted("127.0.0.1", settings.redis_port, "Redis", "HFT_REDIS_PORT"))
    wanted.append(Wanted(settings.host, settings.zeromq_port, "the engine", "HFT_ZEROMQ_PORT"))
    wanted.append(Wanted(settings.host, settings.market_data_port, "the market data", "HFT_MARKET_DATA_PORT"))
    for further in range(settings.gateway_replicas):
        who = f"gateway {further + 1}" if further else "the gateway"
        wanted.append(Wanted(settings.host, settings.gateway_port + further, who, "HFT_GATEWAY_PORT"))
    if settings.metrics_port:
        from infra.services import SERVICES, gateways, metrics_port, workers  # more than who wants a port only needs

        for name in (*SERVICES, *workers(settings)[1:], *gateways(settings)[1:]):
            port = metrics_port(name, settings)
            wanted.append(Wanted(settings.metrics_host, port, f"the metrics of {name}", "HFT_METRICS_PORT"))
    return wanted


def check(wanted: Iterable[Wanted]) -> None:
    """Raises `OperatorError` for the first that is wanted twice or cannot be bound."""
    wanted = list(wanted)
    check_distinct(wanted)
    for want in wanted:
        check_free(want)


def check_distinct(wanted: Iterable[Wanted]) -> None:
    seen: dict[int, Wanted] = {}
    for want in wanted:
        if want.port > 65535:
            raise OperatorError(f"{want.port} is no port ({want.who}): set {want.setting}")
        if want.port in seen:
            other = seen[want.port]
            raise OperatorError(f"port {want.port} is wanted by {other.who} and {want.who}: set {want.setting}")
        seen[want.port] = want


def check_free(want: Wanted) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            # As the servers do: a port that a closed connection still lingers on is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except socket.gaierror:
        raise OperatorError(f"{want.host} is no address: set HFT_HOST") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OperatorError(
                f"port {want.port} is taken{_holder(want.port)}; {want.who} wants it: set {want.setting}"
            ) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise OperatorError(f"{want.host} is not an address of this machine: set HFT_HOST") from None
        raise OperatorError(f"port {want.port} for {want.who}: {error.strerror}: set {want.setting}") from None


def _holder(port: int) -> str:
    """Who listens there, where we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""


def free_ports(count: int, host: str = "127.0.0.1", *, pairs: bool = False) -> list[int]:
    """`count` ports that are free now; with `pairs`, the one after each is free too. For tests.

    They lie below those that the kernel gives to outgoing connections, so that none of these takes one meanwhile."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = random.SystemRandom().randrange(10_000, 32_000)
            try:
                for number in (port, port + 1) if pairs else (port,):
                    held.enter_context(socket.socket()).bind((host, number))
            except OSError:
                continue
            found.append(port)
    return found
