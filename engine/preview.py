"""What an order would do if it came in now: the engine's own checks, run on the state and then taken back.

Nothing is sequenced and nothing changes, so the answer holds for this moment only."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import immediate
from engine.checks import check_fields, known_account
from engine.codes import F_ACCOUNT, MARKET, MILLION, REFUSAL, UNKNOWN_ACCOUNT
from engine.core import Core
from engine.decode import decode
from engine.entering import check_entry, check_sender, maker_ppm, stop_at_entry, taker_ppm
from engine.jit import COMPILED, entry
from engine.layout import COMMAND, FIELDS
from engine.messages import NewOrder, Preview
from engine.registry import InstrumentEntry
from engine.risk import available, market_price, opening_lots, refusal, reserve_rate
from engine.state import OPENING, RATE, Batch, Engine
from engine.units import money_text
from engine.words import REASONS, OrderType, Phase, Reason, Side, TimeInForce

REFUSED: Final = 0
PRICE: Final = 1
LOTS_OPENING: Final = 2
RESERVE_RATE: Final = 3
AVAILABLE: Final = 4
CHECKED: Final = 5
HELD: Final = 6
MAKER: Final = 7
TAKER: Final = 8
OPEN_BUYS: Final = 9
OPEN_SELLS: Final = 10
FOUND: Final = 11

MOST_LEVELS: Final = 1000
WAITING: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})


@entry
def _check(engine: Engine, batch: Batch, found: Any) -> None:
    """Fills `found`; the engine is afterwards as it was."""
    if not known_account(engine, batch, 0):
        found[REFUSED] = refusal(UNKNOWN_ACCOUNT, F_ACCOUNT)
        return
    commands = batch.commands
    account = np.int64(commands["account"][0])
    accounts = engine.ledger.accounts
    tokens, tokens_ns = accounts["tokens"][account], accounts["tokens_ns"][account]
    opening, rate = engine.work[OPENING], engine.work[RATE]
    refused = check_sender(engine, batch, 0, 1)
    accounts["tokens"][account], accounts["tokens_ns"][account] = tokens, tokens_ns
    found[AVAILABLE] = available(engine, account)
    found[CHECKED] = accounts["margin"][account]
    wrong = check_fields(engine, batch, 0)
    if wrong == 0:
        stop_price = stop_at_entry(engine, batch, 0)
        entry_refused = check_entry(engine, batch, 0, stop_price, 1)
        if refused == 0:
            refused = entry_refused
        instrument = np.int64(commands["instrument"][0])
        side = np.int64(commands["side"][0])
        quantity = commands["quantity"][0]
        price = commands["limit_price"][0]
        if commands["order_type"][0] == MARKET:
            price = market_price(engine, instrument, account, side, quantity)
        elif price == 0:
            price = stop_price
        pairs = engine.ledger.pairs
        found[MAKER] = maker_ppm(engine, instrument, account)
        found[TAKER] = taker_ppm(engine, instrument, account)
        found[PRICE] = price
        found[LOTS_OPENING] = opening_lots(engine, instrument, account, side, np.int64(commands["flags"][0]), quantity)
        found[RESERVE_RATE] = reserve_rate(engine, instrument, price, found[MAKER], found[TAKER])
        found[HELD] = pairs["quantity"][instrument, account]
        found[OPEN_BUYS] = pairs["open_buys"][instrument, account]
        found[OPEN_SELLS] = pairs["open_sells"][instrument, account]
    elif refused == 0:
        refused = wrong
    found[REFUSED] = refused
    engine.work[OPENING], engine.work[RATE] = opening, rate


class Estimate(NamedTuple):
    """What would trade at once against the shown depth."""

    lots: int
    tick_lots: int
    fees: int
    """Money units."""


def fee(notional: int, ppm: int) -> int:
    """Money units, half a unit rounded up, as `engine.ledger.fee` has it for compiled code."""
    return (notional * ppm + MILLION // 2) // MILLION


def estimate(
    levels: NDArray[np.int64], side: Side, lots: int, limit: int, whole: bool, money: int, taker: int
) -> Estimate:
    """`levels`: (n, 3) of price ticks, shown lots, orders, best first; `limit` 0: any price; `whole`: all or nothing;
    `money`: money units of a tick × lot; `taker`: the fee in millionths. One fee for each level, where the engine takes
    one for each order met."""
    left, tick_lots, fees = lots, 0, 0
    for price, shown, _ in levels.tolist():
        if left == 0 or (limit and (price > limit if side is Side.BUY else price < limit)):
            break
        taken = min(left, shown)
        left -= taken
        tick_lots += taken * price
        fees += fee(taken * price * money, taker)
    if left and whole:
        return Estimate(0, 0, 0)
    return Estimate(lots - left, tick_lots, fees)


def preview(core: Core, order: NewOrder, ts_ns: int) -> Preview:
    """What `order`, whose account may be traded for, would do at `ts_ns`. Raises `Refusal` where it cannot be put into
    ticks and lots."""
    records = decode(order, core.instruments, core.accounts)
    records["ts_ns"] = ts_ns
    record = records[0]
    if core.waiting(records):
        records = immediate.waiting(records)
    found = np.zeros(FOUND, np.int64)
    batch = Batch(records, records.view("<u8").reshape(len(records), COMMAND.itemsize // 8))
    if COMPILED:
        _check(core.engine, batch, found)
    else:
        with np.errstate(over="ignore"):
            _check(core.engine, batch, found)
    numbers = [int(number) for number in found]
    instrument = core.instruments.by_number(int(record["instrument"]))
    side = Side(int(record["side"]))
    refused = numbers[REFUSED]
    reason = Reason(refused & ((1 << REFUSAL) - 1))
    scale, lots = instrument.scale, int(record["quantity"])
    priced = numbers[PRICE]
    at_once = Estimate(0, 0, 0)
    if reason is Reason.NONE:
        at_once = _at_once(core, instrument, record, side, numbers[TAKER])
    money = scale.money_per_tick_lot
    reserve = numbers[LOTS_OPENING] * numbers[RESERVE_RATE]
    after = numbers[HELD] + (lots if side is Side.BUY else -lots)
    checked = numbers[CHECKED] > 0
    return Preview(
        account=order.account,
        symbol=order.symbol,
        accepted=reason is Reason.NONE,
        reason=reason.wire if reason else None,
        field=(FIELDS[refused >> REFUSAL] or None) if reason else None,
        text=REASONS[reason].text if reason else None,
        risk_price=scale.price_text(priced) if priced else None,
        notional=money_text(lots * priced * money),
        fee=money_text(fee(lots * priced * money, max(numbers[MAKER], numbers[TAKER], 0))),
        opening_quantity=scale.quantity_text(numbers[LOTS_OPENING]),
        reservation=money_text(reserve),
        buying_power=money_text(numbers[AVAILABLE]) if checked else None,
        buying_power_after=money_text(numbers[AVAILABLE] - reserve) if checked else None,
        position=scale.quantity_text(numbers[HELD]),
        position_after=scale.quantity_text(after),
        open_buys=scale.quantity_text(numbers[OPEN_BUYS]),
        open_sells=scale.quantity_text(numbers[OPEN_SELLS]),
        fills_now=scale.quantity_text(at_once.lots),
        fills_now_price=scale.average_price_text(at_once.tick_lots, at_once.lots) if at_once.lots else None,
        fills_now_notional=money_text(at_once.tick_lots * money),
        fills_now_fee=money_text(at_once.fees),
        seq=core.last_seq,
        ts_ns=ts_ns,
    )


def _at_once(core: Core, instrument: InstrumentEntry, record: Any, side: Side, taker: int) -> Estimate:
    """What the order would take from the shown book on its way in."""
    number = instrument.number
    order_type, time_in_force = int(record["order_type"]), int(record["time_in_force"])
    if (
        core.phase(number) is not Phase.CONTINUOUS
        or order_type not in (OrderType.MARKET, OrderType.LIMIT)
        or time_in_force in WAITING
    ):
        return Estimate(0, 0, 0)
    bids, asks = core.depth(number, MOST_LEVELS)
    return estimate(
        asks if side is Side.BUY else bids,
        side,
        int(record["quantity"]),
        int(record["limit_price"]),
        time_in_force == TimeInForce.FOK,
        instrument.scale.money_per_tick_lot,
        taker,
    )


def compile_preview(core: Core) -> None:
    """Makes the machine code ready, before somebody waits for it."""
    none = np.zeros(1, COMMAND)
    words = none.view("<u8").reshape(1, COMMAND.itemsize // 8)
    _check(core.engine, Batch(none, words), np.zeros(FOUND, np.int64))
