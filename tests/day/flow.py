"""A trading day for three symbols: orders of many kinds, cancels, refusals and halts, as fast as it is asked for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.messages import Cancel, ListedOrder, NewOrder, OrderCommand, OrderList, Replace

SYMBOLS: Final = ("AAPL", "MSFT", "BTCUSD")
TICKS: Final = {"AAPL": Decimal("0.01"), "MSFT": Decimal("0.01"), "BTCUSD": Decimal("0.50")}
LOTS: Final = {"AAPL": Decimal(1), "MSFT": Decimal(1), "BTCUSD": Decimal("0.0001")}
STRATEGIES: Final = (None, None, "north", "south", "east")
KEPT: Final = 2_000
"""Orders that the flow still cancels and replaces."""


class Flow:
    """Seeded. `middles`: the prices to begin with."""

    def __init__(self, seed: int, accounts: list[str], middles: dict[str, Decimal]) -> None:
        self._chance = random.Random(seed)
        self._accounts = accounts
        self._middles = dict(middles)
        self._resting: deque[NewOrder] = deque(maxlen=KEPT)
        self.orders = 0

    def commands(self, orders: int) -> Iterator[OrderCommand]:
        """Until it has sent so many new orders in all, legs of lists included."""
        while self.orders < orders:
            yield self._command()

    @staticmethod
    def name(number: int) -> str:
        """The client order id of an order, from 1."""
        return f"day-{number}"

    def _command(self) -> OrderCommand:
        chance = self._chance
        draw = chance.random()
        if draw < 0.12 and self._resting:
            known = self._resting[chance.randrange(len(self._resting))]
            return Cancel(account=known.account, client_order_id=known.client_order_id)
        if draw < 0.16 and self._resting:
            known = self._resting[chance.randrange(len(self._resting))]
            price = self._price(known.symbol, 4)
            return Replace(
                account=known.account,
                client_order_id=known.client_order_id,
                symbol=known.symbol,
                limit_price=price,
            )
        if draw < 0.165:
            return self._bracket()
        return self._order()

    def _price(self, symbol: str, width: int) -> Decimal:
        tick = TICKS[symbol]
        if self._chance.random() < 0.02:
            self._middles[symbol] += self._chance.choice((-1, 1)) * tick
        return self._middles[symbol] + self._chance.randint(-width, width) * tick

    def _quantity(self, symbol: str) -> Decimal:
        return self._chance.randint(1, 40) * LOTS[symbol]

    def _order(self) -> NewOrder:
        chance = self._chance
        self.orders += 1
        symbol = chance.choice(SYMBOLS)
        fields = {
            "account": chance.choice(self._accounts),
            "symbol": symbol,
            "side": chance.choice(("buy", "sell")),
            "quantity": self._quantity(symbol),
            "client_order_id": self.name(self.orders),
            "strategy": chance.choice(STRATEGIES),
        }
        draw = chance.random()
        if draw < 0.02:  # off the tick: refused at the door
            return NewOrder(**fields, limit_price=self._middles[symbol] + TICKS[symbol] / 3, time_in_force="gtc")
        if draw < 0.03:  # outside the band
            return NewOrder(**fields, limit_price=TICKS[symbol], time_in_force="gtc")
        if draw < 0.04:
            return NewOrder(**{**fields, "symbol": "NOWHERE"}, limit_price=Decimal(1), time_in_force="gtc")
        if draw < 0.10:
            return NewOrder(**fields, order_type="market", time_in_force="ioc")
        if draw < 0.13:
            trail = {"trail_amount": chance.randint(2, 9) * TICKS[symbol]}
            return NewOrder(**fields, order_type="trailing_stop", time_in_force="gtc", **trail)
        if draw < 0.16:
            shown = {"display_quantity": LOTS[symbol]}
            return self._kept(NewOrder(**fields, limit_price=self._price(symbol, 3), time_in_force="gtc", **shown))
        if draw < 0.35:
            return NewOrder(**fields, limit_price=self._price(symbol, 3), time_in_force="ioc")
        away = chance.randint(0, 12) * TICKS[symbol]
        price = self._middles[symbol] - away if fields["side"] == "buy" else self._middles[symbol] + away
        return self._kept(NewOrder(**fields, limit_price=price, time_in_force="gtc"))

    def _kept(self, order: NewOrder) -> NewOrder:
        self._resting.append(order)
        return order

    def _bracket(self) -> OrderList:
        chance = self._chance
        symbol = chance.choice(SYMBOLS)
        quantity, tick, middle = self._quantity(symbol), TICKS[symbol], self._middles[symbol]
        names = [self.name(self.orders + leg) for leg in (1, 2, 3)]
        self.orders += 3
        return OrderList(
            account=chance.choice(self._accounts),
            symbol=symbol,
            list_type="bracket",
            orders=[
                ListedOrder(
                    side="buy",
                    quantity=quantity,
                    order_type="market",
                    time_in_force="ioc",
                    client_order_id=names[0],
                ),
                ListedOrder(
                    side="sell",
                    quantity=quantity,
                    limit_price=middle + 5 * tick,
                    time_in_force="gtc",
                    client_order_id=names[1],
                ),
                ListedOrder(
                    side="sell",
                    quantity=quantity,
                    order_type="stop",
                    stop_price=middle - 5 * tick,
                    time_in_force="gtc",
                    client_order_id=names[2],
                ),
            ],
        )
