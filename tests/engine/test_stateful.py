"""Hypothesis looks for the shortest sequence of commands that tells the engine and its reference apart.

`HFT_STATEFUL_STEPS` says how many commands it tries."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any, Final

import small_exchange
from compare import compare_batch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from new_orders import SPOILED
from order_flow import Batch, records
from reference_invariants import check_state
from small_exchange import PRICES, SYMBOLS
from twins import twins

from engine.messages import AdministrativeCommand, Fees, Halt, Kill, Limits, Resume, SetPhase, Timer
from engine.words import LIST_SHIFT, CommandType, Flag, ListType, OrderType, SelfTrade, Side, TimeInForce

STEPS: Final = int(os.environ.get("HFT_STATEFUL_STEPS", "4000"))
STEPS_OF_AN_EXAMPLE: Final = 40
SECOND: Final = 10**9

accounts = st.integers(1, len(small_exchange.ACCOUNTS))
names = st.sampled_from([account.account for account in small_exchange.ACCOUNTS])
instruments = st.integers(1, 2)
symbols = st.sampled_from(SYMBOLS[:2])
sides = st.sampled_from([int(Side.BUY), int(Side.SELL)])
quantities = st.integers(1, 9)
times = st.sampled_from([int(word) for word in TimeInForce])
types = st.sampled_from([int(word) for word in OrderType])
rules = st.sampled_from([0, 0, *(int(word) for word in SelfTrade)])
places = st.integers(0, 3)
flags = st.sampled_from([0, 0, 0, int(Flag.POST_ONLY), int(Flag.REDUCE_ONLY), int(Flag.TRAIL_PERCENT)])


def terms(instrument: int, order_type: int, time_in_force: int, place: int, near: int, ts_ns: int) -> dict[str, int]:
    """The fields that go with a type and a time in force; `place` and `near` choose among few prices."""
    prices = PRICES[instrument - 1]
    fields = {"order_type": order_type, "time_in_force": time_in_force}
    if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        fields["limit_price"] = prices[place]
    if order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        fields["stop_price"] = prices[near]
    if order_type == OrderType.TRAILING_STOP:
        fields["trail"] = 1 + near
    if time_in_force == TimeInForce.GTD:
        fields["expires_ns"] = ts_ns + (1 + near) * SECOND
    return fields


class Twins(RuleBasedStateMachine):
    """Both engines side by side, with room for few orders; orders are named by their place among the last ones."""

    @initialize(max_orders=st.integers(2, 9), more_ids=st.integers(1, 8))
    def open(self, max_orders: int, more_ids: int) -> None:
        self.fast, self.slow, self.seq = twins(max_orders=max_orders, max_client_ids=max_orders + more_ids)
        self.ts_ns = SECOND
        self.sent: list[dict[str, Any]] = []

    def put(self, *rows: dict[str, Any]) -> None:
        """The rows, stamped, as one batch."""
        stamped = [row | {"seq": self.seq + k, "ts_ns": self.ts_ns, "source_offset": -1} for k, row in enumerate(rows)]
        self.compare(Batch(self.seq, self.ts_ns, records(stamped)))
        self.seq += len(rows)

    def administer(self, command: AdministrativeCommand) -> None:
        self.compare(Batch(self.seq, self.ts_ns, records([]), command))
        self.seq += 1

    def compare(self, batch: Batch) -> None:
        found = compare_batch(self.fast, self.slow, batch)
        assert found is None, found

    # ------------------------------------------------------------------------------------------------ orders

    @rule(
        account=accounts, instrument=instruments, side=sides, order_type=types, time_in_force=times,
        quantity=quantities, place=places, near=places, flags=flags, prevention=rules, show=st.integers(0, 2),
    )  # fmt: skip
    def new(
        self, account: int, instrument: int, side: int, order_type: int, time_in_force: int, quantity: int,
        place: int, near: int, flags: int, prevention: int, show: int,
    ) -> None:  # fmt: skip
        row = {
            "type": int(CommandType.NEW),
            "account": account,
            "instrument": instrument,
            "side": side,
            "quantity": quantity,
            "flags": flags,
            "self_trade_prevention": prevention,
            "client_order_id": b"order-%d" % self.seq,
            "display_quantity": show if order_type == OrderType.LIMIT else 0,
        } | terms(instrument, order_type, time_in_force, place, near, self.ts_ns)
        self.sent.append(row | {"seq": self.seq})
        self.put(row)

    @rule(
        kind=st.sampled_from(list(ListType)), account=accounts, side=sides, quantity=quantities, place=places,
        near=places, types=st.lists(types, min_size=3, max_size=3), plain=st.booleans(), market=st.booleans(),
    )  # fmt: skip
    def order_list(
        self, kind: ListType, account: int, side: int, quantity: int, place: int, near: int, types: list[int],
        plain: bool, market: bool,
    ) -> None:  # fmt: skip
        """`plain`: of types that make such a list."""
        other = side if kind == ListType.OCO else 3 - side
        if plain:
            types = [int(OrderType.MARKET if market and kind != ListType.OCO else OrderType.LIMIT)] * 2
            types.append(int(OrderType.STOP))
            types[1] = int(OrderType.LIMIT if kind == ListType.BRACKET else OrderType.STOP)
        rows = []
        for leg in range(3 if kind == ListType.BRACKET else 2):
            row = {
                "type": int(CommandType.NEW),
                "account": account,
                "instrument": 1,
                "side": other if leg else side,
                "quantity": quantity,
                "flags": kind << LIST_SHIFT,
                "client_order_id": b"leg-%d-%d" % (self.seq, leg),
            }
            rows.append(row | terms(1, types[leg], TimeInForce.GTC, place, near, self.ts_ns))
        self.sent += [row | {"seq": self.seq + leg} for leg, row in enumerate(rows)]
        self.put(*rows)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 12), quantity=quantities, changed=st.booleans())
    def repeat(self, back: int, quantity: int, changed: bool) -> None:
        row = dict(self._earlier(back))
        del row["seq"]
        if changed:
            row["quantity"] = quantity
        self.put(row)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 12), by_number=st.booleans(), account=st.none() | accounts)
    def cancel(self, back: int, by_number: bool, account: int | None) -> None:
        self.put({"type": int(CommandType.CANCEL)} | self._names(back, by_number, account))

    @precondition(lambda self: self.sent)
    @rule(
        back=st.integers(1, 12),
        by_number=st.booleans(),
        quantity=st.integers(0, 12),
        place=st.none() | places,
        near=st.none() | places,
    )
    def replace(self, back: int, by_number: bool, quantity: int, place: int | None, near: int | None) -> None:
        prices = PRICES[self._earlier(back)["instrument"] - 1]
        self.put(
            {
                "type": int(CommandType.REPLACE),
                "quantity": quantity,
                "limit_price": 0 if place is None else prices[place],
                "stop_price": 0 if near is None else prices[near],
            }
            | self._names(back, by_number, None)
        )

    @rule(account=accounts, instrument=st.integers(0, 2), side=st.integers(0, 2), flags=st.sampled_from([0, 8]))
    def cancel_all(self, account: int, instrument: int, side: int, flags: int) -> None:
        kind = int(CommandType.CANCEL_ALL)
        self.put({"type": kind, "account": account, "instrument": instrument, "side": side, "flags": flags})

    @rule(spoiled=st.sampled_from(SPOILED))
    def wrong(self, spoiled: tuple[str, Any]) -> None:
        row = {
            "type": int(CommandType.NEW),
            "account": 1,
            "instrument": 1,
            "side": int(Side.BUY),
            "quantity": 1,
            "client_order_id": b"order-%d" % self.seq,
        } | terms(1, OrderType.LIMIT, TimeInForce.DAY, 1, 1, self.ts_ns)
        self.put(row | {spoiled[0]: spoiled[1]})

    # ----------------------------------------------------------------------------------------- administration

    @rule(symbol=symbols, phase=st.sampled_from(["continuous", "closing_auction", "opening_auction", "closed"]))
    def set_phase(self, symbol: str, phase: str) -> None:
        self.administer(SetPhase(symbol=symbol, phase=phase, day_ends_ns=self.ts_ns + 3 * SECOND))

    @rule(symbol=symbols, halt=st.booleans())
    def halt(self, symbol: str, halt: bool) -> None:
        self.administer(Halt(symbol=symbol) if halt else Resume(symbol=symbol))

    @rule(seconds=st.integers(0, 3))
    def timer(self, seconds: int) -> None:
        self.ts_ns += seconds * SECOND
        self.administer(Timer())

    @rule(account=names, active=st.booleans())
    def kill(self, account: str, active: bool) -> None:
        self.administer(Kill(account=account, active=active))

    @rule(
        account=names,
        symbol=st.none() | symbols,
        name=st.sampled_from(["max_order_quantity", "max_order_notional", "max_long", "max_short"]),
        value=st.sampled_from([-1, 0, 5, 12]),
    )
    def limit(self, account: str, symbol: str | None, name: str, value: int) -> None:
        self.administer(Limits(account=account, symbol=symbol, **{name: Decimal(value)}))

    @rule(
        account=names,
        orders=st.sampled_from([-1, 2]),
        collar=st.sampled_from([-1, 0, 20_000]),
        margin=st.integers(0, 1),
    )
    def other_limits(self, account: str, orders: int, collar: int, margin: int) -> None:
        self.administer(
            Limits(
                account=account, max_open_orders=orders, price_collar_ppm=collar, margin_multiple=Decimal(margin) / 100
            )
        )

    @rule(account=names, maker=st.sampled_from([None, -50, 700]))
    def fees(self, account: str, maker: int | None) -> None:
        self.administer(Fees(account=account, maker_fee_ppm=maker))

    # ------------------------------------------------------------------------------------------------- always

    @invariant()
    def is_sound(self) -> None:
        check_state(self.slow.state)

    def _earlier(self, back: int) -> dict[str, Any]:
        return self.sent[-min(back, len(self.sent))]

    def _names(self, back: int, by_number: bool, account: int | None) -> dict[str, Any]:
        target = self._earlier(back)
        named = {"order_id": target["seq"]} if by_number else {"client_order_id": target["client_order_id"]}
        return named | {"account": target["account"] if account is None else account}


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=max(1, STEPS // STEPS_OF_AN_EXAMPLE),
    stateful_step_count=STEPS_OF_AN_EXAMPLE,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
