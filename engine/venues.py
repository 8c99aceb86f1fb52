"""Orders that work here and at a venue elsewhere: what its fills and ends make of them (docs/decisions/0018).

The order's own filled quantity is the guard against repeats: a fill says what the order has in all after it, so one
that was counted is known, and one before which another is missing is refused."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import venue_books
from engine.definitions import find_account, money
from engine.layout import COMMAND, REPLY, REPORT, field_number
from engine.messages import VenueEnd, VenueFill
from engine.orders import HELD, LISTED, RELEASED
from engine.refusal import Refusal
from engine.registry import Accounts, InstrumentEntry, Instruments
from engine.state import KEYS, ROOM, Batch, Engine, Output
from engine.units import NotMultiple, OutOfRange
from engine.words import ExecType, Liquidity, OrderStatus, OrderType, Phase, Reason, Side, TimeInForce

ENDS: Final = {ExecType.CANCELED.wire: ExecType.CANCELED, ExecType.EXPIRED.wire: ExecType.EXPIRED}
OPPOSITE: Final = {int(Side.BUY): Side.SELL, int(Side.SELL): Side.BUY}


class FillNumbers(NamedTuple):
    """A fill in the core's integers."""

    client: int
    """The order's record."""
    venue: int
    """Number of the account that stands for the venue."""
    lots: int
    """0: it was counted before."""
    price: int
    """Ticks."""
    fee: int
    """Money units."""


def fill_numbers(
    engine: Engine, instruments: Instruments, accounts: Accounts, client: int, command: VenueFill
) -> FillNumbers:
    """The fill, as it would be booked now. Raises `Refusal`."""
    entry = _instrument(engine, instruments, client)
    slot = int(engine.clients.records["slot"][client])
    order = engine.books.orders[slot]
    if slot and (order["place"] == HELD or order["traits"] & RELEASED):
        raise Refusal(Reason.UNSUPPORTED, "order_id", "the order waits for another one, of which a fill is missing")
    phase = engine.books.instruments["phase"][int(engine.clients.records["instrument"][client])]
    if slot and order["traits"] & LISTED and phase == Phase.CONTINUOUS:
        raise Refusal(Reason.TRADING_PHASE, "order_id", "an order of a list that can trade here is filled here only")
    venue = find_account(accounts, command.venue).number
    if venue == int(engine.clients.records["account"][client]):
        raise Refusal(Reason.INVALID_FIELD, "account", "venue: the order is of this very account")
    lots, total = _lots(entry, command.quantity), _lots(entry, command.filled_quantity)
    try:
        price = entry.scale.ticks(command.price)
    except (NotMultiple, OutOfRange):
        raise Refusal(Reason.PRICE_INCREMENT, "price") from None
    if not entry.price_min <= price <= entry.price_max:
        raise Refusal(Reason.PRICE_BAND, "price")
    fee = money(command.fee, "fee")
    if abs(fee) > lots * price * entry.scale.money_per_tick_lot:
        raise Refusal(Reason.INVALID_FIELD, "fee", "fee: more than the fill is worth")
    if not 0 <= command.transact_ns < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, "transact_ns", "transact_ns must be between 0 and 2^63")
    before = filled(engine, client)
    if total <= before:
        return FillNumbers(client, venue, 0, price, fee)
    if before + lots != total:
        text = f"filled_quantity: the order has {entry.scale.quantity_text(before)}, a fill before this one is missing"
        raise Refusal(Reason.INVALID_QUANTITY, "quantity", text)
    return FillNumbers(client, venue, lots, price, fee)


