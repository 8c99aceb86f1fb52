"""A gateway to measure, with the real parts behind it, and an account that trades through it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from engine.client import Client
from engine.messages import DefineAccount
from engine.tokens import Identity, issue
from infra.bench.sandbox import TOKEN_SECONDS, Sandbox, sandbox
from infra.migrations import migrate
from infra.process import Process, Program
from infra.services import program

MONEY = Decimal(1_000_000_000)


@contextmanager
def gateway_place(accounts: list[str]) -> Iterator[tuple[Sandbox, Process]]:
    """Kafka, Postgres, Redis, the engine and one gateway; no publisher yet. The process is the gateway's."""
    limits = {"orders_per_second": 1_000_000, "requests_per_second": 1_000_000}
    with sandbox(kafka=True, postgres=True, redis=True, **limits) as place:
        migrate(place.settings.dsn)
        place.start(program("engine", place.settings, place.folders))
        with Client(place.settings.zeromq, token(place, "*", role="service"), timeout_s=60.0) as client:
            for account in accounts:
                client.administer(DefineAccount(account=account, deposit=MONEY))
        yield place, place.start(program("gateway", place.settings, place.folders))


def token(place: Sandbox, *accounts: str, role: str = "trader") -> str:
    identity = Identity("bench", role, accounts)
    return issue(place.settings.jwt_secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_SECONDS)


def bare_route(place: Sandbox, port: int) -> Process:
    mark = place.folders.mark("bare")
    return place.start(
        Program(
            name="bare route",
            command=(sys.executable, "-m", "infra.bench.bare_route", str(port), str(mark)),
            log=place.folders.log("bare"),
            environment=place.settings.environment(),
            probe=mark.exists,
        )
    )
