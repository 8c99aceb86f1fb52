"""Splits and cash dividends, by fractions."""

from __future__ import annotations

from fractions import Fraction

from engine.messages import Dividend, Split
from engine.reference.accounts import Account
from engine.reference.answers import Refused
from engine.reference.endings import sweep
from engine.reference.instruments import Instrument
from engine.reference.reference_data import MONEY
from engine.reference.state import State
from engine.words import Reason

MOST_SHARES = 10_000
MOST_LOTS = 2**53
MOST_PAID = 2**56


def split(state: State, instrument: Instrument, command: Split) -> int:
    """Returns how many orders it canceled."""
    for name in ("new_shares", "old_shares"):
        if not 1 <= getattr(command, name) <= MOST_SHARES:
            raise Refused(Reason.INVALID_FIELD, name)
    ratio = Fraction(command.new_shares, command.old_shares)
    if ratio == 1:
        raise Refused(Reason.INVALID_FIELD, "new_shares")
    if any(lots * ratio >= MOST_LOTS + 1 for lots in _held(state, instrument)):
        raise Refused(Reason.INVALID_QUANTITY, "new_shares")
    before, after = instrument.last_price, round(instrument.last_price / ratio)
    _check_price(instrument, after, "new_shares")

    canceled = sweep(
        state,
        state.working_orders(lambda order: order.instrument == instrument.number),
        Reason.CORPORATE_ACTION,
    )
    rest = instrument.rest_quantity * ratio
    for account in state.accounts:
        rest += _split_position(account, instrument, ratio, before)
    assert rest.denominator == 1
    instrument.rest_quantity = int(rest)
    instrument.last_price = after
    return canceled


def _split_position(account: Account, instrument: Instrument, ratio: Fraction, price: int) -> Fraction:
    """Returns the lots that are too small to hold, with their sign: the account gets or pays their worth."""
    holding = account.holding(instrument.number)
    exact = holding.quantity * ratio
    whole = int(exact)  # towards zero
    rest = exact - whole
    paid = round(rest / ratio * price * instrument.money_per_tick_lot)
    released = abs(holding.cost) if not whole else abs(holding.cost) * abs(rest) // abs(exact)
    if holding.quantity < 0:
        released = -released
    holding.quantity = whole
    _book(account, instrument, paid, int(released))
    return rest


def dividend(state: State, instrument: Instrument, command: Dividend) -> None:
    if not command.amount.is_finite():
        raise Refused(Reason.INVALID_FIELD, "amount")
    exponent = command.amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or abs(command.amount) > 10**18:
        raise Refused(Reason.INVALID_FIELD, "amount")
    per_lot = Fraction(command.amount) * instrument.lot / MONEY
    if per_lot.denominator != 1 or per_lot <= 0:
        raise Refused(Reason.INVALID_FIELD, "amount")
    if any(lots * per_lot > MOST_PAID for lots in _held(state, instrument)):
        raise Refused(Reason.INVALID_FIELD, "amount")
    ticks = round(Fraction(int(per_lot), instrument.money_per_tick_lot))
    after = instrument.last_price - ticks if instrument.last_price else 0
    _check_price(instrument, after, "amount")
    for account in state.accounts:
        _book(account, instrument, account.holding(instrument.number).quantity * int(per_lot), 0)
    instrument.last_price = after


def _held(state: State, instrument: Instrument) -> list[int]:
    """The size of each position, and of what is held by none."""
    accounts = [abs(account.holding(instrument.number).quantity) for account in state.accounts]
    return [*accounts, abs(instrument.rest_quantity)]


def _check_price(instrument: Instrument, after: int, name: str) -> None:
    if instrument.last_price and not instrument.price_min <= after <= instrument.price_max:
        raise Refused(Reason.PRICE_BAND, name)


def _book(account: Account, instrument: Instrument, paid: int, released: int) -> None:
    """So much money comes in, and so much of the cost goes."""
    holding = account.holding(instrument.number)
    account.cost_used -= abs(holding.cost)
    holding.cost -= released
    account.cost_used += abs(holding.cost)
    holding.cash += paid
    holding.realized += paid - released
    account.realized += paid - released
    instrument.rest_cash -= paid
