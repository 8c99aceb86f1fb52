"""What accounts have and may do: money, positions, working lots and limits, as arrays. The books of account that are
published are `streams`'; this is what the checks of orders need, in the same integers."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.codes import BILLION, BUY, MILLION, SCOPE_FIRM
from engine.jit import inlined
from engine.orders import aligned

NO_FEE: Final = -(1 << 31)
"""An account has no fee of its own."""

ACCOUNT: Final = np.dtype(
    [
        # Money units:
        ("deposits", "<i8"),
        ("realized", "<i8"),
        ("fees", "<i8"),
        ("cost_used", "<i8"),  # sum of |cost| over its instruments
        ("reserved", "<i8"),  # for working orders
        ("margin", "<i8"),  # buying power in hundredths of the equity, 0 = not checked
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("firm", "<u4"),  # 0 = none
        ("self_trade_prevention", "u1"),
        ("scope", "u1"),
        ("killed", "u1"),
        ("pad", "u1"),
        ("rate", "<i8"),  # messages a second, 0 = no limit
        ("burst", "<i8"),  # messages
        ("tokens", "<i8"),  # in 1e-9 of a message
        ("tokens_ns", "<i8"),
        ("tail", "S32"),
    ]
)
"""128 bytes."""

PAIR: Final = np.dtype(
    [
        ("quantity", "<i8"),  # signed lots
        ("cost", "<i8"),  # signed money units
        ("open_buys", "<i8"),  # lots of counted working orders
        ("open_sells", "<i8"),
        ("open_orders", "<i8"),  # working orders of every kind
        ("bought", "<i8"),  # lots
        ("sold", "<i8"),
        ("cash", "<i8"),  # money units: sales − purchases
        ("fees", "<i8"),
        ("realized", "<i8"),
        # Limits. A bound is the first value that is too much, 0 = there is no limit:
        ("order_quantity_bound", "<i8"),
        ("order_notional_bound", "<i8"),
        ("open_orders_bound", "<i8"),
        ("long_bound", "<i8"),
        ("short_bound", "<i8"),
        ("collar_bound", "<i8"),  # millionths
    ]
)
"""An account in an instrument: 128 bytes."""


SOON: Final = 1 << 40
"""Nanoseconds, some 18 minutes: times the largest rate it stays far below 2^63."""


class Ledger(NamedTuple):
    """The arrays of all accounts."""

    accounts: NDArray[Any]
    """ACCOUNT, by number from 1."""
    pairs: NDArray[Any]
    """PAIR: (instrument, account)."""
    known: NDArray[np.int64]
    """[number of accounts]."""


def allocate(instruments: int, accounts: int) -> Ledger:
    """Arrays for that many instruments and accounts, both numbered from 1."""
    return Ledger(
        accounts=aligned((accounts + 1,), ACCOUNT),
        pairs=aligned((instruments + 1, accounts + 1), PAIR),
        known=np.zeros(1, np.int64),
    )


def grown(old: Ledger, instruments: int, accounts: int) -> Ledger:
    """The same in arrays of another size, at least as large."""
    wider = allocate(instruments, accounts)
    used = int(old.known[0]) + 1
    wider.accounts[:used] = old.accounts[:used]
    wider.pairs[: len(old.pairs), :used] = old.pairs[:, :used]
    return wider._replace(known=old.known)


@inlined
def fee(notional: Any, ppm: Any, rounding: int) -> Any:
    """floor((notional × ppm + rounding) / 10^6) in money units, without a product that could pass 2^63."""
    millions = notional // MILLION
    rest = notional - millions * MILLION
    return millions * ppm + (rest * ppm + rounding) // MILLION


@inlined
def closable(ledger: Ledger, account: int, instrument: int, side: int) -> int:
    """Lots that an order of this side can take off the position."""
    quantity = ledger.pairs["quantity"][instrument, account]
    if side == BUY:
        return -quantity if quantity < 0 else 0
    return quantity if quantity > 0 else 0


@inlined
def same_owner(ledger: Ledger, taker: int, maker: int) -> bool:
    """Whether two accounts are one owner in the eyes of the taker's."""
    if taker == maker:
        return True
    if ledger.accounts["scope"][taker] != SCOPE_FIRM:
        return False
    firm = ledger.accounts["firm"][taker]
    return firm != 0 and firm == ledger.accounts["firm"][maker]


@inlined
def book_fill(ledger: Ledger, account: int, instrument: int, side: int, lots: Any, unit: Any, paid_fee: Any) -> None:
    """Books one side of a match: `unit` is the money of a lot at its price."""
    pairs = ledger.pairs
    accounts = ledger.accounts
    held = pairs["quantity"][instrument, account]
    cost = pairs["cost"][instrument, account]
    used = cost if cost >= 0 else -cost
    size = held if held >= 0 else -held
    closing = 0
    if (side == BUY and held < 0) or (side != BUY and held > 0):
        closing = min(lots, size)
        released = cost
        if closing < size:
            released = (used // size) * closing
            if cost < 0:
                released = -released
        gain = closing * unit - released
        if held < 0:
            gain = -(closing * unit) - released
        pairs["realized"][instrument, account] += gain
        accounts["realized"][account] += gain
        cost -= released
    if side == BUY:
        cost += (lots - closing) * unit
        pairs["quantity"][instrument, account] = held + lots
        pairs["bought"][instrument, account] += lots
        pairs["cash"][instrument, account] -= lots * unit
    else:
        cost -= (lots - closing) * unit
        pairs["quantity"][instrument, account] = held - lots
        pairs["sold"][instrument, account] += lots
        pairs["cash"][instrument, account] += lots * unit
    pairs["cost"][instrument, account] = cost
    pairs["fees"][instrument, account] += paid_fee
    accounts["cost_used"][account] += (cost if cost >= 0 else -cost) - used
    accounts["fees"][account] += paid_fee


@inlined
def take_tokens(ledger: Ledger, account: int, ts_ns: Any, messages: int) -> bool:
    """Whether the account may send that many messages now; takes them if so."""
    accounts = ledger.accounts
    rate = accounts["rate"][account]
    if rate == 0:
        return True
    return take_limited(ledger, account, ts_ns, messages)


@inlined
def take_limited(ledger: Ledger, account: int, ts_ns: Any, messages: int) -> bool:
    """`take_tokens` of an account that has a limit."""
    accounts = ledger.accounts
    rate = accounts["rate"][account]
    most = accounts["burst"][account] * BILLION
    tokens = accounts["tokens"][account]
    elapsed = ts_ns - accounts["tokens_ns"][account]
    if elapsed > 0:
        if elapsed < SOON:
            tokens = min(most, tokens + elapsed * rate)
        elif elapsed > most // rate:  # a division is slow, but the product could be too large
            tokens = most
        else:
            tokens = min(most, tokens + elapsed * rate)
        accounts["tokens_ns"][account] = ts_ns
    enough = tokens >= messages * BILLION
    if enough:
        tokens -= messages * BILLION
    accounts["tokens"][account] = tokens
    return enough
