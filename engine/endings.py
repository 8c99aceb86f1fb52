"""How orders end, and what that does to the orders that are linked with them (docs/orders.md, lists)."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import give_slot, unlink
from engine.codes import (
    EXEC_CANCELED,
    EXEC_EXPIRED,
    EXEC_RESTATED,
    LIMIT,
    LINKED_ORDER,
    STATUS_CANCELED,
    STATUS_EXPIRED,
    STOP_LIMIT,
)
from engine.jit import compiled, inlined
from engine.orders import (
    ACTIVATION,
    BOOK,
    ICEBERG,
    LISTED,
    NOWHERE,
    RELEASED,
    STOPS,
    UNCOUNTED,
)
from engine.reports import limit_of, report_order, working_status, write_report
from engine.risk import count_down, count_in, count_out, opening_lots, reserve_rate, risk_price
from engine.state import Batch, Engine, Output
from engine.stops import activate, deactivate, take_stop, trailing_price


@inlined
def leave(engine: Engine, slot: int) -> None:
    """Takes a working order out of the place where it stands."""
    orders = engine.books.orders
    place = orders["place"][slot]
    if place == BOOK:
        unlink(engine.books, slot, np.int64(orders["side"][slot]) - 1)
    elif place == STOPS:
        take_stop(engine, slot)
    elif place == ACTIVATION:
        deactivate(engine, slot)
    orders["place"][slot] = NOWHERE


@compiled
def unlist(engine: Engine, slot: int) -> None:
    """Cuts the links between an order and the others of its list."""
    terms = engine.books.terms
    sibling = np.int64(terms["sibling"][slot])
    parent = np.int64(terms["parent"][slot])
    first = np.int64(terms["first_child"][slot])
    second = np.int64(terms["second_child"][slot])
    if sibling != 0:
        terms["sibling"][sibling] = 0
    if parent != 0:
        if np.int64(terms["first_child"][parent]) == slot:
            terms["first_child"][parent] = 0
        else:
            terms["second_child"][parent] = 0
    if first != 0:
        terms["parent"][first] = 0
    if second != 0:
        terms["parent"][second] = 0
    terms["sibling"][slot] = 0
    terms["parent"][slot] = 0
    terms["first_child"][slot] = 0
    terms["second_child"][slot] = 0


@inlined
def close(engine: Engine, slot: int, status: int) -> None:
    """The order in `slot`, which stands nowhere, is done: its record keeps what the pool forgets."""
    orders = engine.books.orders
    records = engine.clients.records
    client = np.int64(orders["client"][slot])
    quantity = orders["quantity"][slot]
    records["slot"][client] = 0
    records["status"][client] = status
    records["quantity"][client] = quantity
    records["filled"][client] = quantity - orders["leaves"][slot]
    records["notional"][client] = orders["notional"][slot]
    records["limit_price"][client] = limit_of(engine, slot)
    count_out(engine, slot)
    instrument = np.int64(orders["instrument"][slot])
    engine.ledger.pairs["open_orders"][instrument, np.int64(orders["account"][slot])] -= 1
    if orders["traits"][slot] & LISTED:
        unlist(engine, slot)
    give_slot(engine.books, slot)


@inlined
def finish(engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, reason: int) -> int:
    """Ends an order, and writes report n. Links are the caller's to follow. Returns the next report's number."""
    leave(engine, slot)
    status = STATUS_EXPIRED if exec_type == EXEC_EXPIRED else STATUS_CANCELED
    write_report(engine, batch, slot, out, n, exec_type, status, reason)
    out.reports["leaves"][n] = 0
    close(engine, slot, status)
    return n + 1


@compiled
def finish_cold(engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, reason: int) -> int:
    """`finish`, called rather than copied."""
    return finish(engine, batch, slot, out, n, exec_type, reason)


@compiled
def finish_linked(engine: Engine, batch: Batch, slot: int, out: Output, n: int) -> int:
    """Cancels an order because one that it is linked with ended. Returns the next report's number."""
    return finish_cold(engine, batch, slot, out, n, EXEC_CANCELED, LINKED_ORDER)


