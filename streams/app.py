"""The Faust worker: agents that keep positions, P&L, candles, order-flow statistics and alerts.

Every worker is a member of the consumer group, which deals out the partitions of their topics; a worker's state and
place in the log are in `ledger-state` (docs/decisions/0003-ledger-state.md).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import socket
import time
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import mode.loop

mode.loop.use("uvloop")  # before Faust is imported

import asyncio  # noqa: E402

import faust  # noqa: E402
from confluent_kafka import KafkaException  # noqa: E402
from faust.exceptions import ConsumerNotStarted  # noqa: E402
from faust.types import TP, StreamT  # noqa: E402

from engine import messages  # noqa: E402
from engine.kafka import security  # noqa: E402
from streams import state, versions  # noqa: E402
from streams.agents.alerts import AlertKeeper  # noqa: E402
from streams.agents.candles import CandleKeeper  # noqa: E402
from streams.agents.keeper import Keeper  # noqa: E402
from streams.agents.order_flow import OrderFlowKeeper  # noqa: E402
from streams.agents.pnl import MARKS, PnlKeeper  # noqa: E402
from streams.agents.positions import PositionKeeper  # noqa: E402
from streams.alerts import Thresholds  # noqa: E402
from streams.consumer import Cursor, LogMismatch  # noqa: E402
from streams.credentials import credentials  # noqa: E402
from streams.lifecycle import Outage, stop_on_signals  # noqa: E402
from streams.marks import Follower  # noqa: E402
from streams.metrics import LAGS  # noqa: E402
from streams.outbox import Outbox  # noqa: E402
from streams.rebuild import GROUP  # noqa: E402
from streams.resume import Batch, ResumingApp  # noqa: E402

log = logging.getLogger(__name__)

BATCH: Final = 4_000
"""Records fetched at once."""
TICK_S: Final = 0.05
CAUGHT_UP_S: Final = 60.0
AGAIN_S: Final = 1.0
SESSION_S: Final = 6
"""A worker that was killed is given up after this; the same worker (by its folder) is back without waiting."""
NOISY: Final = ("faust", "mode", "aiokafka")
"""They log every connection attempt while Kafka is away; we log one line."""

DEFAULT_ALERTS: Final = Thresholds()

T = TypeVar("T")


class AlreadyRunning(RuntimeError):
    """Another worker has the data folder."""


def new_app(group: str, bootstrap: str, data: Path, instance: str, on_running: Callable[[], None]) -> ResumingApp:
    """A Faust app of ours without agents; `instance` is unique among the members of the group."""
    return ResumingApp(
        group,
        broker=[f"kafka://{server}" for server in bootstrap.split(",")],
        broker_credentials=credentials(security()),
        datadir=str(data / "faust"),
        on_running=on_running,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        consumer_group_instance_id=instance,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=2,
        broker_max_poll_records=BATCH,
        stream_buffer_maxsize=16,
        worker_redirect_stdouts=False,
    )


class Run:
    """One run of the worker, from the loading of its state to its end."""

    def __init__(
        self,
        bootstrap: str,
        data: Path,
        instance: str,
        on_running: Callable[[], None],
        mark: str,
        alerts: Thresholds,
    ) -> None:
        """Raises `KafkaException` where Kafka does not answer, `LogMismatch` where the state belongs to another log,
        `versions.Stopping` where the positions are about to be made anew."""
        self.failure: Exception | None = None
        self.version = versions.present(bootstrap)
        if self.version.stopping:
            raise versions.Stopping
        self.follower = Follower(bootstrap, Outbox(bootstrap, "streams-marks"), mark)
        self.keepers: list[Keeper[Any]] = [
            PositionKeeper(bootstrap, Outbox(bootstrap, "streams-positions"), self.follower, time.monotonic),
            PnlKeeper(bootstrap, Outbox(bootstrap, "streams-pnl"), self.follower, time.monotonic),
            CandleKeeper(bootstrap, Outbox(bootstrap, "streams-candles"), self.follower, time.monotonic),
            OrderFlowKeeper(bootstrap, Outbox(bootstrap, "streams-order-flow"), self.follower, time.monotonic),
            AlertKeeper(bootstrap, Outbox(bootstrap, "streams-alerts"), self.follower, time.monotonic, alerts),
        ]
        """One agent each, of topics of their own."""
        for keeper in self.keepers:
            keeper.version = self.version
        self._start_follower(bootstrap)
        self.app = self._new_app(bootstrap, data, instance, on_running)
        self.worker = faust.Worker(
            self.app, loop=asyncio.get_event_loop(), quiet=True, override_logging=False, redirect_stdouts=False
        )
        self.worker.spinner = None

    def to_end(self) -> bool:
        """Works until it is asked to stop (true) or fails (false; `failure` says why)."""
        try:
            self.worker.execute_from_commandline()
        except SystemExit:
            pass  # that is how a Faust worker ends
        finally:
            self.follower.stop()
            for keeper in self.keepers:
                keeper.outbox.close()
        if self.worker._signal_stop_time is not None:
            return True
        if self.failure is None:
            self.failure = RuntimeError(f"Faust ended: {self.worker.crash_reason!r}")
        return False

    def _start_follower(self, bootstrap: str) -> None:
        cursor: Cursor = {}
        for symbol, saved in state.load_plain(bootstrap, MARKS).items():
            if symbol:
                self.follower.restore(symbol, saved)
            else:
                for name, offset in saved.items():
                    topic, number = name.rsplit("/", 1)
                    cursor[topic, int(number)] = offset
        self.follower.start(cursor)
        if not self.follower.wait_caught_up(CAUGHT_UP_S):
            log.warning("books and trades were not read to their end within %.0f s", CAUGHT_UP_S)

    def _new_app(self, bootstrap: str, data: Path, instance: str, on_running: Callable[[], None]) -> ResumingApp:
        app = new_app(GROUP, bootstrap, data, instance, on_running)
        for keeper in self.keepers:
            self._add_agent(app, keeper)

        @app.on_partitions_revoked.connect
        async def release(*_: Any, **__: Any) -> None:
            for keeper in self.keepers:
                await keeper.release()

        @app.task  # type: ignore[untyped-decorator]
        async def tick() -> None:
            while not app.should_stop:
                await asyncio.sleep(TICK_S)
                await self._guarded(self._check_version(self.follower.version))
                for keeper in self.keepers:
                    await self._guarded(keeper.publish_due())
                    await self._guarded(keeper.save_due())

        return app

    def _add_agent(self, app: ResumingApp, keeper: Keeper[Any]) -> None:
        app.resumes[keeper.source] = lambda partitions: self._guarded(self._resume(keeper, partitions))
        LAGS.follow(keeper, f"agent-{keeper.agent}", partial(_lag, weakref.ref(app), weakref.ref(keeper)))
        source = app.topic(keeper.source, key_serializer="raw", value_serializer="raw", acks=False)

        @app.agent(source, name=f"track_{keeper.agent}")
        async def track(batches: StreamT[Batch]) -> None:
            async for event in batches.events():
                if event.message.generation_id == app.consumer_generation_id:
                    await self._guarded(keeper.advance(event.message.partition, event.message.value))

    async def _resume(self, keeper: Keeper[Any], partitions: set[int]) -> dict[int, int]:
        """Whoever begins a version waits for the members that the group has then; one that joins later is told here."""
        await self._check_version(await asyncio.to_thread(versions.present, keeper.bootstrap))
        return await keeper.resume(partitions)

    async def _check_version(self, told: messages.TopicVersion) -> None:
        if told.ts_ns > self.version.ts_ns:
            raise versions.Superseded(f"version {told.version} of {told.topic}")

    async def _guarded(self, work: Awaitable[T]) -> T:
        """The result of `work`. Where it fails the worker ends: a Faust agent that raises would go on behind the
        record that it failed at."""
        try:
            return await work
        except Exception as error:
            if self.failure is None:
                self.failure = error
                self._stopping = asyncio.ensure_future(self.worker.stop())
            never: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            return await never


def _lag(app_of: weakref.ref[ResumingApp], keeper_of: weakref.ref[Keeper[Any]]) -> dict[str, int]:
    """By topic, the records that the agent has not folded, as far as the latest fetches have told."""
    app, keeper = app_of(), keeper_of()
    if app is None or keeper is None:
        return {}
    count = 0
    for shelf in tuple(keeper.shelves.values()):
        try:
            end = app.consumer.highwater(TP(keeper.source, shelf.partition))
        except (AssertionError, ConsumerNotStarted):  # just being assigned or revoked
            continue
        count += max(0, (end or 0) - shelf.next_offset)
    return {keeper.source: count}


def run(
    bootstrap: str, data: Path, mark: str, ready: Callable[[], None], *, alerts: Thresholds = DEFAULT_ALERTS
) -> None:
    """Works until SIGTERM or SIGINT; `data` is a folder of this worker's own, `mark` what positions are valued at
    (`words.MarkSource`), `alerts` says when to tell.

    `ready` is called once, when records are being read. What fails is started over from the saved state.

    Raises:
        AlreadyRunning: another worker uses `data`.
        LogMismatch: the saved state belongs to another log than Kafka holds.
    """
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    data.mkdir(parents=True, exist_ok=True)
    with (data / "worker.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"a streams worker runs in {data} already") from None
        folder = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:8]
        _run(bootstrap, data, f"{socket.gethostname()}-{folder}", mark, ready, alerts)


def _run(bootstrap: str, data: Path, instance: str, mark: str, ready: Callable[[], None], alerts: Thresholds) -> None:
    kafka = Outage(log, "Kafka")
    running: list[bool] = []
    told = False

    def on_running() -> None:
        if not running:
            running.append(True)
            ready()

    while True:
        stop = stop_on_signals()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            attempt = Run(bootstrap, data, instance, on_running, mark, alerts)
        except KafkaException as error:
            kafka.lost(error.args[0].str())
            loop.close()
            if stop.wait(AGAIN_S):
                return
            continue
        except versions.Stopping:
            if not told:
                told = True
                log.warning("waiting for `hft rebuild positions` to begin the next version, or to be given up")
            loop.close()
            if stop.wait(AGAIN_S):
                return
            continue
        told = False
        kafka.back()
        if attempt.to_end():
            return
        if isinstance(attempt.failure, LogMismatch):
            raise attempt.failure
        if isinstance(attempt.failure, versions.Superseded):
            log.info("starting over with %s", attempt.failure)
            continue
        log.error("starting over from the saved state", exc_info=attempt.failure)
        time.sleep(AGAIN_S)
