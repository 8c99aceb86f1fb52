"""The process that sends the phases: against an engine that only remembers what it was told, and against ours."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.messages import AdministrativeCommand, Halt, Instrument, NewOrder, Reply, Resume, SetPhase, Timer
from infra.errors import OperatorError
from infra.scheduler import Scheduler
from tests.engine.doors import AAPL, define, logged_in, open_engine


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


class Told:
    """The client's side of an engine: instruments with their phases, and the commands in their order."""

    def __init__(self, **calendars: str) -> None:
        self.instruments = [
            Instrument(
                symbol=symbol,
                instrument_id=number,
                tick_size="0.01",
                lot_size="1",
                price_min="1",
                price_max="2",
                maker_fee_ppm=0,
                taker_fee_ppm=0,
                currency="USD",
                description="",
                calendar=calendar,
                phase="continuous",
                seq=1,
                ts_ns=1,
            )
            for number, (symbol, calendar) in enumerate(calendars.items(), 1)
        ]
        self.commands: list[AdministrativeCommand] = []

    def connect(self) -> Any:
        return self

    def administer(self, command: AdministrativeCommand) -> Reply:
        self.commands.append(command)
        if isinstance(command, SetPhase):
            self.set_phase(command.symbol, command.phase)
        return Reply(outcome="accepted", seq=len(self.commands))

    def set_phase(self, symbol: str, phase: str) -> None:
        self.instruments = [
            msgspec.structs.replace(listed, phase=phase) if listed.symbol == symbol else listed
            for listed in self.instruments
        ]

    def taken(self) -> list[str]:
        commands, self.commands = self.commands, []
        return [f"{c.symbol} {c.phase}" if isinstance(c, SetPhase) else type(c).__name__ for c in commands]


def test_a_day() -> None:
    engine, scheduler = Told(IBM="XNYS", BTCUSD=""), Scheduler()

    def round(text: str) -> list[str]:
        scheduler.round(engine, at(f"2026-11-{text}"))  # type: ignore[arg-type]
        return engine.taken()

    assert round("27 17:00") == ["Timer", "IBM continuous", "BTCUSD continuous"]
    assert round("27 17:01") == []
    assert round("27 18:00") == ["Timer", "IBM closing_auction"]  # an early close
    assert round("27 18:05") == ["Timer", "IBM closed"]
    assert round("28 00:00") == ["Timer", "BTCUSD continuous"]
    assert round("29 00:00") == ["Timer", "BTCUSD continuous"]
    assert round("30 14:25") == ["Timer", "IBM opening_auction", "BTCUSD continuous"]
    # Started anew in the middle of it: the day goes on.
    scheduler = Scheduler()
    assert round("30 14:30") == ["Timer", "IBM continuous", "BTCUSD continuous"]


def test_the_timer_comes_before_the_end_of_the_day_moves() -> None:
    engine = Told(BTCUSD="")
    Scheduler().round(engine, at("2026-11-24 00:00"))  # type: ignore[arg-type]
    assert engine.commands == [
        Timer(),
        SetPhase(symbol="BTCUSD", phase="continuous", day_ends_ns=at("2026-11-25 00:00")),
    ]


def test_it_sleeps_no_longer_than_to_the_next_step() -> None:
    engine = Told(IBM="XNYS")
    scheduler = Scheduler()
    assert scheduler.round(engine, at("2026-11-24 17:00")) == 1.0  # type: ignore[arg-type]
    assert scheduler.round(engine, at("2026-11-24 21:00") - 250_000_000) == 0.25  # type: ignore[arg-type]


def test_an_instrument_of_an_unknown_calendar_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    engine = Told(IBM="NOPE", BTCUSD="")
    Scheduler().round(engine, at("2026-11-24 17:00"))  # type: ignore[arg-type]
    assert engine.taken() == ["Timer", "BTCUSD continuous"]
    assert "IBM has no trading hours" in caplog.text


def test_a_file_with_an_unknown_calendar_is_refused() -> None:
    with pytest.raises(OperatorError, match=r"^calendar NOPE: "):
        Scheduler().check("NOPE", at("2026-11-24 17:00"))


def test_the_engine_follows_the_day(tmp_path: Path) -> None:
    calendar = msgspec.structs.replace(AAPL, symbol="IBM", calendar="XNYS")
    with open_engine(tmp_path / "journal") as (_, address), logged_in(address) as client:
        define(client, "ann", "bob")
        assert client.administer(calendar).outcome == "accepted"
        scheduler = Scheduler()

        def phases(text: str) -> dict[str, str]:
            scheduler.round(client, at(f"2026-11-27 {text}"))
            return {listed.symbol: listed.phase for listed in client.connect().instruments}

        def enter(account: str, side: str) -> str | None:
            order = NewOrder(
                account=account,
                symbol="IBM",
                side=side,
                quantity=Decimal(5),
                limit_price=Decimal(100),
                time_in_force="gtc",
            )
            [reply] = client.submit([order])
            return reply.order_id

        assert phases("14:25") == {"AAPL": "continuous", "IBM": "opening_auction"}
        bought = enter("ann", "buy")
        assert enter("bob", "sell")
        state = client.status("ann", order_id=bought)
        assert state is not None
        assert state.order_status == "new"
        assert phases("14:30") == {"AAPL": "continuous", "IBM": "continuous"}
        state = client.status("ann", order_id=bought)
        assert state is not None
        assert state.order_status == "filled"
        client.administer(Halt(symbol="IBM"))
        assert phases("18:00")["IBM"] == "halted"
        client.administer(Resume(symbol="IBM"))
        assert phases("18:01")["IBM"] == "closing_auction"
        # Started anew it goes on where the day stands; from then on an operator's word holds until the next step.
        scheduler = Scheduler()
        assert phases("18:02")["IBM"] == "closing_auction"
        client.administer(SetPhase(symbol="IBM", phase="continuous"))
        assert phases("18:03")["IBM"] == "continuous"
        assert phases("18:05")["IBM"] == "closed"