def end_numbers(engine: Engine, instruments: Instruments, client: int, command: VenueEnd) -> tuple[ExecType, Reason]:
    """How the order ends, and why. Raises `Refusal`."""
    _instrument(engine, instruments, client)
    exec_type, reason = ENDS.get(command.outcome), Reason.words().get(command.reason or Reason.NONE.wire)
    if exec_type is None:
        raise Refusal(Reason.INVALID_FIELD, "outcome", f"outcome must be one of {', '.join(ENDS)}")
    if reason is None:
        raise Refusal(Reason.INVALID_FIELD, "reason", "reason: there is no such reason")
    if command.field is not None and (reason == Reason.NONE or field_number(command.field) == 0):
        raise Refusal(Reason.INVALID_FIELD, "field", "field must be one of an order, and have a reason")
    if not 0 <= command.transact_ns < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, "transact_ns", "transact_ns must be between 0 and 2^63")
    return exec_type, Reason(reason)


def filled(engine: Engine, client: int) -> int:
    """Lots of the order that are filled."""
    slot = int(engine.clients.records["slot"][client])
    if slot == 0:
        return int(engine.clients.records["filled"][client])
    return int(engine.books.orders["quantity"][slot]) - int(engine.books.orders["leaves"][slot])


def _instrument(engine: Engine, instruments: Instruments, client: int) -> InstrumentEntry:
    """Of an order that may work elsewhere."""
    if client == 0:
        raise Refusal(Reason.UNKNOWN_ORDER, "order_id")
    slot = int(engine.clients.records["slot"][client])
    if slot == 0 and int(engine.clients.records["status"][client]) == OrderStatus.REJECTED:
        raise Refusal(Reason.UNKNOWN_ORDER, "order_id")
    return instruments.by_number(int(engine.clients.records["instrument"][client]))


def _lots(entry: InstrumentEntry, quantity: Any) -> int:
    try:
        lots = entry.scale.lots(quantity)
    except NotMultiple:
        raise Refusal(Reason.QUANTITY_INCREMENT, "quantity") from None
    except OutOfRange:
        raise Refusal(Reason.INVALID_QUANTITY, "quantity") from None
    if not 0 < lots <= entry.max_quantity:
        raise Refusal(Reason.INVALID_QUANTITY, "quantity")
    return lots


# ---------------------------------------------------------------------------------------------------- carried out


def execute(
    engine: Engine, reports: NDArray[Any], report_words: NDArray[np.uint64], seq: int, ts_ns: int,
    fill: FillNumbers, command: VenueFill,
) -> int:  # fmt: skip
    """Books the fill and writes its reports; returns how many. The venue's side is the maker's. What comes when the
    order works no more, or for less, is reported of it all the same, as it stands then."""
    batch, out = _batch(seq, ts_ns, command.transact_ns), _output(reports, report_words)
    out.written[0] = 1
    with np.errstate(over="ignore"):
        working = int(
            venue_books.execute(engine, batch, fill.client, fill.venue, fill.lots, fill.price, fill.fee, out, 1)
        )
    written = 0
    for match, (lots, late) in enumerate(((working, False), (fill.lots - working, True)), 1):
        if lots == 0:
            continue
        fee = 0 if late and working else fill.fee
        row = _blank(reports, written, seq, ts_ns, command.transact_ns)
        _venue_side(engine, row, fill, command, lots, lots + (working if late else 0))
        row["match"], row["fee"] = match if working else 1, -fee
        if late:
            row = _blank(reports, written + 1, seq, ts_ns, command.transact_ns)
            _late_side(engine, row, fill, lots)
            row["match"], row["fee"] = match if working else 1, fee
            written += 2
        else:
            written = int(out.written[0])
    return written


def enter_released(
    engine: Engine, reports: NDArray[Any], report_words: NDArray[np.uint64], n: int, seq: int, ts_ns: int,
    transact_ns: int, instrument: int,
) -> tuple[int, bool]:  # fmt: skip
    """Orders of lists whose time has come work from now on, in an auction that is held for a venue. Returns the number
    of the next report, and whether there was room for all."""
    batch, out = _batch(seq, ts_ns, transact_ns), _output(reports, report_words)
    with np.errstate(over="ignore"):
        written = int(venue_books.enter_released(engine, batch, instrument, out, n))
    return written, written <= len(reports) - ROOM


