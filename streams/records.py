"""Between the wire and the ledger's integers: what a fill says in ticks and lots, and how a holding is published."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from engine import messages, units, words
from engine.units import Scale
from streams import ledger


class Unusable(ValueError):
    """A record that can be read but not be true: `field` names what is wrong with it, `reason` is a `Reason` word."""

    def __init__(self, reason: words.Reason, field: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.field = field
        self.text = text


@lru_cache(maxsize=262_144)
def _steps(text: str, step: Decimal) -> int:
    return units.steps(Decimal(text), step)


def decimal(text: str) -> Decimal:
    """The number that a text on the wire gives; raises `ValueError` where it gives none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return number


def money(text: str) -> int:
    """Money units of a decimal text, however large. Raises `ValueError` where it is no number or has more than 6
    decimals."""
    whole, _, part = text.partition(".")
    digits = whole.removeprefix("-")
    if not (digits.isdigit() and (whole + part).isascii() and (part.isdigit() or not part)):
        raise ValueError(f"{text!r} is not an amount of money")
    if len(part) > units.MONEY_DECIMALS:
        raise ValueError(f"{text} has more than {units.MONEY_DECIMALS} decimals")
    return int(whole + part.ljust(units.MONEY_DECIMALS, "0"))


def ticks(price: str, scale: Scale) -> int:
    """Ticks of a price text; raises as `units.steps` does, or `InvalidOperation`."""
    return _steps(price, scale.tick)


def lots(quantity: str, scale: Scale) -> int:
    """Lots of a quantity text; raises as `units.steps` does, or `InvalidOperation`."""
    return _steps(quantity, scale.lot)


_NUMBERS = (ValueError, InvalidOperation)


def execution(fill: messages.Fill, scale: Scale) -> ledger.Execution:
    """The fill in ticks, lots and money units.

    Raises:
        Unusable: a number is no multiple of the instrument's step or not positive, or the side is no side.
    """
    field, reason = "quantity", words.Reason.INVALID_QUANTITY
    try:
        quantity = lots(fill.quantity, scale)
        if quantity <= 0:
            raise units.OutOfRange(f"{fill.quantity} is not positive")
        field, reason = "price", words.Reason.INVALID_PRICE
        price = ticks(fill.price, scale)
        if price <= 0:
            raise units.OutOfRange(f"{fill.price} is not positive")
        field, reason = "fee", words.Reason.INVALID_FIELD
        fee = money(fill.fee)
    except _NUMBERS as error:
        raise Unusable(reason, field, str(error) or f"{field} is not a number") from None
    if fill.seq <= 0 or fill.index < 0:
        raise Unusable(words.Reason.INVALID_FIELD, "seq", f"seq {fill.seq}, index {fill.index} number no report")
    if fill.side == "buy":
        signed = quantity
    elif fill.side == "sell":
        signed = -quantity
    else:
        raise Unusable(words.Reason.INVALID_FIELD, "side", f"{fill.side!r} is no side")
    return ledger.Execution(fill.seq, fill.index, signed, price, fee, fill.ts_ns)


def check_position(record: messages.Position, scale: Scale) -> None:
    """Raises `Unusable` where a number that P&L is computed from is none."""
    try:
        field = "quantity"
        lots(record.quantity, scale)
        field = "last_price"
        ticks(record.last_price, scale)
        for field in ("cost", "realized_pnl", "fees"):
            money(getattr(record, field))
    except _NUMBERS as error:
        raise Unusable(words.Reason.INVALID_FIELD, field, str(error) or f"{field} is not a number") from None


def average_price(holding: ledger.Holding, scale: Scale) -> str | None:
    """The average price of the base, which reductions do not change; null when flat (`units.average_text` rounds)."""
    if holding.quantity == 0:
        return None
    return units.average_text(abs(holding.base_cost), holding.base_quantity * scale.money_per_tick_lot, scale.tick)


def position(account: str, symbol: str, holding: ledger.Holding, scale: Scale) -> messages.Position:
    """The holding as it is published."""
    return messages.Position(
        account=account,
        symbol=symbol,
        quantity=scale.quantity_text(holding.quantity),
        average_price=average_price(holding, scale),
        cost=units.money_text(holding.cost),
        realized_pnl=units.money_text(holding.realized),
        fees=units.money_text(holding.fees),
        bought_quantity=scale.quantity_text(holding.bought),
        sold_quantity=scale.quantity_text(holding.sold),
        last_price=scale.price_text(holding.last_price),
        last_seq=holding.last_seq,
        last_index=holding.last_index,
        ts_ns=holding.ts_ns,
    )


class Price(NamedTuple):
    """A price to value positions at: half ticks (bid + ask, or twice the last price), what it is (`mid` or `last`), and
    the `seq` and `ts_ns` of the book or trade that it comes from."""

    half_ticks: int
    source: str
    seq: int
    ts_ns: int


def pnl(
    account: messages.Account,
    peak_profit: int,
    positions: Mapping[str, messages.Position],
    prices: Mapping[str, tuple[Price, Scale]],
) -> messages.Pnl:
    """The account marked to the market. `prices` holds the price and scale of each symbol in `positions`.

    `last_seq` and `ts_ns` are the largest of all that went in: positions, prices and the account itself."""
    lines: list[ledger.Line] = []
    marks: dict[str, messages.Mark] = {}
    last_seq, ts_ns = account.seq, account.ts_ns
    for symbol, held in positions.items():
        price, scale = prices[symbol]
        cost = money(held.cost)
        value = ledger.market_value(lots(held.quantity, scale), price.half_ticks, scale.money_per_tick_lot)
        lines.append(ledger.Line(cost, money(held.realized_pnl), money(held.fees), value))
        marks[symbol] = messages.Mark(
            price=units.average_text(price.half_ticks, 2, scale.tick),
            source=price.source,
            seq=price.seq,
            position_seq=held.last_seq,
            position_index=held.last_index,
            quantity=held.quantity,
            unrealized_pnl=units.money_text(value - cost),
        )
        last_seq = max(last_seq, price.seq, held.last_seq)
        ts_ns = max(ts_ns, price.ts_ns, held.ts_ns)
    deposits = money(account.deposits)
    totals = ledger.value_account(deposits, peak_profit, lines)
    return messages.Pnl(
        account=account.account,
        currency=account.currency,
        deposits=units.money_text(deposits),
        realized_pnl=units.money_text(totals.realized),
        unrealized_pnl=units.money_text(totals.unrealized),
        fees=units.money_text(totals.fees),
        equity=units.money_text(totals.equity),
        peak_equity=units.money_text(totals.peak_equity),
        drawdown=units.money_text(totals.drawdown),
        gross_exposure=units.money_text(totals.gross_exposure),
        net_exposure=units.money_text(totals.net_exposure),
        marks=marks,
        last_seq=last_seq,
        ts_ns=ts_ns,
    )


def peak_profit(record: messages.Pnl) -> int:
    """The peak that a published record carries, as profit."""
    return money(record.peak_equity) - money(record.deposits)
