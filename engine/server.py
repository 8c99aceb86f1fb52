"""The engine process: its doors, merged into one order by a single thread, and what time itself brings."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import zmq

from engine.arrivals import Arrivals
from engine.batch import Batch
from engine.core import Core
from engine.drop_copy import DropCopy
from engine.ingress import Ingress
from engine.instruments import load
from engine.market_data import MarketData
from engine.messages import Halt, Timer
from engine.metrics import ENGINE, EngineGauges
from engine.order_log import OrderLog
from engine.producers import Producers
from engine.requests import Requests
from engine.revocations import RevocationFile, Revocations
from engine.sequencer import Sequencer
from engine.sessions import Session, Sessions
from engine.words import Phase, Source
from engine.zeromq_door import Door, bind

log = logging.getLogger(__name__)

ACTOR: Final = "engine"
IDLE_MS: Final = 1
"""How long the thread waits for ZeroMQ before it looks at Kafka again."""
REST_MS: Final = 4
"""The same when nothing has come for a while."""
REST_AFTER_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.0008
"""How often the thread looks at Kafka, and for what is due, while ZeroMQ keeps it busy: after every command that comes
alone it would keep the next one waiting. A little less than IDLE_MS."""
RETRY_SECONDS: Final = 0.2
"""After a timer that the disk did not take."""
MOST_UNPUBLISHED: Final = 4 << 30
"""Bytes of journal that Kafka may lag behind."""


class Server:
    """One shard's doors and its thread."""

    def __init__(
        self,
        address: str,
        sequencer: Sequencer,
        ingress: Ingress,
        secret: str,
        *,
        market_data: str = "inproc://market-data",
        most_unpublished: int = MOST_UNPUBLISHED,
        snapshot_seconds: float = 0.0,
        busy_poll: bool = False,
        secret_key: str = "",
        signed_orders: bool = False,
        clock_ns: Callable[[], int] = time.time_ns,
        gauges: EngineGauges | None = None,
    ) -> None:
        """`address`, `market_data`: of the ROUTER and the PUB; `secret_key`: CURVE, of the ROUTER; `snapshot_seconds`:
        between snapshots, 0 = none; `busy_poll`: never sleep; `signed_orders`: records of Kafka need a token; `gauges`:
        told how it stands. Raises zmq.ZMQError where an address is taken."""
        self._sequencer = sequencer
        self._core = sequencer.core
        self._snapshot_seconds = snapshot_seconds
        self._busy_poll = busy_poll
        self._clock_ns = clock_ns
        self._gauges = gauges
        self._context = zmq.Context()
        self._socket = bind(self._context, address, secret_key)
        self._batch = Batch(sequencer, most_unpublished=most_unpublished)
        revocation_file = RevocationFile(sequencer.journal.folder)
        revocations = Revocations()
        for revoked, until_s in revocation_file.read().items():
            revocations.add(revoked, until_s)
        self._sessions = Sessions(secret, clock_ns, self._ended, revocations)
        self._market_data = MarketData(self._context, market_data, self._core, clock_ns)
        self._door = Door(self._socket, self._core, self._batch, self._sessions, clock_ns)
        self._drop_copy = DropCopy(self._door.send_to, self._market_data.second)
        self._door.requests = Requests(
            sequencer,
            self._batch,
            self._sessions,
            self._drop_copy,
            self._market_data,
            clock_ns,
            revocations,
            revocation_file,
        )
        producers = Producers(secret, revocations, clock_ns) if signed_orders else None
        self._arrivals = Arrivals(sequencer, ingress, self._batch, producers=producers)
        self._batch.follow(self._drop_copy.publish)
        self._batch.follow(self._market_data.follow)
        if log.isEnabledFor(logging.DEBUG):
            self._batch.follow(OrderLog(self._core).publish)
        self._look_due = 0.0
        self._retry = 0.0
        self._last_seq = sequencer.last_seq
        self._rest_at = 0.0
        self._wait_ms = IDLE_MS
        self._snapshot_due = time.monotonic() + snapshot_seconds
        self.stopped = False

    def _ended(self, session: Session) -> None:
        self._drop_copy.forget(session)
        self._door.sweep(session)

    # ------------------------------------------------------------------------------------------------ the loop

    def serve(self) -> None:
        """Until `stopped`."""
        while not self.stopped:
            self.step()

    def step(self) -> None:
        """One round: what has arrived at both doors is sequenced, journaled, applied and answered."""
        if self._door.receive(0 if self._busy_poll else self._wait_ms):
            self._batch.flush()
        now = time.monotonic()
        if now >= self._look_due:
            self._look_due = now + LOOK_SECONDS
            self._look(now)

    def _look(self, now: float) -> None:
        """What has arrived from Kafka, and what time itself brings."""
        self._batch.release()
        if self._core.last_seq != self._last_seq:
            self._last_seq, self._rest_at, self._wait_ms = self._core.last_seq, now + REST_AFTER_SECONDS, IDLE_MS
        elif now >= self._rest_at:
            self._wait_ms = REST_MS
        ENGINE.arrived_ns = time.perf_counter_ns()
        self._arrivals.step()
        self._batch.flush()
        self._arrivals.rest_if_lost()
        self._door.watch(now)
        if self._clock_ns() >= self._core.next_expiry and now >= self._retry:
            self._expire(now)
        self._market_data.step(now)
        if self._gauges is not None:
            self._gauges.step(now, self._sequencer, self._batch)
        if self._snapshot_seconds and now >= self._snapshot_due:
            self._snapshot_due = now + self._snapshot_seconds
            self._sequencer.snapshot()
            self._sequencer.prune()

    def _expire(self, now: float) -> None:
        """Sequences that time has passed: the core reads no clock."""
        if not self._batch.administer(Timer(), Source.SYSTEM, ACTOR):
            self._retry = now + RETRY_SECONDS

    def close(self) -> None:
        """Answers what waits, and leaves a snapshot for the next start where there are snapshots at all."""
        self._batch.close()
        self._arrivals.close()
        self._market_data.close()
        self._socket.close()
        self._context.term()
        if self._snapshot_seconds:
            self._sequencer.snapshot(wait=True)
        self._sequencer.close()