@compiled
def release(engine: Engine, slot: int, filled: Any) -> None:
    """A child, whose parent has ended with `filled` lots, is to enter with no more than these."""
    orders = engine.books.orders
    lots = min(orders["quantity"][slot], filled)
    orders["quantity"][slot] = lots
    orders["leaves"][slot] = lots
    orders["traits"][slot] |= RELEASED
    activate(engine, slot)
    if orders["traits"][slot] & UNCOUNTED:
        return
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    side = np.int64(orders["side"][slot])
    opening = opening_lots(engine, instrument, account, side, np.int64(orders["flags"][slot]), lots)
    count_in(engine, slot, opening, child_rate(engine, slot))


@compiled
def child_rate(engine: Engine, slot: int) -> Any:
    """Money units to reserve for a lot of a released child, as things are now."""
    orders = engine.books.orders
    terms = engine.books.terms
    instrument = np.int64(orders["instrument"][slot])
    side = np.int64(orders["side"][slot])
    order_type = np.int64(orders["order_type"][slot])
    stop_price = terms["stop_price"][slot]
    if stop_price == 0 and terms["trail"][slot] != 0:
        last = engine.books.instruments["last_price"][instrument]
        flags = np.int64(orders["flags"][slot])
        stop_price = trailing_price(engine, instrument, side, flags, terms["trail"][slot], last)
    limit_price = np.int64(0)
    if order_type == LIMIT or order_type == STOP_LIMIT:
        limit_price = limit_of(engine, slot)
    price = risk_price(
        engine, instrument, np.int64(orders["account"][slot]), side, order_type, limit_price, stop_price,
        orders["leaves"][slot],
    )  # fmt: skip
    return reserve_rate(engine, instrument, price, terms["maker_fee_ppm"][slot], terms["taker_fee_ppm"][slot])


@compiled
def release_both(engine: Engine, first: int, second: int, filled: Any) -> None:
    if first != 0:
        release(engine, first, filled)
    if second != 0:
        release(engine, second, filled)


@compiled
def end_listed(
    engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, reason: int, whole: bool
) -> int:
    """`end_order` of one that has links."""
    orders = engine.books.orders
    terms = engine.books.terms
    sibling = np.int64(terms["sibling"][slot])
    first = np.int64(terms["first_child"][slot])
    second = np.int64(terms["second_child"][slot])
    filled = orders["quantity"][slot] - orders["leaves"][slot]
    n = finish_cold(engine, batch, slot, out, n, exec_type, reason)
    if sibling != 0:
        n = finish_linked(engine, batch, sibling, out, n)
    if filled > 0 and not whole:
        release_both(engine, first, second, filled)
        return n
    if first != 0:
        n = finish_linked(engine, batch, first, out, n)
    if second != 0:
        n = finish_linked(engine, batch, second, out, n)
    return n


@compiled
def end_order(
    engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, reason: int, whole: bool
) -> int:
    """Ends a working order otherwise than by its fills: its sibling ends too, and its children are released if it has
    fills (unless the `whole` list is to end) or end too. Returns the next report's number."""
    if engine.books.orders["traits"][slot] & LISTED:
        return end_listed(engine, batch, slot, out, n, exec_type, reason, whole)
    return finish_cold(engine, batch, slot, out, n, exec_type, reason)


@inlined
def shrink(engine: Engine, slot: int, lots: Any) -> None:
    """A working order loses so many lots, which it has, without a trade."""
    orders = engine.books.orders
    orders["quantity"][slot] -= lots
    orders["leaves"][slot] -= lots
    count_down(engine, slot, lots)
    fit_display(engine, slot)


@inlined
def fit_display(engine: Engine, slot: int) -> None:
    """No more is shown than there is left."""
    if engine.books.orders["traits"][slot] & ICEBERG:
        terms = engine.books.terms
        terms["shown"][slot] = min(terms["shown"][slot], engine.books.orders["leaves"][slot])


@compiled
def shrink_sibling(engine: Engine, batch: Batch, slot: int, out: Output, n: int, lots: Any) -> int:
    """The other leg of a pair traded so many lots: this one has less to do. Returns the next report's number."""
    orders = engine.books.orders
    shrink(engine, slot, min(lots, orders["leaves"][slot]))
    if orders["leaves"][slot] == 0:
        return finish_linked(engine, batch, slot, out, n)
    report_order(engine, batch, slot, out, n, EXEC_RESTATED, working_status(engine, slot), LINKED_ORDER)
    return n + 1
