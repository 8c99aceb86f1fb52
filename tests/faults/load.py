"""Orders by both doors, from seeded threads, with a note of every one that was acknowledged."""

from __future__ import annotations

import itertools
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from engine.client import Client
from engine.messages import Cancel, DefineAccount, Instrument, NewOrder, OrderCommand, Reply, as_json
from engine.quiet import LIBRDKAFKA
from engine.refusal import Refusal
from engine.topics import ORDERS
from engine.words import Outcome, Reason
from tests.system import System

ACCOUNTS: Final = ("fault-1", "fault-2", "fault-3")
SYMBOLS: Final = ("AAPL", "MSFT", "BTCUSD")
DEPOSIT: Final = Decimal(1_000_000_000)
FRAME: Final = 12
"""Commands in a ZeroMQ frame, at most."""
RESTING: Final = 0.4
"""Share of the orders that stay in the book."""
PAUSE_S: Final = 0.02
"""Between the frames of one sender, at most: the machine has other work to do too."""
LONG_PAUSE_S: Final = 0.06
"""For runs whose length comes from restarts: what they wrote is audited with fractions afterwards."""
LEAD: Final = 2000
"""Orders that the Kafka sender may be ahead of the ZeroMQ senders, who wait while the engine is away."""
NOT_TAKEN: Final = frozenset({Reason.NOT_AUTHORIZED, Reason.BUSY})
"""A whole frame is refused so by an engine that was started between the login and the frame, and where it comes too
late: nothing of it was sequenced."""
ANSWER_S: Final = 1.0
"""After which a sender repeats what was not answered."""


class Acknowledged(NamedTuple):
    """A command whose reply came, and what it said."""

    kind: str
    """`new` or `cancel`."""
    account: str
    client_order_id: str
    seq: int
    outcome: str
    order_id: str | None


@dataclass
class Taken:
    """What the doors have taken so far. Filled by the senders while they run, read by the test."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    delivered: dict[tuple[int, int], str] = field(default_factory=dict)
    """Records of the topic `orders` whose delivery Kafka has reported: (partition, offset) → client_order_id."""
    sent: int = 0
    """Commands sent by either door, repeats not counted; known when the senders have ended."""
    repeated: int = 0
    """Frames that were sent again because no answer came."""


class Flow:
    """Random orders around the middle of each instrument's band, most of which meet another sooner or later."""

    def __init__(self, name: str, seed: int, instruments: list[Instrument]) -> None:
        self._random = random.Random(f"{seed}/{name}")
        self._name = name
        self._instruments = instruments
        self._numbers = itertools.count(1)
        self._resting: list[tuple[str, str]] = []

    def command(self) -> OrderCommand:
        """A new order, or the cancel of one that this flow has entered."""
        chance = self._random
        if self._resting and chance.random() < 0.15:
            account, client_order_id = self._resting.pop(chance.randrange(len(self._resting)))
            return Cancel(account=account, client_order_id=client_order_id)
        order = self.order()
        if order.time_in_force == "gtc":
            self._resting.append((order.account, order.client_order_id or ""))
        return order

    def order(self) -> NewOrder:
        chance = self._random
        instrument = chance.choice(self._instruments)
        tick = Decimal(instrument.tick_size)
        middle = (Decimal(instrument.price_min) + Decimal(instrument.price_max)) / 2 // tick * tick
        return NewOrder(
            account=chance.choice(ACCOUNTS),
            symbol=instrument.symbol,
            side=chance.choice(("buy", "sell")),
            quantity=chance.randint(1, 50) * Decimal(instrument.lot_size),
            limit_price=middle + chance.randint(-5, 5) * tick,
            time_in_force="gtc" if chance.random() < RESTING else "ioc",
            client_order_id=f"{self._name}-{next(self._numbers)}",
        )


