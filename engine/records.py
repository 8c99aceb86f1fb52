"""From the core's integers to the records that topics carry. Pure functions of the core's reference data."""

from __future__ import annotations

from decimal import Decimal
from itertools import repeat
from typing import Any, Final

from numpy.typing import NDArray

from engine.core import Core
from engine.layout import FIELDS
from engine.messages import Account, Book, CorporateAction, Fill, Instrument, OrderEvent, Refused, Trade
from engine.registry import AccountEntry, ActionEntry, InstrumentEntry
from engine.texts import (
    EXECS,
    LIQUIDITIES,
    ORDER_TYPES,
    REASON_WORDS,
    SELF_TRADES,
    SIDES,
    SOURCES,
    STATUSES,
    TEXTS,
    TIMES,
    Names,
    decoded,
    each,
    fee_text,
    flagged,
    those_given,
    trails,
)
from engine.units import MONEY_DECIMALS, money_text, scaled_text
from engine.words import ExecType, Flag, OrderStatus

SHARD: Final = 0
EPOCH: Final = 1
MARGIN_PLACES: Final = 2
RENAMING: Final = frozenset({ExecType.CANCELED.wire, ExecType.REPLACED.wire})
"""Reports that in FIX name the order that was there before (41, OrigClOrdID)."""


def exec_id(seq: int, index: int, *, shard: int = SHARD, epoch: int = EPOCH) -> str:
    """The same event has the same id wherever it is computed."""
    return f"{shard}.{epoch}.{seq}.{index}"


def trade_id(seq: int, match: int, *, shard: int = SHARD, epoch: int = EPOCH) -> str:
    return f"{shard}.{epoch}.{seq}.m{match}"


def instrument_record(core: Core, entry: InstrumentEntry) -> Instrument:
    definition = entry.definition
    return Instrument(
        symbol=definition.symbol,
        instrument_id=entry.number,
        tick_size=f"{definition.tick_size:f}",
        lot_size=f"{definition.lot_size:f}",
        price_min=entry.scale.price_text(entry.price_min),
        price_max=entry.scale.price_text(entry.price_max),
        maker_fee_ppm=definition.maker_fee_ppm,
        taker_fee_ppm=definition.taker_fee_ppm,
        currency=definition.currency,
        description=definition.description,
        calendar=definition.calendar,
        phase=core.phase(entry.number).wire,
        action_seq=entry.action_seq,
        closing_price=entry.scale.price_text(entry.closing_price) if entry.closing_price else None,
        closing_seq=entry.closing_seq,
        seq=entry.seq,
        ts_ns=entry.ts_ns,
    )


def account_record(entry: AccountEntry) -> Account:
    return Account(
        account=entry.account,
        account_id=entry.number,
        currency=entry.currency,
        deposits=money_text(entry.deposits),
        firm=entry.firm,
        margin_multiple=scaled_text(entry.margin, MARGIN_PLACES) if entry.margin else None,
        self_trade_prevention=entry.self_trade_prevention,
        self_trade_scope=entry.self_trade_scope,
        messages_per_second=entry.messages_per_second,
        message_burst=entry.message_burst or entry.messages_per_second,
        maker_fee_ppm=entry.maker_fee_ppm,
        taker_fee_ppm=entry.taker_fee_ppm,
        killed=entry.killed,
        limits=list(entry.limits),
        cost_method=entry.cost_method,
        seq=entry.seq,
        ts_ns=entry.ts_ns,
    )


def action_record(core: Core, entry: InstrumentEntry, action: ActionEntry) -> CorporateAction:
    """The instrument's last corporate action, right after it was carried out."""
    scale, is_split = entry.scale, action.per_lot == 0
    rest_lots, rest_cash = core.rest(entry.number)
    amount = Decimal(action.per_lot).scaleb(-MONEY_DECIMALS) / scale.lot
    traded = action.price_before != 0
    return CorporateAction(
        seq=action.seq,
        ts_ns=action.ts_ns,
        symbol=entry.definition.symbol,
        action=action.kind,
        new_shares=action.new_shares if is_split else None,
        old_shares=action.old_shares if is_split else None,
        amount=None if is_split else f"{amount.normalize():f}",
        price_before=scale.price_text(action.price_before) if traded else None,
        price_after=scale.price_text(action.price_after) if traded else None,
        bought_quantity=scale.quantity_text(action.bought),
        sold_quantity=scale.quantity_text(action.sold),
        rest_quantity=scale.quantity_text(rest_lots),
        rest_cash=money_text(rest_cash),
    )


