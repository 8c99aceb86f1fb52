"""From the core's integers to the records that topics carry. Pure functions of the core's reference data."""

from __future__ import annotations

from typing import Any, Final

from engine.core import Core
from engine.layout import FIELDS
from engine.messages import Account, Book, Fill, Instrument, OrderEvent, Refused, Trade
from engine.registry import AccountEntry, InstrumentEntry
from engine.units import money_text
from engine.words import (
    REASONS,
    CommandType,
    ExecType,
    Liquidity,
    OrderStatus,
    OrderType,
    Reason,
    Side,
    Source,
    TimeInForce,
    Word,
)

SHARD: Final = 0
EPOCH: Final = 1


def exec_id(seq: int, index: int) -> str:
    """The same event has the same id wherever it is computed."""
    return f"{SHARD}.{EPOCH}.{seq}.{index}"


def trade_id(seq: int, match: int) -> str:
    return f"{SHARD}.{EPOCH}.{seq}.m{match}"


def _names(words: type[Word]) -> dict[int, str | None]:
    return {0: None, **{int(member): member.wire for member in words}}


SIDES: Final = _names(Side)
ORDER_TYPES: Final = _names(OrderType)
TIMES: Final = _names(TimeInForce)
LIQUIDITIES: Final = _names(Liquidity)
COMMANDS: Final = {int(kind): kind.wire for kind in CommandType}
EXECS: Final = {int(kind): kind.wire for kind in ExecType}
STATUSES: Final = {int(status): status.wire for status in OrderStatus}
SOURCES: Final = {int(source): source.wire for source in Source}
TEXTS: Final = {int(reason): text.text for reason, text in REASONS.items()}
REASON_WORDS: Final = {int(reason): reason.wire for reason in Reason}


def instrument_record(entry: InstrumentEntry) -> Instrument:
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
        seq=entry.seq,
        ts_ns=entry.ts_ns,
    )


def account_record(entry: AccountEntry) -> Account:
    return Account(
        account=entry.account,
        account_id=entry.number,
        currency=entry.currency,
        deposits=money_text(entry.deposits),
        seq=entry.seq,
        ts_ns=entry.ts_ns,
    )


def book_record(core: Core, number: int, levels: int, seq: int, ts_ns: int) -> Book:
    """The best `levels` of an instrument's book as it stands after command `seq`."""
    entry = core.instruments.by_number(number)
    price, quantity = entry.scale.price_text, entry.scale.quantity_text
    sides = [
        [(price(ticks), quantity(lots), orders) for ticks, lots, orders in side.tolist()]
        for side in core.depth(number, levels)
    ]
    return Book(symbol=entry.definition.symbol, seq=seq, ts_ns=ts_ns, bids=sides[0], asks=sides[1])


