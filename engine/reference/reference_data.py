"""Instruments and accounts: their definitions, and what an administrator changes of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from engine.messages import DefineAccount, DefineInstrument, Deposit, Fees, Limits, Print
from engine.reference.accounts import LIMITS, Account
from engine.reference.answers import Refused
from engine.reference.instruments import Instrument
from engine.reference.risk import MOST
from engine.reference.state import State
from engine.words import CostMethod, ExecType, Reason, SelfTrade, SelfTradeScope, Side

MONEY: Final = Fraction(1, 10**6)
MOST_TICKS: Final = 2**18
MOST_FEE_PPM: Final = 100_000
MOST_DEPOSITS: Final = 2**56
MOST_MARGIN: Final = 100 * 100
"""Hundredths of the multiple."""
MOST_RATE: Final = 1_000_000
MOST_OPEN_ORDERS: Final = 2**31 - 1
MOST_COLLAR_PPM: Final = 10**8


def find_account(state: State, name: str) -> Account:
    for account in state.accounts:
        if account.name == name:
            return account
    raise Refused(Reason.UNKNOWN_ACCOUNT, "account")


def find_instrument(state: State, symbol: str) -> Instrument:
    for instrument in state.instruments:
        if instrument.definition.symbol == symbol:
            return instrument
    raise Refused(Reason.UNKNOWN_SYMBOL, "symbol")


# ----------------------------------------------------------------------------------------------- instruments


def define_instrument(state: State, command: DefineInstrument) -> None:
    """A known symbol takes new fees and a new description; its units and band stay."""
    tick_size, lot_size = Fraction(command.tick_size), Fraction(command.lot_size)
    worth = tick_size * lot_size / MONEY
    if tick_size <= 0 or lot_size <= 0 or worth.denominator != 1:
        raise Refused(Reason.INVALID_FIELD, "tick_size")
    price_min = steps(command.price_min, tick_size, "price_min", Reason.PRICE_INCREMENT)
    price_max = steps(command.price_max, tick_size, "price_max", Reason.PRICE_INCREMENT)
    if not 1 <= price_min <= price_max:
        raise Refused(Reason.INVALID_FIELD, "price_min")
    if price_max - price_min + 1 > MOST_TICKS:
        raise Refused(Reason.INVALID_FIELD, "price_max")
    _check_fees(command.maker_fee_ppm, command.taker_fee_ppm)
    try:
        known = find_instrument(state, command.symbol)
    except Refused:
        number = len(state.instruments) + 1
        state.instruments.append(Instrument(number, command, price_min, price_max, int(worth), lot_size))
        return
    for name in ("tick_size", "lot_size", "price_min", "price_max", "currency"):
        if getattr(known.definition, name) != getattr(command, name):
            raise Refused(Reason.INVALID_FIELD, name)
    known.definition = command


def _check_fees(maker_fee_ppm: int, taker_fee_ppm: int) -> None:
    for name, ppm in (("maker_fee_ppm", maker_fee_ppm), ("taker_fee_ppm", taker_fee_ppm)):
        if not -MOST_FEE_PPM <= ppm <= MOST_FEE_PPM:
            raise Refused(Reason.INVALID_FIELD, name)


def print_trade(state: State, command: Print) -> None:
    """A trade made elsewhere goes on the tape; no order and no book is touched."""
    instrument = find_instrument(state, command.symbol)
    definition = instrument.definition
    price = steps(command.price, Fraction(definition.tick_size), "price", Reason.PRICE_INCREMENT)
    if price <= 0:
        raise Refused(Reason.INVALID_PRICE, "price")
    quantity = steps(command.quantity, Fraction(definition.lot_size), "quantity", Reason.QUANTITY_INCREMENT)
    if quantity <= 0:
        raise Refused(Reason.INVALID_QUANTITY, "quantity")
    sides = {None: 0, "buy": Side.BUY, "sell": Side.SELL}
    if command.aggressor_side not in sides:
        raise Refused(Reason.INVALID_FIELD, "aggressor_side")
    if not 0 <= command.transact_ns < 2**63:
        raise Refused(Reason.INVALID_FIELD, "transact_ns")
    state.answers.say(
        exec_type=ExecType.PRINT,
        transact_ns=command.transact_ns,
        instrument=instrument.number,
        side=sides[command.aggressor_side],
        last_price=price,
        last_quantity=quantity,
        match=1,
    )


# -------------------------------------------------------------------------------------------------- accounts


def define_account(state: State, command: DefineAccount) -> None:
    """One that exists stays as it is."""
    deposit = steps(command.deposit, MONEY, "deposit")
    if not 0 <= deposit <= MOST_DEPOSITS:
        raise Refused(Reason.INVALID_FIELD, "deposit")
    account = Account(
        number=len(state.accounts) + 1,
        name=command.account,
        deposits=deposit,
        margin=_margin(command.margin_multiple),
        self_trade_prevention=_word(SelfTrade, command.self_trade_prevention, "self_trade_prevention"),
        scope=_word(SelfTradeScope, command.self_trade_scope, "self_trade_scope"),
        firm=command.firm,
        currency=command.currency,
    )
    _word(CostMethod, command.cost_method, "cost_method")
    if all(known.name != command.account for known in state.accounts):
        state.accounts.append(account)


def deposit(state: State, command: Deposit) -> None:
    account = find_account(state, command.account)
    amount = steps(command.amount, MONEY, "amount")
    if abs(amount) > MOST_DEPOSITS or account.deposits + amount > MOST_DEPOSITS:
        raise Refused(Reason.INVALID_FIELD, "amount")
    account.deposits += amount
    if amount < 0 and (account.deposits < 0 or (account.margin > 0 and account.available < 0)):
        account.deposits -= amount
        raise Refused(Reason.BUYING_POWER, "amount")


def set_fees(state: State, command: Fees) -> None:
    account = find_account(state, command.account)
    _check_fees(command.maker_fee_ppm or 0, command.taker_fee_ppm or 0)
    account.maker_ppm, account.taker_ppm = command.maker_fee_ppm, command.taker_fee_ppm


def set_limits(state: State, ts_ns: int, command: Limits) -> None:
    """What is refused changes nothing: everything is looked at before anything is set."""
    account = find_account(state, command.account)
    instrument = None if command.symbol is None else find_instrument(state, command.symbol)
    limits = {}
    for name in LIMITS:
        value = getattr(command, name)
        if value is not None:
            limits[name] = None if value < 0 else _limit(instrument, name, value)
    settings = {}
    for name, read in READERS.items():
        value = getattr(command, name)
        if value is None:
            continue
        if instrument is not None:
            raise Refused(Reason.INVALID_FIELD, name)
        settings[name] = read(value)

    if settings.get("margin_multiple", 0) > 0 and account.margin == 0 and _is_abroad(state, account):
        raise Refused(Reason.INVALID_FIELD, "margin_multiple")

    target: dict[str, Any] = account.limits if instrument is None else account.holding(instrument.number).limits
    for name, limit in limits.items():
        if limit is None:
            target.pop(name, None)
        else:
            target[name] = limit
    for name, setting in settings.items():
        setattr(account, ATTRIBUTES[name], setting)
    if "messages_per_second" in settings or "message_burst" in settings:
        account.fill_bucket(ts_ns)


def _is_abroad(state: State, account: Account) -> bool:
    """Whether it has traded, or has orders, in another currency."""
    return any(
        state.instruments[number - 1].definition.currency != account.currency
        and (holding.bought or holding.sold or holding.open_orders)
        for number, holding in account.holdings.items()
    )


def _limit(instrument: Instrument | None, name: str, value: Any) -> Any:
    """A limit of one instrument as an integer, or of all of them as it was given."""
    most = {"max_open_orders": MOST_OPEN_ORDERS, "price_collar_ppm": MOST_COLLAR_PPM}
    if name in most:
        if value > most[name]:
            raise Refused(Reason.INVALID_FIELD, name)
        return value
    _check_decimal(value, name)
    if name == "max_order_notional":
        return min(MOST, steps(value, MONEY, name))
    if instrument is None:
        return Fraction(value)
    return min(MOST, steps(value, instrument.lot, name, Reason.QUANTITY_INCREMENT))


def _check_decimal(value: Decimal, name: str) -> None:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or value > 10**18:
        raise Refused(Reason.INVALID_FIELD, name)


def _margin(multiple: Decimal) -> int:
    hundredths = steps(multiple, Fraction(1, 100), "margin_multiple")
    if not 0 <= hundredths <= MOST_MARGIN:
        raise Refused(Reason.INVALID_FIELD, "margin_multiple")
    return hundredths


def _rate(messages: int) -> int:
    if messages > MOST_RATE:
        raise Refused(Reason.INVALID_FIELD, "messages_per_second")
    return max(0, messages)


def _burst(messages: int) -> int | None:
    if messages == 0 or messages > MOST_RATE:
        raise Refused(Reason.INVALID_FIELD, "message_burst")
    return messages if messages > 0 else None


def _word(words: Any, word: str, name: str) -> Any:
    if word not in words.words():
        raise Refused(Reason.INVALID_FIELD, name)
    return words(words.words()[word])


READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "messages_per_second": _rate,
    "message_burst": _burst,
    "margin_multiple": _margin,
    "self_trade_prevention": lambda word: _word(SelfTrade, word, "self_trade_prevention"),
    "self_trade_scope": lambda word: _word(SelfTradeScope, word, "self_trade_scope"),
}
"""How the settings of a whole account are read, in the order in which they are looked at."""
ATTRIBUTES: Final = {
    "messages_per_second": "rate",
    "message_burst": "burst",
    "margin_multiple": "margin",
    "self_trade_prevention": "self_trade_prevention",
    "self_trade_scope": "scope",
}


def steps(value: Decimal, step: Fraction, name: str, reason: Reason = Reason.INVALID_FIELD) -> int:
    """How many steps make the value."""
    if not value.is_finite():
        raise Refused(Reason.INVALID_FIELD, name)
    count = Fraction(value) / step
    if count.denominator != 1:
        raise Refused(reason, name)
    return int(count)
