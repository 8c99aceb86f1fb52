"""A gateway beside the whole system's, and names that no other test uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from engine.client import Client
from engine.messages import DefineAccount, DefineInstrument
from gateway.channels import BOOK
from tests.gateway.running import Running, eventually, running
from tests.system import System

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def gateway(system: System) -> Iterator[Running]:
    with running(system) as gateway:
        yield gateway.wait_ready()


@pytest.fixture(scope="session")
def engine(system: System) -> Iterator[Client]:
    """A session with the engine that may do everything."""
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        yield client


def open_account(engine: Client, gateway: Running) -> str:
    name = f"gateway-{next(numbers)}"
    assert engine.administer(DefineAccount(account=name, deposit=Decimal(1_000_000))).outcome == "accepted"
    eventually(lambda: name in gateway.gateway.hub.state.accounts)
    return name


@pytest.fixture
def account(engine: Client, gateway: Running) -> str:
    """A new account with 1,000,000 USD."""
    return open_account(engine, gateway)


@pytest.fixture
def other(engine: Client, gateway: Running) -> str:
    """Another new account."""
    return open_account(engine, gateway)


def define(engine: Client, symbol: str) -> str:
    """A new instrument: ticks of 0.01, lots of 1, prices from 1 to 2000."""
    instrument = DefineInstrument(
        symbol=symbol,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        price_min=Decimal(1),
        price_max=Decimal(2000),
        maker_fee_ppm=-20,
        taker_fee_ppm=30,
    )
    assert engine.administer(instrument).outcome == "accepted"
    return symbol


@pytest.fixture
def symbol(engine: Client, gateway: Running) -> str:
    """A new instrument that the gateway knows, with its book."""
    name = define(engine, f"GW{next(numbers)}")
    state = gateway.gateway.hub.state
    eventually(lambda: name in state.instruments and name in state.latest[BOOK.name])
    return name


@pytest.fixture
def trader(gateway: Running, account: str) -> Iterator[httpx.Client]:
    """Logged in as a trader with `account`."""
    with gateway.client(account) as client:
        yield client


@pytest.fixture
def counterparty(gateway: Running, other: str) -> Iterator[httpx.Client]:
    """Logged in as a trader with `other`."""
    with gateway.client(other) as client:
        yield client
