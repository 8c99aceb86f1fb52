"""Clients of several gateways: what one that is stopped does not answer, they ask another."""

from __future__ import annotations

import itertools
import threading
from typing import Any, Final

import httpx

from engine.messages import Instrument, NewOrder
from tests.faults.load import ACCOUNTS, Acknowledged, Flow, Sender, Taken
from tests.gateway.events import Stream
from tests.system import System

ANSWER_S: Final = 20.0


class Gateways:
    """A client of each, in turns, as a balancer picks them."""

    def __init__(self, system: System) -> None:
        token = {"Authorization": f"Bearer {system.token(*ACCOUNTS)}"}
        self._clients = [
            httpx.Client(base_url=url, headers=token, timeout=ANSWER_S) for url in system.settings.gateways
        ]
        self._turns = itertools.cycle(self._clients)

    def next(self) -> httpx.Client:
        return next(self._turns)

    def close(self) -> None:
        for client in self._clients:
            client.close()


class RestSender(Sender):
    """Orders by REST. One without an answer is sent again as it was, to the next gateway."""

    def __init__(self, name: str, seed: int, taken: Taken, system: System, instruments: list[Instrument]) -> None:
        super().__init__(name, seed, taken)
        self._flow = Flow(name, seed, instruments)
        self._gateways = Gateways(system)

    def _send(self) -> None:
        order = self._flow.order()
        self.sent += 1
        while not self.stopped.is_set():
            answer = self._post(order)
            if answer is None or answer.status_code in (502, 503):
                self.repeated += 1
                self.stopped.wait(0.05)
                continue
            assert answer.status_code in (200, 201), answer.text
            said = answer.json()
            self._taken.acknowledged.append(
                Acknowledged(
                    "new", order.account, said["client_order_id"], said["seq"], said["outcome"], said["order_id"]
                )
            )
            return

    def _post(self, order: NewOrder) -> httpx.Response | None:
        body = {
            "account": order.account,
            "symbol": order.symbol,
            "side": order.side,
            "quantity": str(order.quantity),
            "limit_price": str(order.limit_price),
            "time_in_force": order.time_in_force,
            "client_order_id": order.client_order_id,
        }
        try:
            return self._gateways.next().post("/api/order", json=body)
        except httpx.TransportError:
            return None

    def _close(self) -> None:
        self._gateways.close()


class Follower(threading.Thread):
    """One client of the event stream, which resumes at the next gateway wherever its stream ends."""

    def __init__(self, system: System) -> None:
        super().__init__(name="follower", daemon=True)
        self.fills: list[str] = []
        """Of each event, in the order of arrival: `fill_id`."""
        self.orders: list[tuple[int, int]] = []
        """So too: `last_seq` and `last_index` of the order."""
        self.snapshots = 0
        self.connections = 0
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self.connected = threading.Event()
        self._gateways = Gateways(system)
        self._last_id = ""

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                self._follow(self._gateways.next())
        except Exception as error:  # told in the test's own thread
            self.error = error
            self.connected.set()
        finally:
            self._gateways.close()

    def _follow(self, gateway: httpx.Client) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        try:
            with gateway.stream("GET", "/api/stream", params={"topics": "orders,fills"}, headers=headers) as answer:
                if answer.status_code != 503:  # it has read Kafka
                    assert answer.status_code == 200, answer.read()
                    self.connections += 1
                    self._read(Stream(answer))
        except httpx.TransportError:
            self.stopped.wait(0.05)

    def _read(self, events: Stream) -> None:
        for event in events:
            self._note(event.event, event.data)
            self._last_id = event.id or self._last_id
            if self.stopped.is_set():
                return

    def _note(self, name: str, data: Any) -> None:
        if name == "snapshot":
            self.snapshots += 1
            self.connected.set()
        elif name == "fills":
            self.fills.append(data["fill_id"])
        elif name == "orders":
            self.orders.append((int(data["last_seq"]), data["last_index"]))
        else:
            assert name == "disconnect", (name, data)