def book_record(core: Core, number: int, levels: int, seq: int, ts_ns: int) -> Book:
    """The best `levels` of an instrument's book as it stands after command `seq`."""
    entry = core.instruments.by_number(number)
    price, quantity = entry.scale.price_text, entry.scale.quantity_text
    sides = [
        [(price(ticks), quantity(lots), orders) for ticks, lots, orders in side.tolist()]
        for side in core.depth(number, levels)
    ]
    indicative_ticks, indicative_lots = core.indicative(number)
    return Book(
        symbol=entry.definition.symbol,
        seq=seq,
        ts_ns=ts_ns,
        bids=sides[0],
        asks=sides[1],
        phase=core.phase(number).wire,
        indicative_price=price(indicative_ticks) if indicative_lots else None,
        indicative_quantity=quantity(indicative_lots) if indicative_lots else None,
        action_seq=entry.action_seq,
    )


class Reporter:
    """Makes records out of the core's rows, column by column: a batch costs little more than one row.

    Ids carry `shard` and `epoch`."""

    def __init__(self, core: Core, *, shard: int = SHARD, epoch: int = EPOCH) -> None:
        self._instruments = core.instruments
        self._names = Names(core)
        self._id = f"{shard}.{epoch}."

    def order_events(self, reports: NDArray[Any]) -> list[OrderEvent]:
        """REPORT rows as execution reports; that of a print says no more than `trade` asks."""
        units = self._names.units(reports["instrument"])
        prices, quantities = [one.price for one in units], [one.quantity for one in units]
        filled = reports["filled"].tolist()
        average_prices = [
            one.average(notional, lots) if lots else None
            for one, notional, lots in zip(units, reports["notional"].tolist(), filled, strict=True)
        ]
        traded = reports["last_quantity"].tolist()
        fees = (
            repeat(None)
            if not any(traded)
            else [fee_text(fee) if lots else None for fee, lots in zip(reports["fee"].tolist(), traded, strict=True)]
        )
        reasons = reports["reason"].tolist()
        fields = [
            (FIELDS[field] or None) if reason else None
            for field, reason in zip(reports["field"].tolist(), reasons, strict=True)
        ]
        trail_amounts, trail_percents = trails(reports, prices)
        prefix = self._id
        rows = zip(
            reports["seq"].tolist(),
            reports["index"].tolist(),
            reports["ts_ns"].tolist(),
            reports["transact_ns"].tolist(),
            map(EXECS.__getitem__, reports["exec_type"].tolist()),
            map(STATUSES.__getitem__, reports["order_status"].tolist()),
            map(REASON_WORDS.__getitem__, reasons),
            fields,
            map(TEXTS.__getitem__, reasons),
            map(str, reports["order_id"].tolist()),
            decoded(reports["client_order_id"]),
            those_given(reports["list_id"].tolist(), [str] * len(reports)),
            self._names.accounts(reports["account"]),
            [one.symbol for one in units],
            map(SIDES.get, reports["side"].tolist()),
            map(ORDER_TYPES.get, reports["order_type"].tolist()),
            map(TIMES.get, reports["time_in_force"].tolist()),
            reports["expires_ns"].tolist(),
            each(reports["quantity"].tolist(), quantities),
            those_given(reports["display_quantity"].tolist(), quantities),
            those_given(reports["limit_price"].tolist(), prices),
            those_given(reports["stop_price"].tolist(), prices),
            trail_amounts,
            trail_percents,
            flagged(reports, Flag.POST_ONLY),
            flagged(reports, Flag.REDUCE_ONLY),
            map(SELF_TRADES.get, reports["self_trade_prevention"].tolist()),
            each(filled, quantities),
            each(reports["leaves"].tolist(), quantities),
            average_prices,
            those_given(traded, quantities),
            those_given(reports["last_price"].tolist(), prices),
            map(LIQUIDITIES.__getitem__, reports["liquidity"].tolist()),
            fees,
            decoded(reports["strategy"]),
            map(SOURCES.get, reports["source"].tolist()),
            strict=False,  # an empty column has no end
        )
        return [
            OrderEvent(
                seq=seq,
                index=index,
                ts_ns=ts_ns,
                transact_ns=transact_ns or ts_ns,
                exec_id=f"{prefix}{seq}.{index}",
                exec_type=exec_type,
                order_status=order_status,
                reason=reason,
                field=field,
                text=text,
                order_id=order_id,
                client_order_id=client_order_id,
                orig_client_order_id=client_order_id if exec_type in RENAMING else None,
                list_id=list_id,
                account=account,
                symbol=symbol,
                side=side,
                order_type=order_type,
                time_in_force=time_in_force,
                expires_ns=expires_ns or None,
                quantity=quantity,
                display_quantity=display_quantity,
                limit_price=limit_price,
                stop_price=stop_price,
                trail_amount=trail_amount,
                trail_percent=trail_percent,
                post_only=post_only,
                reduce_only=reduce_only,
                self_trade_prevention=self_trade_prevention,
                filled_quantity=filled_quantity,
                leaves_quantity=leaves_quantity,
                average_price=average_price,
                last_quantity=last_quantity,
                last_price=last_price,
                liquidity=liquidity,
                fee=fee,
                strategy=strategy or None,
                source=source or "",
            )
            for (
                seq,
                index,
                ts_ns,
                transact_ns,
                exec_type,
                order_status,
                reason,
                field,
                text,
                order_id,
                client_order_id,
                list_id,
                account,
                symbol,
                side,
                order_type,
                time_in_force,
                expires_ns,
                quantity,
                display_quantity,
                limit_price,
                stop_price,
                trail_amount,
                trail_percent,
                post_only,
                reduce_only,
                self_trade_prevention,
                filled_quantity,
                leaves_quantity,
                average_price,
                last_quantity,
                last_price,
                liquidity,
                fee,
                strategy,
                source,
            ) in rows
        ]

    def _action_seq(self, symbol: str) -> int:
        entry = self._instruments.find(symbol)
        return 0 if entry is None else entry.action_seq

    def fill(self, event: OrderEvent, match: int) -> Fill:
        """One side of a trade, from its execution report."""
        assert event.last_quantity is not None
        assert event.last_price is not None
        return Fill(
            fill_id=event.exec_id,
            trade_id=f"{self._id}{event.seq}.m{match}",
            seq=event.seq,
            index=event.index,
            ts_ns=event.ts_ns,
            transact_ns=event.transact_ns,
            account=event.account,
            symbol=event.symbol,
            side=event.side or "",
            quantity=event.last_quantity,
            price=event.last_price,
            fee=event.fee or "0",
            liquidity=event.liquidity or "",
            order_id=event.order_id,
            client_order_id=event.client_order_id,
            strategy=event.strategy,
            action_seq=self._action_seq(event.symbol),
        )

    def trade(self, event: OrderEvent, match: int) -> Trade:
        """The tape's line of a match, from its taker's report, or of a print."""
        assert event.last_quantity is not None
        assert event.last_price is not None
        return Trade(
            trade_id=f"{self._id}{event.seq}.m{match}",
            seq=event.seq,
            index=event.index,
            ts_ns=event.ts_ns,
            transact_ns=event.transact_ns,
            symbol=event.symbol,
            price=event.last_price,
            quantity=event.last_quantity,
            aggressor_side=event.side,
            hidden=event.exec_type == ExecType.PRINT.wire,
            action_seq=self._action_seq(event.symbol),
        )

    def refused_event(self, seq: int, ts_ns: int, source: str, command: Refused) -> OrderEvent:
        """The report of a command that was refused at the door."""
        return OrderEvent(
            seq=seq,
            index=0,
            ts_ns=ts_ns,
            transact_ns=ts_ns,
            exec_id=f"{self._id}{seq}.0",
            exec_type=ExecType.REJECTED.wire,
            order_status=OrderStatus.REJECTED.wire,
            reason=command.reason,
            field=command.field or None,
            text=command.text,
            order_id="0",
            client_order_id=command.client_order_id,
            orig_client_order_id=None,
            list_id=None,
            account=command.account,
            symbol=command.symbol,
            side=command.side or None,
            order_type=None,
            time_in_force=None,
            expires_ns=None,
            quantity="0",
            display_quantity=None,
            limit_price=None,
            stop_price=None,
            trail_amount=None,
            trail_percent=None,
            post_only=False,
            reduce_only=False,
            self_trade_prevention=None,
            filled_quantity="0",
            leaves_quantity="0",
            average_price=None,
            last_quantity=None,
            last_price=None,
            liquidity=None,
            fee=None,
            strategy=None,
            source=source,
        )
