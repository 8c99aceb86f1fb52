"""What administrative commands say, as the core's numbers: instruments, accounts, their limits, prints. Pure: nothing
is changed here. Everything raises `Refusal` for what cannot be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from engine.book import LEVELS
from engine.messages import DefineAccount, DefineInstrument, Fees, Limits, Print, SetPhase, SymbolLimits
from engine.refusal import Refusal
from engine.registry import AccountEntry, Accounts, InstrumentEntry, Instruments, max_quantity
from engine.units import MONEY_DECIMALS, NotMultiple, OutOfRange, Scale, money_text, steps
from engine.words import CostMethod, Phase, Reason, SelfTrade, SelfTradeScope, Side

MOST_FEE_PPM: Final = 100_000
MOST_MONEY: Final = 1 << 56
"""Money units that an account may have been paid in all."""
MOST_MARGIN: Final = 100 * 100
"""Hundredths of the multiple."""
MOST_MESSAGES: Final = 1_000_000
MOST_OPEN_ORDERS: Final = (1 << 31) - 1
MOST_COLLAR_PPM: Final = 100_000_000
MOST: Final = 1 << 62
"""Larger limits are as good as this one."""
HUNDREDTH: Final = Decimal("0.01")
MONEY_STEP: Final = Decimal(1).scaleb(-MONEY_DECIMALS)


def find_account(accounts: Accounts, account: str) -> AccountEntry:
    entry = accounts.find(account)
    if entry is None:
        raise Refusal(Reason.UNKNOWN_ACCOUNT, "account")
    return entry


def find_instrument(instruments: Instruments, symbol: str) -> InstrumentEntry:
    entry = instruments.find(symbol)
    if entry is None:
        raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol")
    return entry


def _ticks(scale: Scale, price: Decimal, name: str) -> int:
    try:
        return scale.ticks(price)
    except NotMultiple:
        raise Refusal(Reason.PRICE_INCREMENT, name) from None
    except OutOfRange:
        raise Refusal(Reason.INVALID_PRICE, name) from None


def money(amount: Decimal, name: str) -> int:
    """Money units; more than `units.steps` takes."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or abs(amount) > 10**18:
        raise Refusal(Reason.INVALID_FIELD, name, "a number of at most 6 decimals")
    units, rest = _divided(amount, MONEY_STEP)
    if rest:
        raise Refusal(Reason.INVALID_FIELD, name, "at most 6 decimals")
    return units


def _divided(value: Decimal, step: Decimal) -> tuple[int, int]:
    """How many whole steps are in a value, and whether something is left."""
    top, bottom = value.as_integer_ratio()
    step_top, step_bottom = step.as_integer_ratio()
    return divmod(top * step_bottom, bottom * step_top)


def _check_fees(command: DefineInstrument | Fees) -> None:
    for name in ("maker_fee_ppm", "taker_fee_ppm"):
        if abs(getattr(command, name) or 0) > MOST_FEE_PPM:
            raise Refusal(Reason.INVALID_FIELD, name, f"at most {MOST_FEE_PPM} millionths")


# ---------------------------------------------------------------------------------------------------- instruments


def instrument_entry(instruments: Instruments, command: DefineInstrument, seq: int, ts_ns: int) -> InstrumentEntry:
    """The instrument as it will be: a known one keeps its number."""
    try:
        scale = Scale(command.tick_size, command.lot_size)
    except (NotMultiple, OutOfRange) as error:
        text = f"tick_size × lot_size must be a positive multiple of 0.000001: {error}"
        raise Refusal(Reason.INVALID_FIELD, "tick_size", text) from None
    price_min = _ticks(scale, command.price_min, "price_min")
    price_max = _ticks(scale, command.price_max, "price_max")
    if price_min < 1 or price_max < price_min:
        raise Refusal(Reason.INVALID_FIELD, "price_min", "0 < price_min <= price_max must hold")
    if price_max - price_min >= LEVELS:
        text = f"price_min to price_max may span at most {LEVELS} ticks"
        raise Refusal(Reason.INVALID_FIELD, "price_max", text)
    _check_fees(command)
    known = instruments.find(command.symbol)
    if known is not None:
        for name in ("tick_size", "lot_size", "price_min", "price_max", "currency"):
            if getattr(known.definition, name) != getattr(command, name):
                raise Refusal(Reason.INVALID_FIELD, name, "cannot change once the instrument exists")
    number = known.number if known else len(instruments) + 1
    most = max_quantity(price_max, scale.money_per_tick_lot)
    if known is not None:
        return known._replace(definition=command, seq=seq, ts_ns=ts_ns)
    return InstrumentEntry(number, command, scale, price_min, price_max, most, seq, ts_ns)


