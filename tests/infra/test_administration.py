"""The operator's commands, on the whole system: each says in one line what it changed, or what was wrong."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import msgspec
import pytest

from engine.client import Client
from engine.messages import Account, DefineInstrument, NewOrder, SymbolLimits
from engine.words import Phase, SelfTrade, SelfTradeScope
from infra.administration import PHASES, SCOPES, WORDS, described
from tests.gateway.running import eventually
from tests.system import System

NO_LIMITS = SymbolLimits(
    symbol=None,
    max_order_quantity=None,
    max_order_notional=None,
    max_open_orders=None,
    max_long=None,
    max_short=None,
    price_collar_ppm=None,
)


def account(**changes: object) -> Account:
    fields: dict[str, object] = {
        "account": "ann",
        "account_id": 1,
        "currency": "USD",
        "deposits": "1000.00",
        "firm": None,
        "margin_multiple": None,
        "self_trade_prevention": "none",
        "self_trade_scope": "account",
        "messages_per_second": None,
        "message_burst": None,
        "maker_fee_ppm": None,
        "taker_fee_ppm": None,
        "killed": False,
        "limits": [],
        "seq": 1,
        "ts_ns": 1,
    }
    return Account(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_words_are_the_engines() -> None:
    assert set(WORDS) == set(SelfTrade.words())
    assert set(SCOPES) == set(SelfTradeScope.words())
    assert {*PHASES, "halted"} == set(Phase.words())


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (account(), "ann: deposits 1000.00 USD; buying power unchecked; self-trade none by account; kill switch off"),
        (
            account(firm="acme", margin_multiple="4", self_trade_scope="firm", killed=True),
            "ann: deposits 1000.00 USD; buying power 4 × equity; self-trade none by firm; firm acme; kill switch on",
        ),
        (
            account(
                messages_per_second=10,
                message_burst=20,
                maker_fee_ppm=-20,
                limits=[
                    msgspec.structs.replace(NO_LIMITS, max_long="5"),
                    msgspec.structs.replace(NO_LIMITS, symbol="IBM", max_open_orders=0),
                ],
            ),
            "ann: deposits 1000.00 USD; buying power unchecked; self-trade none by account; 10 messages/s, at most 20 "
            "at once; maker fee -20 ppm, taker fee the instrument's; every symbol max_long 5; IBM max_open_orders 0; "
            "kill switch off",
        ),
    ],
)
def test_an_account_in_one_line(shown: Account, text: str) -> None:
    assert described(shown) == text


def hft(system: System, *arguments: str) -> tuple[int, str]:
    """The exit code, and the one line that was said."""
    answer = subprocess.run(
        (sys.executable, "-m", "infra.cli", *arguments),
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = answer.stdout + answer.stderr
    assert said.count("\n") == 1, said
    return answer.returncode, said.rstrip()


@pytest.fixture(scope="module")
def client(system: System) -> Client:
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        yield client  # type: ignore[misc]


@pytest.mark.integration
def test_a_day_at_the_desk(system: System, client: Client) -> None:
    def done(*arguments: str) -> str:
        code, said = hft(system, *arguments)
        assert code == 0, said
        text, _, number = said.rpartition(" (command ")
        assert number.removesuffix(")").isdigit(), said
        return text

    def refused(*arguments: str) -> str:
        code, said = hft(system, *arguments)
        assert code == 1, said
        return said

    symbol = "DESK"
    client.administer(
        DefineInstrument(
            symbol=symbol,
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            price_min=Decimal(1),
            price_max=Decimal(2000),
        )
    )
    opened = done("account", "create", "desk", "--deposit", "1000", "--margin", "2")
    assert opened == "account desk opened: 1000 USD, buying power 2 × equity"
    assert refused("account", "create", "desk") == (
        "hft: account desk exists already: hft limits and hft account deposit change it"
    )
    assert done("account", "deposit", "desk", "500.5") == "account desk: 500.5 paid in"
    assert done("account", "deposit", "desk", "-200") == "account desk: 200 paid out"
    assert "amount" in refused("account", "deposit", "desk", "-5000")
    assert refused("account", "deposit", "nobody", "1") == "hft: the engine refused it: no account has this name"
    said = done("limits", "desk", "--symbol", symbol, "--max-long", "10", "--max-open-orders", "2")
    assert said == f"limits of desk in {symbol}: max_long 10, max_open_orders 2"
    assert done("limits", "desk", "--max-short", "none") == "limits of desk in every symbol: max_short none"
    assert done("fees", "desk", "--taker", "5") == "desk: maker fee the instrument's, taker fee 5 ppm"

    def shows(text: str) -> bool:
        code, shown = hft(system, "account", "show", "desk")
        return code == 0 and text in shown

    eventually(lambda: shows("deposits 1300.5"))
    eventually(lambda: shows(f"{symbol} max_open_orders 2, max_long 10"))
    assert refused("account", "show", "nobody") == "hft: there is no account nobody"

    client.connect()

    def enter() -> str | None:
        order = NewOrder(account="desk", symbol=symbol, side="buy", quantity=Decimal(1), limit_price=Decimal(5))
        [reply] = client.submit([order])
        return reply.reason

    assert done("halt", symbol) == f"{symbol} halted"
    assert enter() == "halted"
    assert done("resume", symbol) == f"{symbol} resumed"
    assert done("session", symbol, "closed") == f"{symbol}: closed"
    assert enter() == "market_closed"
    assert done("session", symbol, "continuous") == f"{symbol}: continuous"
    assert refused("halt", "NOPE") == "hft: the engine refused it: no instrument has this symbol"
    assert enter() is None
    assert done("kill", "desk") == "kill switch of desk on: 1 orders canceled"
    assert enter() == "kill_switch"
    assert done("kill", "desk", "--off") == "kill switch of desk off"
    assert enter() is None
    assert done("kill", "--all").startswith("kill switch of every account on: ")
    assert enter() == "kill_switch"
    assert done("kill", "--all", "--off") == "kill switch of every account off"
