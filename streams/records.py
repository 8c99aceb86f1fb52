"""Between the wire and the ledger's integers: what a fill says in ticks and lots, and how a holding is published."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from engine import messages, units, words
from engine.layout import NAME_LENGTH
from engine.units import Scale
from streams import candles, ledger


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


@lru_cache(maxsize=262_144)
def money(text: str) -> int:
    """Money units of a decimal text. Raises `ValueError` where it is no number, or has more than 6 decimals or
    MOST_DIGITS digits."""
    whole, _, part = text.partition(".")
    digits = whole.removeprefix("-")
    if not (digits.isdigit() and (whole + part).isascii() and (part.isdigit() or not part)):
        raise ValueError(f"{text!r} is not an amount of money")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"an amount of money has at most {MOST_DIGITS} digits, this one {len(digits)}")
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
MOST_DIGITS = 60
"""More than any sum here can have, and few enough to be written and read again by anything."""
LIMIT = 2**63
"""Numbers of reports and stamps are signed 64-bit numbers everywhere else."""


def check_name(field: str, name: str) -> None:
    """Raises `Unusable` where no account or strategy can have this name: it becomes a part of keys."""
    if not (0 < len(name) <= NAME_LENGTH and name.isascii() and "|" not in name):
        raise Unusable(words.Reason.INVALID_FIELD, field, f"{name[:NAME_LENGTH]!r} is no name")


def check_stamps(seq: int, index: int, *times_ns: int) -> None:
    """Raises `Unusable` where the numbers of a report or its times are out of their range."""
    if not (0 < seq < LIMIT and 0 <= index < LIMIT):
        raise Unusable(words.Reason.INVALID_FIELD, "seq", f"seq {seq}, index {index} number no report")
    for ts_ns in times_ns:
        if not 0 <= ts_ns < LIMIT:
            raise Unusable(words.Reason.INVALID_FIELD, "ts_ns", f"{ts_ns} is no time")


def size(quantity: str, scale: Scale) -> int:
    """Lots of a quantity, 0 included. Raises `Unusable` where it is no multiple of the instrument's lot."""
    try:
        found = lots(quantity, scale)
        if found < 0:
            raise units.OutOfRange(f"{quantity} is negative")
    except _NUMBERS as error:
        raise Unusable(words.Reason.INVALID_QUANTITY, "quantity", str(error) or "quantity is not a number") from None
    return found


def size_and_price(quantity: str, price: str, scale: Scale) -> tuple[int, int]:
    """Lots and ticks of what was traded. Raises `Unusable` where one is not positive or no multiple of its step."""
    traded = size(quantity, scale)
    if traded == 0:
        raise Unusable(words.Reason.INVALID_QUANTITY, "quantity", f"{quantity} is not positive")
    try:
        at = ticks(price, scale)
        if at <= 0:
            raise units.OutOfRange(f"{price} is not positive")
    except _NUMBERS as error:
        raise Unusable(words.Reason.INVALID_PRICE, "price", str(error) or "price is not a number") from None
    return traded, at


def execution(fill: messages.Fill, scale: Scale) -> ledger.Execution:
    """The fill in ticks, lots and money units.

    Raises:
        Unusable: a number is no multiple of the instrument's step or not positive, or the side is no side.
    """
    if fill.strategy is not None:
        check_name("strategy", fill.strategy)
    quantity, price = size_and_price(fill.quantity, fill.price, scale)
    check_stamps(fill.seq, fill.index, fill.ts_ns)
    try:
        fee = money(fill.fee)
    except _NUMBERS as error:
        raise Unusable(words.Reason.INVALID_FIELD, "fee", str(error) or "fee is not a number") from None
    if fill.side == "buy":
        signed = quantity
    elif fill.side == "sell":
        signed = -quantity
    else:
        raise Unusable(words.Reason.INVALID_FIELD, "side", f"{fill.side!r} is no side")
    return ledger.Execution(fill.seq, fill.index, signed, price, fee, fill.ts_ns)


def tick(trade: messages.Trade, scale: Scale) -> candles.Tick:
    """The trade in ticks and lots, and its event time. Raises `Unusable` as `size_and_price` and `check_stamps` do."""
    quantity, price = size_and_price(trade.quantity, trade.price, scale)
    check_stamps(trade.seq, trade.index, trade.ts_ns, trade.transact_ns)
    return candles.Tick(trade.seq, trade.index, trade.ts_ns, trade.transact_ns or trade.ts_ns, price, quantity)