class Reporter:
    """Makes records out of REPORT rows, given as tuples in the order of the dtype's fields."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def _account(self, number: int) -> str:
        if 1 <= number <= len(self._core.accounts):
            return self._core.accounts.by_number(number).account
        return ""

    def _instrument(self, number: int) -> InstrumentEntry | None:
        if 1 <= number <= len(self._core.instruments):
            return self._core.instruments.by_number(number)
        return None

    def order_event(self, report: dict[str, Any]) -> OrderEvent:
        """A row as an execution report."""
        entry = self._instrument(report["instrument"])
        filled, traded, limit = report["filled"], report["last_quantity"], report["limit_price"]
        quantity = entry.scale.quantity_text if entry else str
        price = entry.scale.price_text if entry else str
        reason = report["reason"]
        return OrderEvent(
            seq=report["seq"],
            index=report["index"],
            ts_ns=report["ts_ns"],
            transact_ns=report["transact_ns"] or report["ts_ns"],
            exec_id=exec_id(report["seq"], report["index"]),
            exec_type=EXECS[report["exec_type"]],
            order_status=STATUSES[report["order_status"]],
            reason=REASON_WORDS[reason] if reason else None,
            field=(FIELDS[report["field"]] or None) if reason else None,
            text=TEXTS[reason] if reason else None,
            order_id=str(report["order_id"]),
            client_order_id=report["client_order_id"].decode("latin-1"),
            account=self._account(report["account"]),
            symbol=entry.definition.symbol if entry else "",
            side=SIDES.get(report["side"]),
            order_type=ORDER_TYPES.get(report["order_type"]),
            time_in_force=TIMES.get(report["time_in_force"]),
            quantity=quantity(report["quantity"]),
            limit_price=price(limit) if limit else None,
            filled_quantity=quantity(filled),
            leaves_quantity=quantity(report["leaves"]),
            average_price=entry.scale.average_price_text(report["notional"], filled) if entry and filled else None,
            last_quantity=quantity(traded) if traded else None,
            last_price=price(report["last_price"]) if traded else None,
            liquidity=LIQUIDITIES[report["liquidity"]] if report["liquidity"] else None,
            fee=money_text(report["fee"]) if traded else None,
            strategy=report["strategy"].decode("latin-1") or None,
            source=SOURCES.get(report["source"], ""),
        )

    def fill(self, event: OrderEvent, match: int) -> Fill:
        """One side of a trade, from its execution report."""
        assert event.last_quantity is not None
        assert event.last_price is not None
        return Fill(
            fill_id=event.exec_id,
            trade_id=trade_id(event.seq, match),
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
        )

    def trade(self, report: dict[str, Any]) -> Trade:
        """The tape's line of a match, from its taker's row, or of a print."""
        entry = self._core.instruments.by_number(report["instrument"])
        return Trade(
            trade_id=trade_id(report["seq"], report["match"]),
            seq=report["seq"],
            index=report["index"],
            ts_ns=report["ts_ns"],
            transact_ns=report["transact_ns"] or report["ts_ns"],
            symbol=entry.definition.symbol,
            price=entry.scale.price_text(report["last_price"]),
            quantity=entry.scale.quantity_text(report["last_quantity"]),
            aggressor_side=SIDES.get(report["side"]),
            hidden=report["exec_type"] == int(ExecType.PRINT),
        )

    def refused_event(self, seq: int, ts_ns: int, source: str, command: Refused) -> OrderEvent:
        """The report of a command that was refused at the door."""
        return OrderEvent(
            seq=seq,
            index=0,
            ts_ns=ts_ns,
            transact_ns=ts_ns,
            exec_id=exec_id(seq, 0),
            exec_type=ExecType.REJECTED.wire,
            order_status=OrderStatus.REJECTED.wire,
            reason=command.reason,
            field=command.field or None,
            text=command.text,
            order_id="0",
            client_order_id=command.client_order_id,
            account=command.account,
            symbol=command.symbol,
            side=command.side or None,
            order_type=None,
            time_in_force=None,
            quantity="0",
            limit_price=None,
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

    def command_fields(self, command: dict[str, Any]) -> dict[str, Any]:
        """A COMMAND row as the JSON that its sender could have sent."""
        entry = self._instrument(command["instrument"])
        quantity = entry.scale.quantity_text if entry else str
        price = entry.scale.price_text if entry else str
        fields: dict[str, Any] = {
            "type": COMMANDS[command["type"]],
            "account": self._account(command["account"]),
            "symbol": entry.definition.symbol if entry else None,
            "side": SIDES.get(command["side"]),
            "order_type": ORDER_TYPES.get(command["order_type"]),
            "time_in_force": TIMES.get(command["time_in_force"]),
            "quantity": quantity(command["quantity"]) if command["quantity"] else None,
            "limit_price": price(command["limit_price"]) if command["limit_price"] else None,
            "order_id": str(command["order_id"]) if command["order_id"] else None,
            "client_order_id": command["client_order_id"].decode("latin-1") or None,
            "strategy": command["strategy"].decode("latin-1") or None,
            "transact_ns": command["transact_ns"] or None,
        }
        return {name: value for name, value in fields.items() if value is not None}
