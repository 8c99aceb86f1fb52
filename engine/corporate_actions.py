"""Splits and cash dividends: what they make of positions and of the last price (docs/corporate-actions.md).

All integers: lots, ticks, money units. What positions cannot hold after a split, because it is less than a lot, is paid
in cash and stays with row 0 of the instrument's `PAIR`s, so that over all of them quantity and cash still sum to 0."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.ledger import Ledger
from engine.messages import Dividend, Split
from engine.refusal import Refusal
from engine.registry import ActionEntry, InstrumentEntry
from engine.units import LARGEST, MONEY_DECIMALS, divide_half_even
from engine.words import Action, Reason

MOST_SHARES: Final = 10_000
MOST_PAID: Final = 1 << 56
"""Money units that a dividend may move for one account."""
REST: Final = 0
"""The row that keeps what was paid in cash."""


def split_entry(
    command: Split, entry: InstrumentEntry, ledger: Ledger, last_price: int, seq: int, ts_ns: int
) -> ActionEntry:
    """The split as it will be carried out. Raises `Refusal`."""
    new, old = command.new_shares, command.old_shares
    for name, shares in (("new_shares", new), ("old_shares", old)):
        if not 1 <= shares <= MOST_SHARES:
            raise Refusal(Reason.INVALID_FIELD, name, f"1 to {MOST_SHARES}")
    if new == old:
        raise Refusal(Reason.INVALID_FIELD, "new_shares", "new_shares and old_shares must differ")
    if _largest(ledger, entry.number) * new // old > LARGEST:
        raise Refusal(Reason.INVALID_QUANTITY, "new_shares", "a position would be too large")
    price = divide_half_even(last_price * old, new)
    _check_price(entry, last_price, price, "new_shares")
    return _entry(entry, ledger, Action.SPLIT, (new, old, 0), (last_price, price), seq, ts_ns)


def dividend_entry(
    command: Dividend, entry: InstrumentEntry, ledger: Ledger, last_price: int, seq: int, ts_ns: int
) -> ActionEntry:
    """The dividend as it will be carried out. Raises `Refusal`."""
    per_lot = _whole(command.amount, entry.scale.lot)
    if per_lot is None or per_lot <= 0:
        text = "a positive amount that for one lot is a whole number of 0.000001"
        raise Refusal(Reason.INVALID_FIELD, "amount", text)
    if _largest(ledger, entry.number) * per_lot > MOST_PAID:
        raise Refusal(Reason.INVALID_FIELD, "amount", "an account would get or pay too much")
    price = last_price
    if last_price:
        price -= divide_half_even(per_lot, entry.scale.money_per_tick_lot)
    _check_price(entry, last_price, price, "amount")
    return _entry(entry, ledger, Action.DIVIDEND, (1, 1, per_lot), (last_price, price), seq, ts_ns)


def _whole(amount: Decimal, lot: Decimal) -> int | None:
    """Money units for a lot, None where they are no whole number or there is no such amount."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or abs(amount) > 10**18:
        return None
    (top, bottom), (lot_top, lot_bottom) = amount.as_integer_ratio(), lot.as_integer_ratio()
    units, rest = divmod(top * lot_top * 10**MONEY_DECIMALS, bottom * lot_bottom)
    return None if rest else units


def _largest(ledger: Ledger, instrument: int) -> int:
    held = ledger.pairs["quantity"][instrument]
    return max(int(held.max()), -int(held.min()))


def _check_price(entry: InstrumentEntry, before: int, after: int, name: str) -> None:
    if before and not entry.price_min <= after <= entry.price_max:
        raise Refusal(Reason.PRICE_BAND, name, "the price after it lies outside the instrument's band")


def _entry(
    entry: InstrumentEntry,
    ledger: Ledger,
    kind: Action,
    terms: tuple[int, int, int],
    prices: tuple[int, int],
    seq: int,
    ts_ns: int,
) -> ActionEntry:
    rows = ledger.pairs[entry.number, 1 : int(ledger.known[0]) + 1]
    bought, sold = (sum(rows[name].tolist()) for name in ("bought", "sold"))
    return ActionEntry(seq, ts_ns, kind.wire, *terms, *prices, bought, sold)


def carry_out(ledger: Ledger, entry: InstrumentEntry, action: ActionEntry) -> None:
    """Changes every position in the instrument, the cash, and the accounts' sums."""
    row = ledger.pairs[entry.number]
    accounts = ledger.accounts
    worth = action.price_before * entry.scale.money_per_tick_lot
    paid_out = rests = 0
    for account in range(1, int(ledger.known[0]) + 1):
        held, cost = int(row["quantity"][account]), int(row["cost"][account])
        if held == 0:
            continue
        if action.per_lot:
            after, paid, released = held, held * action.per_lot, 0
        else:
            after, paid, released, rest = _split(held, cost, action, worth)
            rests += rest
        paid_out += paid
        row["quantity"][account] = after
        row["cost"][account] = cost - released
        row["cash"][account] += paid
        row["realized"][account] += paid - released
        accounts["realized"][account] += paid - released
        accounts["cost_used"][account] += abs(cost - released) - abs(cost)
    row["cash"][REST] -= paid_out
    row["quantity"][REST] = (int(row["quantity"][REST]) * action.new_shares + rests) // action.old_shares


def _split(held: int, cost: int, action: ActionEntry, worth: int) -> tuple[int, int, int, int]:
    """What becomes of a position: lots, money in lieu, the cost that goes with it, and what is left of a lot, in parts
    of `old_shares`. `worth` is the money that a lot had been worth before."""
    sign = 1 if held > 0 else -1
    parts = abs(held) * action.new_shares
    lots, rest = divmod(parts, action.old_shares)
    paid = divide_half_even(rest * worth, action.new_shares)
    released = abs(cost) * rest // parts if lots else abs(cost)
    return sign * lots, sign * paid, sign * released, sign * rest


def rest_of(ledger: Ledger, instrument: int) -> tuple[int, int]:
    """What splits have left with nobody: lots, and the money that was paid for them (negative)."""
    row = ledger.pairs[instrument, REST]
    return int(row["quantity"]), int(row["cash"])
