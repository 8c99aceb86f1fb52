"""What an administrator and the schedule do while orders come: phases, halts, timers, limits, fees, the kill switch."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec
from small_exchange import ACCOUNTS, INSTRUMENTS, SYMBOLS

from engine.messages import (
    AdministrativeCommand,
    DefineAccount,
    Deposit,
    Dividend,
    Fees,
    Halt,
    Kill,
    Limits,
    Print,
    Refused,
    Resume,
    SetPhase,
    Split,
    Timer,
)
from engine.words import SelfTrade, SelfTradeScope

NAMES: Final = tuple(account.account for account in ACCOUNTS)
LIMITS: Final[dict[str, tuple[Any, ...]]] = {
    "max_order_quantity": (Decimal(20), Decimal(29), Decimal("0.0025"), Decimal(-1)),
    "max_order_notional": (Decimal(15), Decimal("100.5"), Decimal("0.0000001"), Decimal(-1)),
    "max_open_orders": (1, 3, 8, -1, -1, 2**31),
    "max_long": (Decimal(30), Decimal(100), Decimal("0.0100"), Decimal(0), Decimal(-1)),
    "max_short": (Decimal(30), Decimal(100), Decimal("0.0100"), Decimal(0), Decimal(-1)),
    "price_collar_ppm": (0, 10_000, 20_000, 300_000, -1, 10**8 + 1),
}
OF_ACCOUNTS: Final[dict[str, tuple[Any, ...]]] = {
    "messages_per_second": (40, 300, 0, 0, -1, 10**6 + 1),
    "message_burst": (2, 5, -1, 0),
    "margin_multiple": (Decimal(1), Decimal("2.5"), Decimal(0), Decimal("0.001"), Decimal(101)),
    "self_trade_prevention": (*SelfTrade.words(), "never"),
    "self_trade_scope": (*SelfTradeScope.words(), "world"),
}


class Administration:
    """Keeps what it thinks the phases and kill switches are, to switch them back again."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.phases = dict.fromkeys(SYMBOLS, "continuous")
        self.halted: set[str] = set()
        self.killed: set[str | None] = set()

    def command(self, ts_ns: int) -> AdministrativeCommand:
        """What was switched off is switched on again before long."""
        draw = self.draw
        if self.killed and draw.random() < 0.6:
            account = draw.choice(sorted(self.killed, key=str))
            self.killed.discard(account)
            return Kill(account=account, active=False)
        if self.halted and draw.random() < 0.25:
            symbol = draw.choice(sorted(self.halted))
            self.halted.discard(symbol)
            return Resume(symbol=symbol)
        makers: tuple[Callable[[int], AdministrativeCommand], ...] = (
            self._phase, self._halt, self._timer, self._limits, self._fees, self._deposit, self._kill, self._rest,
            self._split, self._dividend,
        )  # fmt: skip
        (make,) = draw.choices(makers, (34, 9, 20, 20, 5, 4, 2, 6, 3, 3))
        return make(ts_ns)

    def _phase(self, ts_ns: int) -> AdministrativeCommand:
        draw = self.draw
        away = [symbol for symbol in SYMBOLS if self.phases[symbol] != "continuous"]
        symbol = draw.choice(away or SYMBOLS)
        phase = "continuous"
        if not away:
            (phase,) = draw.choices(
                ("opening_auction", "closing_auction", "closed", "continuous", "halted", "asleep"), (8, 8, 2, 1, 1, 1)
            )
        elif draw.random() < 0.2:
            phase = draw.choice(("opening_auction", "closing_auction", "closed"))
        if phase not in ("halted", "asleep") and symbol not in self.halted:
            self.phases[symbol] = phase
        day_ends_ns = ts_ns + draw.choice((10**8, 10**10, 2 * 10**10)) if draw.random() < 0.3 else 0
        return SetPhase(symbol=symbol if draw.random() < 0.98 else "NONE", phase=phase, day_ends_ns=day_ends_ns)

    def _halt(self, ts_ns: int) -> AdministrativeCommand:
        symbol = self.draw.choice((SYMBOLS[0], *SYMBOLS))
        if self.draw.random() < 0.1:
            return self.draw.choice((Halt(symbol="NONE"), Resume(symbol="NONE"), Resume(symbol=symbol)))
        self.halted.add(symbol)
        return Halt(symbol=symbol)

    def _timer(self, ts_ns: int) -> AdministrativeCommand:
        return Timer()

    def _limits(self, ts_ns: int) -> AdministrativeCommand:
        draw = self.draw
        symbol = draw.choice((None, None, *SYMBOLS, "NONE"))
        given = {}
        names = [*LIMITS, *(OF_ACCOUNTS if symbol is None or draw.random() < 0.05 else ())]
        for name in draw.sample(names, draw.randint(1, 2)):
            given[name] = draw.choice((LIMITS | OF_ACCOUNTS)[name])
        if draw.random() < 0.5:  # all of them away, or the account would do nothing any more after a while
            symbol = draw.choice((None, *SYMBOLS))
            given = dict.fromkeys(LIMITS, -1)
            for name in ("max_order_quantity", "max_order_notional", "max_long", "max_short"):
                given[name] = Decimal(-1)
        account = draw.choice(NAMES) if draw.random() < 0.97 else "nobody"
        return Limits(account=account, symbol=symbol, **given)

    def _fees(self, ts_ns: int) -> AdministrativeCommand:
        draw = self.draw
        maker, taker = (draw.choice((None, 0, -30, 45, 100_000, -100_001)) for _ in range(2))
        account = draw.choice(NAMES) if draw.random() < 0.95 else "nobody"
        return Fees(account=account, maker_fee_ppm=maker, taker_fee_ppm=taker)

    def _split(self, ts_ns: int) -> AdministrativeCommand:
        """Back and forth, so that prices stay within the band."""
        draw = self.draw
        new, old = draw.choice(((2, 1), (1, 2), (3, 2), (2, 3), (7, 3), (3, 7), (10, 1), (1, 10), (0, 1), (5, 5)))
        return Split(symbol=draw.choice((*SYMBOLS, "NONE")), new_shares=new, old_shares=old)

    def _dividend(self, ts_ns: int) -> AdministrativeCommand:
        amounts = ("0.01", "0.5", "0.05", "0.014", "0.0000001", "0", "-1", "99999")
        symbol = self.draw.choice((*SYMBOLS, "NONE"))
        return Dividend(symbol=symbol, amount=Decimal(self.draw.choice(amounts)))

    def _deposit(self, ts_ns: int) -> AdministrativeCommand:
        amount = self.draw.choice(("10", "100", "-50", "-9999", "0.0000001", "72057594037.927936"))
        account = self.draw.choice(NAMES) if self.draw.random() < 0.95 else "nobody"
        return Deposit(account=account, amount=Decimal(amount))

    def _kill(self, ts_ns: int) -> AdministrativeCommand:
        draw = self.draw
        account = draw.choice((*NAMES, *NAMES, *NAMES, None, "nobody", "nobody"))
        self.killed.add(account)
        return Kill(account=account)

    def _rest(self, ts_ns: int) -> AdministrativeCommand:
        """Commands that touch no order: a new fee, an account that there is, a print, a refusal at a door."""
        draw = self.draw
        instrument = draw.choice(INSTRUMENTS)
        account = draw.choice(ACCOUNTS)
        commands: tuple[AdministrativeCommand, ...] = (
            msgspec.structs.replace(instrument, taker_fee_ppm=draw.choice((30, -7, 100_000, 100_001))),
            msgspec.structs.replace(instrument, price_min=instrument.price_min + instrument.tick_size),
            DefineAccount(account=account.account, deposit=Decimal(draw.choice(("5", "-5")))),
            Print(symbol=instrument.symbol, price=instrument.price_max, quantity=instrument.lot_size * 3),
            Refused(
                account=account.account,
                client_order_id="late",
                symbol=instrument.symbol,
                side="buy",
                reason="price_increment",
                field="limit_price",
                text="",
                request={},
            ),
        )
        return draw.choice(commands)