def candle(symbol: str, interval_s: int, bar: candles.Bar, scale: Scale, *, closed: bool) -> messages.Candle:
    """The bar as it is published."""
    return messages.Candle(
        symbol=symbol,
        interval_s=interval_s,
        start_ns=bar.start_ns,
        open=scale.price_text(bar.open),
        high=scale.price_text(bar.high),
        low=scale.price_text(bar.low),
        close=scale.price_text(bar.close),
        volume=scale.quantity_text(bar.volume),
        turnover=units.money_text(bar.turnover * scale.money_per_tick_lot),
        vwap=scale.average_price_text(bar.turnover, bar.volume),
        trades=bar.trades,
        closed=closed,
        last_seq=bar.last_seq,
        last_index=bar.last_index,
        ts_ns=bar.ts_ns,
    )


def check_position(record: messages.Position, scale: Scale) -> None:
    """Raises `Unusable` where a number that P&L is computed from is none."""
    check_name("account", record.account)
    for strategy in record.strategies:
        check_name("strategy", strategy.strategy)
    check_stamps(record.last_seq, record.last_index, record.ts_ns)
    try:
        field = "last_price"
        ticks(record.last_price, scale)
        parts: list[messages.Position | messages.StrategyPosition] = [record, *record.strategies]
        for part in parts:
            field = "quantity"
            lots(part.quantity, scale)
            for field in ("cost", "realized_pnl", "fees"):
                money(getattr(part, field))
    except _NUMBERS as error:
        raise Unusable(words.Reason.INVALID_FIELD, field, str(error) or f"{field} is not a number") from None


def check_pnl(record: messages.Pnl) -> None:
    """Raises `Unusable` where a name or a number is out of its range."""
    check_name("account", record.account)
    for symbol in record.marks:
        check_name("marks", symbol)
    check_stamps(record.last_seq, 0, record.ts_ns)
    for field in ("equity", "peak_equity", "drawdown", "gross_exposure"):
        try:
            money(getattr(record, field))
        except _NUMBERS as error:
            raise Unusable(words.Reason.INVALID_FIELD, field, str(error) or f"{field} is not a number") from None


def average_price(holding: ledger.Holding, scale: Scale) -> str | None:
    """The average price of the base, which reductions do not change; null when flat (`units.average_text` rounds)."""
    if holding.quantity == 0:
        return None
    return scale.average_price_text(abs(holding.base_cost), holding.base_quantity * scale.money_per_tick_lot)


def strategy_position(strategy: str, holding: ledger.Holding, scale: Scale) -> messages.StrategyPosition:
    """A strategy's part of a position as it is published."""
    return messages.StrategyPosition(
        strategy=strategy,
        quantity=scale.quantity_text(holding.quantity),
        average_price=average_price(holding, scale),
        cost=units.money_text(holding.cost),
        realized_pnl=units.money_text(holding.realized),
        fees=units.money_text(holding.fees),
        bought_quantity=scale.quantity_text(holding.bought),
        sold_quantity=scale.quantity_text(holding.sold),
    )


def position(
    account: str,
    symbol: str,
    holding: ledger.Holding,
    scale: Scale,
    strategies: list[messages.StrategyPosition],
    action_seq: int,
) -> messages.Position:
    """The holding as it is published, with the strategies that it changed; `action_seq` is of the symbol's last
    corporate action that it has counted."""
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
        strategies=strategies,
        action_seq=action_seq,
    )


class Price(NamedTuple):
    """A price to value positions at: half ticks (bid + ask, or twice the last price), what it is (`words.MarkSource`),
    and the `seq` and `ts_ns` of the book, trade, close or corporate action that it comes from."""

    half_ticks: int
    source: str
    seq: int
    ts_ns: int


class Conversion(NamedTuple):
    """A price that gives what a currency is worth in another one; `inverse`: of the other one in it."""

    symbol: str
    price: Price
    scale: Scale
    inverse: bool

    @property
    def rate(self) -> ledger.Rate:
        numerator, denominator = self.scale.tick.as_integer_ratio()
        rate = ledger.Rate(self.price.half_ticks * numerator, 2 * denominator)
        return ledger.Rate(rate.denominator, rate.numerator) if self.inverse else rate