class PrintNumbers(NamedTuple):
    instrument: int
    price: int
    """Ticks."""
    quantity: int
    """Lots."""
    side: int
    """0 = none."""


def print_numbers(instruments: Instruments, command: Print) -> PrintNumbers:
    entry = find_instrument(instruments, command.symbol)
    price = _ticks(entry.scale, command.price, "price")
    if price <= 0:
        raise Refusal(Reason.INVALID_PRICE, "price")
    try:
        quantity = entry.scale.lots(command.quantity)
    except NotMultiple:
        raise Refusal(Reason.QUANTITY_INCREMENT, "quantity") from None
    except OutOfRange:
        raise Refusal(Reason.INVALID_QUANTITY, "quantity") from None
    if quantity <= 0:
        raise Refusal(Reason.INVALID_QUANTITY, "quantity")
    side = 0
    if command.aggressor_side is not None:
        side = word(Side, command.aggressor_side, "aggressor_side")
    if not 0 <= command.transact_ns < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, "transact_ns", "transact_ns must be between 0 and 2^63")
    return PrintNumbers(entry.number, price, quantity, side)


def phase_number(command: SetPhase, now: Phase) -> int:
    """The phase that an instrument, which is in phase `now`, is to have."""
    number = Phase.words().get(command.phase, int(Phase.HALTED))
    if int(Phase.HALTED) in (number, int(now)):
        raise Refusal(Reason.INVALID_FIELD, "phase", "a phase of the day, and not while trading is halted")
    if not 0 <= command.day_ends_ns < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, "day_ends_ns", "day_ends_ns must be between 0 and 2^63")
    if command.venue is not None and number != Phase.OPENING_AUCTION:
        raise Refusal(Reason.INVALID_FIELD, "venue", "venue: only an opening auction is held for one")
    return number


# ------------------------------------------------------------------------------------------------------- accounts


def word(words: Any, text: str, name: str) -> int:
    """The number of a word."""
    number = words.words().get(text)
    if number is None:
        raise Refusal(Reason.INVALID_FIELD, name, ", ".join(words.words()))
    return int(number)


def _margin(multiple: Decimal) -> int:
    """Hundredths."""
    try:
        hundredths = steps(multiple, HUNDREDTH)
    except ValueError as error:
        raise Refusal(Reason.INVALID_FIELD, "margin_multiple", f"at most 2 decimals: {error}") from None
    if not 0 <= hundredths <= MOST_MARGIN:
        raise Refusal(Reason.INVALID_FIELD, "margin_multiple", "0 to 100")
    return hundredths


def account_entry(command: DefineAccount, number: int, seq: int, ts_ns: int) -> AccountEntry:
    """A new account."""
    deposits = money(command.deposit, "deposit")
    if not 0 <= deposits <= MOST_MONEY:
        raise Refusal(Reason.INVALID_FIELD, "deposit", f"0 to {money_text(MOST_MONEY)}")
    margin = _margin(command.margin_multiple)
    word(SelfTrade, command.self_trade_prevention, "self_trade_prevention")
    word(SelfTradeScope, command.self_trade_scope, "self_trade_scope")
    word(CostMethod, command.cost_method, "cost_method")
    return AccountEntry(
        number=number,
        account=command.account,
        currency=command.currency,
        deposits=deposits,
        firm=command.firm,
        margin=margin,
        self_trade_prevention=command.self_trade_prevention,
        self_trade_scope=command.self_trade_scope,
        messages_per_second=None,
        message_burst=None,
        maker_fee_ppm=None,
        taker_fee_ppm=None,
        killed=False,
        limits=(),
        seq=seq,
        ts_ns=ts_ns,
        cost_method=command.cost_method,
    )


def deposits_after(entry: AccountEntry, amount: Decimal) -> int:
    """What was paid in all after a deposit or a withdrawal, in money units, whether or not the account may."""
    units = money(amount, "amount")
    after = entry.deposits + units
    if abs(units) > MOST_MONEY or after > MOST_MONEY:
        raise Refusal(Reason.INVALID_FIELD, "amount", f"at most {money_text(MOST_MONEY)} in all")
    return after


def with_fees(entry: AccountEntry, command: Fees) -> AccountEntry:
    _check_fees(command)
    return entry._replace(maker_fee_ppm=command.maker_fee_ppm, taker_fee_ppm=command.taker_fee_ppm)


# --------------------------------------------------------------------------------------------------------- limits

QUANTITIES: Final = ("max_order_quantity", "max_long", "max_short")
COUNTS: Final = {"max_open_orders": MOST_OPEN_ORDERS, "price_collar_ppm": MOST_COLLAR_PPM}
LIMITS: Final = SymbolLimits.__struct_fields__[1:]
SETTINGS: Final = (
    *("messages_per_second", "message_burst", "margin_multiple"),
    *("self_trade_prevention", "self_trade_scope"),
)
"""Of the whole account."""