def define_instruments(sequencer: Sequencer, path: Path) -> None:
    """Sequences the file's instruments that the journal does not know, and halts those that the file wants halted.
    Raises `InstrumentsError`, `Refusal`."""
    core = sequencer.core
    for listing in load(path):
        symbol = listing.definition.symbol
        known = core.instruments.find(symbol)
        if known is None or known.definition != listing.definition:
            core.check(listing.definition)
            sequencer.administer(listing.definition, Source.SYSTEM, ACTOR)
            known = core.instruments.find(symbol)
        if listing.halted and known is not None and core.phase(known.number) is not Phase.HALTED:
            sequencer.administer(Halt(symbol=symbol, text=f"halted in {path.name}"), Source.SYSTEM, ACTOR)


def run(
    address: str,
    journal: Path,
    bootstrap: str,
    secret: str,
    instruments: Path,
    max_orders: int,
    ready: Callable[[], None],
    *,
    market_data: str,
    snapshot_seconds: float,
    most_unpublished: int,
    busy_poll: bool,
    secret_key: str,
    signed_orders: bool,
    cpu: int | None,
    most_journal: int = 0,
) -> None:
    """The process: until SIGTERM or SIGINT. `cpu`: the processor that its thread keeps to; `most_journal`: bytes that
    the journal may have, as far as what it holds is published and in snapshots; 0: any."""
    core = Core(max_orders=max_orders)
    core.compile()
    sequencer = Sequencer(core, journal, most_bytes=most_journal)
    define_instruments(sequencer, instruments)
    server = Server(
        address,
        sequencer,
        Ingress(bootstrap, sequencer.next_offsets, with_tokens=signed_orders),
        secret,
        market_data=market_data,
        most_unpublished=most_unpublished,
        snapshot_seconds=snapshot_seconds,
        busy_poll=busy_poll,
        secret_key=secret_key,
        signed_orders=signed_orders,
        gauges=EngineGauges(journal),
    )

    def stop(number: int, frame: Any) -> None:
        server.stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})  # this thread only: libzmq's and librdkafka's are there already, and stay free
    ready()
    log.info("taking commands at %s, from command %d on", address, sequencer.last_seq + 1)
    try:
        server.serve()
    finally:
        server.close()
