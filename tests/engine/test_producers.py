"""Records of the topic `orders` with a token: who may send what."""

from __future__ import annotations

import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from engine.arrivals import Arrivals
from engine.batch import Batch
from engine.core import Core
from engine.ingress import Arrived
from engine.journal_reader import Reader
from engine.messages import AdministrativeEntry, Cancel, DefineAccount, NewOrder, OrderCommand, Refused, as_json
from engine.producers import Producers
from engine.refusal import Refusal
from engine.revocations import Revocations
from engine.sequencer import Sequencer
from engine.tokens import Identity, issue
from engine.words import Source
from tests.engine.doors import AAPL, SECRET

Sent = tuple[OrderCommand | bytes, str | None]


def signed(actor: str, role: str = "trader", account: str = "demo", session: str = "s", lifetime_s: int = 600) -> str:
    identity = Identity(actor, role, (account,), session=session)
    return issue(SECRET, identity, now_s=int(time.time()), lifetime_s=lifetime_s)


def order(client_order_id: str, account: str = "demo", **changes: object) -> NewOrder:
    fields = {"symbol": "AAPL", "side": "buy", "quantity": Decimal(1), "limit_price": Decimal(190), **changes}
    return NewOrder(account=account, client_order_id=client_order_id, **fields)  # type: ignore[arg-type]


class Topic:
    """The Kafka door with these records in it."""

    def __init__(self, sent: list[Sent]) -> None:
        values = [command if isinstance(command, bytes) else as_json(command) for command, _ in sent]
        tokens = [None if token is None else token.encode() for _, token in sent]
        count = len(sent)
        self._arrived = Arrived(values, [None] * count, [0] * count, list(range(count)), tokens)

    def poll(self) -> Arrived:
        arrived, self._arrived = self._arrived, Arrived([], [], [], [], [])
        return arrived


def outcomes(folder: Path, sent: list[Sent], producers: Producers | None) -> list[tuple[str, str]]:
    """(actor, what became of it) of each record, as the journal has it."""
    core = Core(max_orders=100)
    sequencer = Sequencer(core, folder)
    for command in (AAPL, DefineAccount(account="demo"), DefineAccount(account="other")):
        sequencer.administer(command, Source.SYSTEM, "")
    first = sequencer.last_seq + 1
    batch = Batch(sequencer, most_unpublished=1 << 40)
    Arrivals(sequencer, Topic(sent), batch, producers=producers).step()  # type: ignore[arg-type]
    batch.flush()
    sequencer.close()
    found: list[tuple[str, str]] = []
    with closing(Reader(folder, max_orders=100, after=first - 1)) as reader:
        for frame in reader.frames():
            if frame.records is not None:
                found += [(actor.decode(), "taken") for actor in frame.records["actor"]]
            else:
                entry = frame.entry
                assert isinstance(entry, AdministrativeEntry)
                command = entry.command
                found.append((entry.actor, command.reason if isinstance(command, Refused) else type(command).__name__))
    return found


def test_a_record_does_what_its_token_may(tmp_path: Path) -> None:
    revocations = Revocations()
    revocations.add("gone", int(time.time()) + 60)
    ann = signed("ann")
    sent: list[Sent] = [
        (order("a1"), ann),
        (order("a2"), None),
        (order("a3", account="other"), ann),
        (order("a4"), signed("eve") + "x"),
        (order("a5"), signed("old", lifetime_s=-60)),
        (order("a6"), signed("gone", session="gone")),
        (order("a7"), signed("looks", role="viewer")),
        (order("a8", expires_ns=1, time_in_force="gtd"), ann),
        (Cancel(account="other", symbol="AAPL", client_order_id="x"), ann),
        (Cancel(account="demo", symbol="AAPL", client_order_id="a1"), ann),
        (b"no json", ann),
        (order("a9"), signed("bob", account="*")),
    ]
    producers = Producers(SECRET, revocations, time.time_ns)
    assert outcomes(tmp_path, sent, producers) == [
        ("ann", "taken"),
        ("kafka", "not_authorized"),
        ("ann", "not_authorized"),
        ("kafka", "not_authorized"),
        ("kafka", "not_authorized"),
        ("kafka", "not_authorized"),
        ("kafka", "not_authorized"),
        ("ann", "taken"),
        ("ann", "not_authorized"),
        ("ann", "taken"),
        ("ann", "Unreadable"),
        ("bob", "taken"),
    ]


def test_without_tokens_the_broker_decides(tmp_path: Path) -> None:
    sent: list[Sent] = [(order("a1"), None), (order("a2", account="other"), None), (b"no json", None)]
    assert outcomes(tmp_path, sent, None) == [("kafka", "taken"), ("kafka", "taken"), ("kafka", "Unreadable")]


def test_a_token_that_expires_meanwhile_is_not_remembered_as_good() -> None:
    now = time.time_ns()
    producers = Producers(SECRET, Revocations(), lambda: now)
    token = signed("ann", lifetime_s=10).encode()
    assert producers.identity(token).actor == "ann"
    now += 11_000_000_000
    with pytest.raises(Refusal, match="expired"):
        producers.identity(token)