class Exchange(NamedTuple):
    """The currencies that an account has to do with: its own, that of each symbol, and how the others are converted,
    None where that is not known."""

    home: str
    currencies: Mapping[str, str]
    conversions: Mapping[str, Conversion | None]

    def sums(self, lines: Mapping[str, ledger.Line]) -> dict[str, ledger.Sums]:
        """Of each currency, in that currency; `lines` are by symbol."""
        found: dict[str, list[ledger.Line]] = {}
        for symbol, at_mark in lines.items():
            found.setdefault(self.currencies.get(symbol, self.home), []).append(at_mark)
        return {currency: ledger.add_up(some) for currency, some in found.items()}

    def at_home(self, sums: Mapping[str, ledger.Sums]) -> list[ledger.Sums]:
        """All that can be converted, in the account's own currency."""
        parts = []
        for currency, amounts in sums.items():
            if currency == self.home:
                parts.append(amounts)
            elif (conversion := self.conversions.get(currency)) is not None:
                parts.append(ledger.converted(amounts, conversion.rate))
        return parts

    def published(self, currency: str, sums: ledger.Sums) -> messages.CurrencyPnl:
        conversion = self.conversions.get(currency)
        price = None if conversion is None else conversion.price
        return messages.CurrencyPnl(
            realized_pnl=units.money_text(sums.realized),
            unrealized_pnl=units.money_text(sums.unrealized),
            fees=units.money_text(sums.fees),
            gross_exposure=units.money_text(sums.gross),
            net_exposure=units.money_text(sums.net),
            symbol=None if conversion is None else conversion.symbol,
            price=None if conversion is None else price_text(conversion.price, conversion.scale),
            source=None if price is None else price.source,
            seq=None if price is None else price.seq,
        )


def price_text(price: Price, scale: Scale) -> str:
    """A mark as it is published."""
    return units.average_text(price.half_ticks, 2, scale.tick)


Prices = Mapping[str, tuple[Price, Scale]]
"""What each symbol is valued at, and its units."""
StrategyPositions = Mapping[str, Mapping[str, messages.StrategyPosition]]
"""Strategy → symbol → what it holds."""


def line(held: messages.Position | messages.StrategyPosition, price: Price, scale: Scale) -> ledger.Line:
    """A position at its mark."""
    value = ledger.market_value(lots(held.quantity, scale), price.half_ticks, scale.money_per_tick_lot)
    return ledger.Line(money(held.cost), money(held.realized_pnl), money(held.fees), value)


def strategy_pnl(
    positions: Mapping[str, messages.StrategyPosition],
    prices: Prices,
    exchange: Exchange,
    last: messages.StrategyPnl | None,
) -> messages.StrategyPnl:
    """One strategy marked to the market; `last` is what was published of it before."""
    lines = {symbol: line(held, *prices[symbol]) for symbol, held in positions.items()}
    parts = exchange.at_home(exchange.sums(lines))
    totals = ledger.value_account(0, 0 if last is None else money(last.peak_profit), parts)
    return messages.StrategyPnl(
        realized_pnl=units.money_text(totals.realized),
        unrealized_pnl=units.money_text(totals.unrealized),
        fees=units.money_text(totals.fees),
        profit=units.money_text(totals.equity),
        peak_profit=units.money_text(totals.peak_profit),
        drawdown=units.money_text(totals.drawdown),
        gross_exposure=units.money_text(totals.gross_exposure),
        net_exposure=units.money_text(totals.net_exposure),
    )


def pnl(
    account: messages.Account,
    last: messages.Pnl | None,
    positions: Mapping[str, messages.Position],
    strategies: StrategyPositions,
    prices: Prices,
    exchange: Exchange,
) -> messages.Pnl:
    """The account marked to the market, in its own currency. `prices` holds the price and scale of each symbol in
    `positions`; `last` is the account's record before this one.

    `last_seq` and `ts_ns` are the largest of all that went in: positions, prices, rates and the account itself."""
    lines: dict[str, ledger.Line] = {}
    marks: dict[str, messages.Mark] = {}
    last_seq, ts_ns = account.seq, account.ts_ns
    for symbol, held in positions.items():
        price, scale = prices[symbol]
        at_mark = lines[symbol] = line(held, price, scale)
        marks[symbol] = messages.Mark(
            price=price_text(price, scale),
            source=price.source,
            seq=price.seq,
            position_seq=held.last_seq,
            position_index=held.last_index,
            quantity=held.quantity,
            unrealized_pnl=units.money_text(at_mark.value - at_mark.cost),
        )
        last_seq = max(last_seq, price.seq, held.last_seq)
        ts_ns = max(ts_ns, price.ts_ns, held.ts_ns)
    deposits = money(account.deposits)
    for conversion in exchange.conversions.values():
        if conversion is not None:
            last_seq, ts_ns = max(last_seq, conversion.price.seq), max(ts_ns, conversion.price.ts_ns)
    sums = exchange.sums(lines)
    totals = ledger.value_account(deposits, 0 if last is None else peak_profit(last), exchange.at_home(sums))
    before = {} if last is None else last.strategies
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
        strategies={name: strategy_pnl(held, prices, exchange, before.get(name)) for name, held in strategies.items()},
        currencies={name: exchange.published(name, one) for name, one in sums.items() if name != exchange.home},
    )


def peak_profit(record: messages.Pnl) -> int:
    """The peak that a published record carries, as profit."""
    return money(record.peak_equity) - money(record.deposits)