def end(
    engine: Engine, reports: NDArray[Any], report_words: NDArray[np.uint64], seq: int, ts_ns: int,
    client: int, exec_type: ExecType, reason: Reason, command: VenueEnd,
) -> int:  # fmt: skip
    """Ends the order, and the rest of its list, and reports that; returns how many reports: none where it had ended
    before."""
    out, batch = _output(reports, report_words), _batch(seq, ts_ns, command.transact_ns)
    with np.errstate(over="ignore"):
        count = int(venue_books.end(engine, batch, client, int(exec_type), int(reason), out))
    if count:
        reports["field"][0] = field_number(command.field or "")
    return count


def compile_venues(engine: Engine, reports: NDArray[Any], report_words: NDArray[np.uint64]) -> None:
    """Makes the machine code ready, before somebody waits; changes nothing: record 0 is nobody's."""
    batch, out = _batch(0, 0, 0), _output(reports, report_words)
    venue_books.execute(engine, batch, 0, 0, 0, 0, 0, out, 0)
    venue_books.end(engine, batch, 0, 0, 0, out)
    venue_books.enter_released(engine, batch, 0, out, 0)


def _batch(seq: int, ts_ns: int, transact_ns: int) -> Batch:
    record = np.zeros(1, COMMAND)
    record["seq"], record["ts_ns"], record["transact_ns"] = seq, ts_ns, transact_ns
    return Batch(record, record.view("<u8").reshape(1, COMMAND.itemsize // 8))


def _output(reports: NDArray[Any], report_words: NDArray[np.uint64]) -> Output:
    return Output(reports, report_words, np.zeros(0, REPLY), np.zeros(1, np.int64), np.zeros(KEYS, np.uint64))


def _blank(reports: NDArray[Any], n: int, seq: int, ts_ns: int, transact_ns: int) -> NDArray[Any]:
    row = reports[n : n + 1]
    row[:] = np.zeros(1, REPORT)
    row["seq"], row["ts_ns"], row["transact_ns"], row["index"] = seq, ts_ns, transact_ns, n
    row["exec_type"] = int(ExecType.TRADE)
    return row


def _venue_side(engine: Engine, row: NDArray[Any], fill: FillNumbers, command: VenueFill, lots: int, done: int) -> None:
    """An order of the venue's own, as large as the fill, of which `done` lots are filled now."""
    record = engine.clients.records[fill.client]
    row["account"], row["instrument"] = fill.venue, record["instrument"]
    row["order_id"] = row["seq"]
    row["client_order_id"] = command.execution_id.encode()
    row["side"] = int(OPPOSITE[int(record["side"])])
    row["order_type"], row["time_in_force"] = int(OrderType.LIMIT), int(TimeInForce.IOC)
    row["quantity"], row["filled"], row["leaves"] = fill.lots, done, fill.lots - done
    row["order_status"] = int(OrderStatus.FILLED if done == fill.lots else OrderStatus.PARTIALLY_FILLED)
    row["notional"] = done * fill.price
    row["limit_price"] = row["last_price"] = fill.price
    row["last_quantity"] = lots
    row["liquidity"] = int(Liquidity.MAKER)
    row["source"] = record["source"]


def _late_side(engine: Engine, row: NDArray[Any], fill: FillNumbers, lots: int) -> None:
    """An order that works no more has these lots too, be they more than it was for."""
    records = engine.clients.records
    client = fill.client
    records["filled"][client] += lots
    records["notional"][client] += lots * fill.price
    records["quantity"][client] = max(records["quantity"][client], records["filled"][client])
    if records["filled"][client] == records["quantity"][client]:
        records["status"][client] = int(OrderStatus.FILLED)
    record = records[client]
    for name in (
        *("account", "instrument", "order_id", "client_order_id", "strategy", "side", "order_type", "time_in_force"),
        *("quantity", "filled", "notional", "limit_price", "source"),
    ):
        row[name] = record[name]
    row["order_status"] = record["status"]
    row["last_quantity"], row["last_price"] = lots, fill.price
    row["liquidity"] = int(Liquidity.TAKER)
