"""What an account may do in instruments of another currency, in both engines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from compare import Answer, answer, difference
from order_flow import Batch

from engine.core import Core
from engine.layout import COMMAND
from engine.messages import AdministrativeCommand, DefineAccount, DefineInstrument, Limits
from engine.reference import Reference
from engine.words import CommandType, OrderType, Outcome, Reason, Side, TimeInForce

HOME, ABROAD = 1, 2
FREE, CHECKED = 1, 2


class Both:
    """The compiled engine and its slow twin, on one exchange with an instrument at home and one abroad."""

    def __init__(self) -> None:
        self.engines: tuple[Any, ...] = (Core(max_orders=20), Reference(max_orders=20))
        self.seq = 0
        for symbol, currency in (("USA", "USD"), ("EUR", "EUR")):
            self.do(
                DefineInstrument(
                    symbol=symbol,
                    tick_size=Decimal("0.01"),
                    lot_size=Decimal(1),
                    price_min=Decimal(1),
                    price_max=Decimal(20),
                    currency=currency,
                )
            )
        self.do(DefineAccount(account="free", deposit=Decimal(1000)))
        self.do(DefineAccount(account="checked", deposit=Decimal(1000), margin_multiple=Decimal(2)))

    def _run(self, batch: Batch) -> Answer:
        got, wanted = (answer(engine, batch, instruments=2, accounts=2, state=self.seq > 4) for engine in self.engines)
        assert difference(got, wanted, batch) is None, difference(got, wanted, batch)
        return got

    def do(self, command: AdministrativeCommand) -> tuple[int, int]:
        """Outcome and reason."""
        self.seq += 1
        [reply] = self._run(Batch(self.seq, self.seq, np.zeros(0, COMMAND), command)).replies
        return int(reply["outcome"]), int(reply["reason"])

    def order(self, account: int, instrument: int, side: Side, quantity: int) -> tuple[int, int]:
        self.seq += 1
        record = np.zeros(1, COMMAND)
        for name, value in {
            "seq": self.seq,
            "ts_ns": self.seq,
            "type": CommandType.NEW,
            "account": account,
            "instrument": instrument,
            "side": side,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "quantity": quantity,
            "limit_price": 1000,
            "client_order_id": f"o{self.seq}".encode(),
        }.items():
            record[name] = value
        [reply] = self._run(Batch(self.seq, self.seq, record)).replies
        return int(reply["outcome"]), int(reply["reason"])


@pytest.fixture
def both() -> Both:
    return Both()


TAKEN = (int(Outcome.ACCEPTED), int(Reason.NONE))
NO_POSITION = (int(Outcome.REJECTED), int(Reason.POSITION_LIMIT))
NOT_SET = (int(Outcome.REJECTED), int(Reason.INVALID_FIELD))


def test_where_buying_power_is_checked_no_position_is_opened_abroad(both: Both) -> None:
    assert both.order(CHECKED, HOME, Side.BUY, 5) == TAKEN
    for side in (Side.BUY, Side.SELL):
        assert both.order(CHECKED, ABROAD, side, 1) == NO_POSITION
    assert both.do(Limits(account="checked", symbol="EUR", max_long=Decimal(100))) == TAKEN
    assert both.order(CHECKED, ABROAD, Side.BUY, 1) == NO_POSITION
    # Where it is not checked any more, the account's own limits hold.
    assert both.do(Limits(account="checked", margin_multiple=Decimal(0))) == TAKEN
    assert both.order(CHECKED, ABROAD, Side.BUY, 101) == NO_POSITION
    assert both.order(CHECKED, ABROAD, Side.BUY, 100) == TAKEN


def test_where_it_is_not_checked_every_currency_is_taken(both: Both) -> None:
    assert both.order(FREE, ABROAD, Side.BUY, 5) == TAKEN
    assert both.order(FREE, HOME, Side.SELL, 5) == TAKEN


def test_buying_power_of_an_account_that_was_abroad_is_not_checked(both: Both) -> None:
    assert both.do(Limits(account="free", margin_multiple=Decimal(1))) == TAKEN
    assert both.do(Limits(account="free", margin_multiple=Decimal(0))) == TAKEN
    assert both.order(FREE, ABROAD, Side.BUY, 5) == TAKEN
    assert both.do(Limits(account="free", margin_multiple=Decimal(1))) == NOT_SET