def with_limits(entry: AccountEntry, command: Limits, instrument: InstrumentEntry | None) -> AccountEntry:
    """The account with what the command gives, for one instrument or for all."""
    rows = {row.symbol: row for row in entry.limits}
    row = rows.get(command.symbol) or SymbolLimits(symbol=command.symbol, **dict.fromkeys(LIMITS))
    given = {name: getattr(command, name) for name in LIMITS if getattr(command, name) is not None}
    changed = {name: _limit(name, value, instrument) for name, value in given.items()}
    rows[command.symbol] = msgspec.structs.replace(row, **changed)
    if instrument is not None:
        for name in SETTINGS:
            if getattr(command, name) is not None:
                raise Refusal(Reason.INVALID_FIELD, name, "it is of the whole account: leave symbol out")
    settings = _settings(command)
    whole = [rows[None]] if None in rows else []
    single = [row for symbol, row in rows.items() if symbol is not None]
    kept = tuple(row for row in whole + single if any(getattr(row, name) is not None for name in LIMITS))
    return entry._replace(limits=kept, **settings)


def _limit(name: str, value: Any, instrument: InstrumentEntry | None) -> Any:
    """As `SymbolLimits` has it: text, or a number of orders or millionths; None where the limit is taken away."""
    if name in COUNTS:
        if value > COUNTS[name]:
            raise Refusal(Reason.INVALID_FIELD, name, f"at most {COUNTS[name]}")
        return value if value >= 0 else None
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and value < 0:
        return None
    if not isinstance(exponent, int) or exponent < -30 or value > 10**18:
        raise Refusal(Reason.INVALID_FIELD, name, "a number of at most 30 decimals")
    if name not in QUANTITIES:
        if _divided(value, MONEY_STEP)[1]:
            raise Refusal(Reason.INVALID_FIELD, name, "at most 6 decimals")
    elif instrument is not None and _divided(value, instrument.scale.lot)[1]:
        raise Refusal(Reason.QUANTITY_INCREMENT, name)
    return f"{value:f}"


def _settings(command: Limits) -> dict[str, Any]:
    """What the command sets for the whole account, by the field's name in the entry."""
    settings: dict[str, Any] = {}
    if (rate := command.messages_per_second) is not None:
        if rate > MOST_MESSAGES:
            raise Refusal(Reason.INVALID_FIELD, "messages_per_second", f"at most {MOST_MESSAGES}")
        settings["messages_per_second"] = rate if rate > 0 else None
    if (burst := command.message_burst) is not None:
        if burst == 0 or burst > MOST_MESSAGES:
            raise Refusal(Reason.INVALID_FIELD, "message_burst", f"1 to {MOST_MESSAGES}")
        settings["message_burst"] = burst if burst > 0 else None
    if command.margin_multiple is not None:
        settings["margin"] = _margin(command.margin_multiple)
    for name, words in (("self_trade_prevention", SelfTrade), ("self_trade_scope", SelfTradeScope)):
        if (text := getattr(command, name)) is not None:
            word(words, text, name)
            settings[name] = text
    return settings


BOUNDS: Final = {
    "max_order_quantity": "order_quantity_bound",
    "max_order_notional": "order_notional_bound",
    "max_open_orders": "open_orders_bound",
    "max_long": "long_bound",
    "max_short": "short_bound",
    "price_collar_ppm": "collar_bound",
}
"""The limit's field in `ledger.PAIR`."""


def bounds(entry: AccountEntry, instrument: InstrumentEntry) -> dict[str, int]:
    """What the account's limits are in an instrument, by the fields of `ledger.PAIR`: a symbol's own, or else those of
    the whole account; quantities are rounded down to lots. Where buying power is checked, positions in another currency
    than the account's may not be opened: it could not be told what they cost."""
    rows = {row.symbol: row for row in entry.limits}
    found = {}
    for name, field in BOUNDS.items():
        value: Any = None
        for row in (rows.get(instrument.definition.symbol), rows.get(None)):
            if value is None and row is not None:
                value = getattr(row, name)
        found[field] = 0 if value is None else 1 + min(MOST, _units(name, value, instrument.scale))
    if entry.margin > 0 and is_foreign(entry, instrument):
        found |= {"long_bound": 1, "short_bound": 1}
    return found


def is_foreign(entry: AccountEntry, instrument: InstrumentEntry) -> bool:
    """Whether an instrument is not in the account's currency."""
    return entry.currency != instrument.definition.currency


def _units(name: str, value: Any, scale: Scale) -> int:
    """Lots, money units, orders or millionths."""
    if name in COUNTS:
        return int(value)
    return _divided(Decimal(value), scale.lot if name in QUANTITIES else MONEY_STEP)[0]