class Sender(threading.Thread, ABC):
    """Sends until it is told to stop."""

    def __init__(self, name: str, seed: int, taken: Taken) -> None:
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self.sent = 0
        self.repeated = 0
        self.pause_s = PAUSE_S
        self._taken = taken
        self._pauses = random.Random(f"{seed}/{name}/pauses")

    def run(self) -> None:
        try:
            while not self.stopped.wait(self._pauses.uniform(0, self.pause_s)):
                self._send()
        except Exception as error:  # told by `loading`, in the test's own thread
            self.error = error
        finally:
            self._close()

    @abstractmethod
    def _send(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class ZeroMqSender(Sender):
    """One connection. A frame without an answer is sent again as it was: its client order ids make that safe."""

    def __init__(self, name: str, seed: int, taken: Taken, system: System, instruments: list[Instrument]) -> None:
        super().__init__(name, seed, taken)
        self._flow = Flow(name, seed, instruments)
        self._sizes = random.Random(f"{seed}/{name}/sizes")
        self._client = Client(system.settings.zeromq, system.token(*ACCOUNTS), timeout_s=ANSWER_S)

    def _send(self) -> None:
        commands = [self._flow.command() for _ in range(self._sizes.randint(1, FRAME))]
        self.sent += len(commands)
        while not self.stopped.is_set():
            try:
                replies = self._client.submit(commands)
            except TimeoutError:
                self.repeated += 1
                continue
            except Refusal as refusal:
                if refusal.reason not in NOT_TAKEN:
                    raise
                self.repeated += 1
                continue
            self._taken.acknowledged.extend(
                acknowledged(command, reply) for command, reply in zip(commands, replies, strict=True) if reply.seq
            )
            return

    def _close(self) -> None:
        self._client.close()


def acknowledged(command: OrderCommand, reply: Reply) -> Acknowledged:
    assert isinstance(command, NewOrder | Cancel)
    kind = "new" if isinstance(command, NewOrder) else "cancel"
    return Acknowledged(kind, command.account, command.client_order_id or "", reply.seq, reply.outcome, reply.order_id)


class KafkaSender(Sender):
    """Writes the topic `orders`, now and then with a record that is no order or one for an unknown symbol."""

    def __init__(self, name: str, seed: int, taken: Taken, system: System, instruments: list[Instrument]) -> None:
        super().__init__(name, seed, taken)
        self._flow = Flow(name, seed, instruments)
        self._kinds = random.Random(f"{seed}/{name}/kinds")
        self._producer = Producer(
            {
                "bootstrap.servers": system.settings.bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "linger.ms": 1,
                "error_cb": lambda error: None,
            },
            logger=LIBRDKAFKA,
        )

    def _send(self) -> None:
        self._producer.poll(0)
        if self.sent > len(self._taken.acknowledged) + LEAD:
            return
        for _ in range(self._kinds.randint(1, 8)):
            order = self._flow.order()
            kind = self._kinds.random()
            if kind < 0.01:
                value = b"no order"
            elif kind < 0.02:
                value = as_json(msgspec.structs.replace(order, symbol="NOWHERE"))
            else:
                value = as_json(order)
            self._produce(order, value)

    def _produce(self, order: NewOrder, value: bytes) -> None:
        client_order_id = order.client_order_id or ""

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            self._taken.delivered[message.partition() or 0, message.offset() or 0] = client_order_id

        self._producer.produce(ORDERS.name, value, order.symbol.encode(), on_delivery=delivered)
        self.sent += 1

    def _close(self) -> None:
        left = self._producer.flush(60)
        if left and self.error is None:
            self.error = TimeoutError(f"Kafka did not take the last {left} orders within 60 s")


def open_accounts(system: System) -> list[Instrument]:
    """Makes the accounts that trade, where they are not there yet; the instruments that they trade in."""
    with Client(system.settings.zeromq, system.token(role="service"), timeout_s=30) as client:
        for account in ACCOUNTS:
            reply = client.administer(DefineAccount(account=account, deposit=DEPOSIT))
            assert reply.outcome == Outcome.ACCEPTED.wire, reply
        return [item for item in client.connect().instruments if item.symbol in SYMBOLS]


@contextmanager
def loading(system: System, name: str, seed: int, taken: Taken, *, pause_s: float = PAUSE_S) -> Iterator[None]:
    """Two ZeroMQ connections and one Kafka producer send while the block runs, with pauses of up to `pause_s`; `name`
    sets their ids apart."""
    instruments = open_accounts(system)
    senders: list[Sender] = [
        ZeroMqSender(f"{name}-z1", seed, taken, system, instruments),
        ZeroMqSender(f"{name}-z2", seed, taken, system, instruments),
        KafkaSender(f"{name}-k", seed, taken, system, instruments),
    ]
    for sender in senders:
        sender.pause_s = pause_s
        sender.start()
    try:
        yield
    finally:
        for sender in senders:
            sender.stopped.set()
        for sender in senders:
            sender.join()
            taken.sent += sender.sent
            taken.repeated += sender.repeated
    for sender in senders:
        if sender.error is not None:
            raise sender.error
