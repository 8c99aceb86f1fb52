"""One account, one symbol and one Alpaca of a test's own, on an engine that is shared."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.client import Client
from engine.messages import (
    Alert,
    Cancel,
    DefineAccount,
    DefineInstrument,
    Fill,
    ListedOrder,
    NewOrder,
    OrderList,
    OrderState,
    Replace,
)
from engine.topics import ALERTS, FILLS
from streams.feeds.alpaca.source import Keys
from streams.outbox import Outbox
from streams.strategies.instrument import listed
from streams.venues.alpaca import driver
from streams.venues.alpaca.desk import Desk
from streams.venues.alpaca.orders import Ours
from streams.venues.alpaca.trading import Trading
from tests.engine.doors import AAPL
from tests.engine.doors import SECRET as ENGINE_SECRET
from tests.engine.test_publisher import flat, read_all
from tests.streams.venues.alpaca_trading_server import KEY, SECRET, TradingServer

LIMIT_S = 60.0
INSTRUMENT = """
[{}]
tick_size = "0.01"
lot_size = "1"
price_min = "1.00"
price_max = "2000.00"
"""


class Exchange(NamedTuple):
    bootstrap: str
    address: str
    client: Client


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    return found


class House:
    """One account, one symbol and one Alpaca of a test's own."""

    def __init__(self, exchange: Exchange, server: TradingServer, name: str) -> None:
        self.exchange, self.server = exchange, server
        self.symbol, self.account, self.venue = name.upper(), name, f"out-{name}"
        self.definition: DefineInstrument = msgspec.structs.replace(AAPL, symbol=self.symbol)
        assert exchange.client.administer(self.definition).reason is None
        assert exchange.client.administer(DefineAccount(account=name, deposit=Decimal(10**6))).reason is None
        exchange.client.connect()
        self.number = 0
        self.desk: Desk

    @contextmanager
    def killed(self, instruments: Path) -> Iterator[None]:
        """The venue's process, a real one, which is killed at the end."""
        self.venue = driver.venue_account(paper=True)
        instruments.write_text(INSTRUMENT.format(self.symbol))
        process = multiprocessing.get_context("spawn").Process(
            target=driver.run,
            args=(self.exchange.address, ENGINE_SECRET, self.exchange.bootstrap, instruments, [self.symbol]),
            kwargs={
                **{"accounts": [self.account], "keys": (KEY, SECRET), "paper": True, "confirmed": "", "ready": print},
                **{"trading_url": self.server.trading_url, "updates_url": self.server.updates_url},
            },
        )
        process.start()
        try:
            wait_for(lambda: self.server.logins)
            yield
        finally:
            process.kill()
            process.join()

    @contextmanager
    def routed(self) -> Iterator[None]:
        """The venue's process at work, in a thread."""
        keys = Keys(KEY, SECRET)
        trading = Trading(
            keys, paper=True, trading_url=self.server.trading_url, updates_url=self.server.updates_url, retry_s=1
        )
        ours = Ours([self.symbol], [self.account], self.venue)
        outbox = Outbox(self.exchange.bootstrap, "venue")
        desk = self.desk = Desk(trading, ours, {self.symbol: listed(self.definition)}, self.venue, outbox)
        stop, ready = threading.Event(), threading.Event()
        ours.start(self.exchange.bootstrap, stop)
        arguments = (desk, self.exchange.address, ENGINE_SECRET, [self.definition], stop, ready.set)
        thread = threading.Thread(target=driver.serve, args=arguments)
        logins = self.server.logins
        trading.start()
        thread.start()
        try:
            assert ready.wait(LIMIT_S)
            wait_for(lambda: self.server.logins > logins)
            yield
        finally:
            stop.set()
            thread.join()
            trading.stop()
            ours.close()
            outbox.close()

    def order(self, quantity: int = 10, price: str | None = "101.00", **more: Any) -> str:
        """Enters a buy; returns its client_order_id."""
        self.number += 1
        fields: dict[str, Any] = {"order_type": "market" if price is None else "limit", "time_in_force": "day"}
        command = NewOrder(
            account=self.account,
            symbol=self.symbol,
            side="buy",
            quantity=Decimal(quantity),
            limit_price=None if price is None else Decimal(price),
            client_order_id=f"{self.account}-{self.number}",
            **{**fields, **more},
        )
        (reply,) = self.exchange.client.submit([command])
        assert reply.reason is None, reply
        return str(command.client_order_id)

    def listed(self, kind: str, *legs: dict[str, Any]) -> list[str]:
        """Enters a list of orders for ten; returns their client_order_ids."""
        self.number += 1
        names = [f"{self.account}-{self.number}-{leg}" for leg in range(1, 1 + len(legs))]
        shared: dict[str, Any] = {"quantity": Decimal(10), "time_in_force": "gtc"}
        orders = [ListedOrder(client_order_id=name, **{**shared, **leg}) for name, leg in zip(names, legs, strict=True)]
        command = OrderList(account=self.account, symbol=self.symbol, list_type=kind, orders=orders)
        for reply in self.exchange.client.submit([command]):
            assert reply.reason is None, reply
        return names

    def exits_of(self, parent: dict[str, Any]) -> list[dict[str, Any]]:
        """The orders that were entered with one at Alpaca, as they stand now."""
        return self.server._others(parent)

    def change(self, name: str, **terms: Any) -> None:
        command = Replace(account=self.account, symbol=self.symbol, client_order_id=name, **terms)
        assert self.exchange.client.submit([command])[0].reason is None

    def cancel(self, name: str) -> None:
        command = Cancel(account=self.account, symbol=self.symbol, client_order_id=name)
        assert self.exchange.client.submit([command])[0].reason is None

    def state(self, name: str) -> OrderState:
        found = self.exchange.client.status(self.account, client_order_id=name)
        assert found is not None
        return found

    def stands(self, name: str, status: str, filled: int = 0) -> None:
        wait_for(lambda: (s := self.state(name)).order_status == status and s.filled_quantity == str(filled))

    def there(self, name: str, revision: int = 0) -> dict[str, Any]:
        """The order of that revision at Alpaca."""
        number = self.state(name).order_id

        def found() -> dict[str, Any] | None:
            named = [
                one
                for one in list(self.server.orders.values())
                if one["client_order_id"].startswith(f"hft-{number}-")
                and one["client_order_id"].endswith(f"-{revision}")
            ]
            return named[0] if named else None

        return wait_for(found)

    def position(self, account: str) -> tuple[str, str, str]:
        held = [one for one in self.exchange.client.positions().positions if one.account == account]
        return (held[0].quantity, held[0].cash, held[0].fees) if held else ("0", "0", "0")

    def published(self, topic: Any, kind: Any) -> list[Any]:
        return [one for one in flat(read_all(self.exchange.bootstrap, topic.name, kind)) if one.symbol == self.symbol]

    def fills(self, count: int) -> list[Fill]:
        """Those of the symbol, once there are so many."""
        found: list[Fill] = []

        def there() -> bool:
            found[:] = self.published(FILLS, Fill)
            return len(found) >= count

        wait_for(there)
        assert len(found) == count
        return found

    def told(self, beginning: str) -> list[str]:
        """Texts of the venue's alerts that begin so."""
        alerts = flat(read_all(self.exchange.bootstrap, ALERTS.name, Alert))
        return [one.text for one in alerts if one.account == self.venue and one.text.startswith(beginning)]

    def agrees(self) -> None:
        """Until a comparison that began after now finds no difference."""
        self.desk.compared = None
        self.desk._reconcile_at = 0.0
        wait_for(lambda: (c := self.desk.compared) is not None and not self.desk._alarm.suspected and not c.differences)
