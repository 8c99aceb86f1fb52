"""Faust, made to resume from our own cursors and to carry batches.

Two methods of its consumer are replaced:

* `perform_seek`, which Faust calls after each rebalance, before the flow is resumed, seeks to what the application's
  agents say instead of what the consumer group has committed. Nothing is ever committed.
* `getmany` hands on all records that were fetched of a partition as one message, whose value is the tuple of them.
  Faust spends some 100 µs on a message, so a message for each record would be an agent's whole budget.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from confluent_kafka import KafkaException
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

log = logging.getLogger("faust.resume")
"""Services log under the name of their module unless told otherwise; these speak for Faust."""

AGAIN_S = 0.5
FETCH_WAIT_MS = 25
"""How long the broker may hold a fetch. A partition whose records are being worked on is not part of the fetch that is
under way, so its next records wait for that one; Faust's own 1,500 ms would be what an idle market sees."""

Batch = tuple["ConsumerRecord[bytes, bytes]", ...]
"""Records of one partition, in order."""
Resume = Callable[[set[int]], Awaitable[dict[int, int]]]
"""Partition numbers of a topic → the offset to read next of each."""


class ResumingApp(faust.App):
    """An app whose topics each have a `Resume`. `on_running` is called when the streams run, after every rebalance."""

    logger = log

    def __init__(self, *arguments: Any, on_running: Callable[[], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.resumes: dict[str, Resume] = {}
        self._on_running = on_running
        self.transport = Transport(self.conf.broker_consumer, self)

    def on_rebalance_end(self) -> None:
        super().on_rebalance_end()
        self._on_running()


class ConsumerThread(driver.AIOKafkaConsumerThread):
    logger = log

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class Consumer(driver.Consumer):
    app: ResumingApp
    logger = log

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        assigned: dict[str, set[int]] = {}
        for topic, partition in self.assignment():
            assigned.setdefault(topic, set()).add(partition)
        offsets: dict[TP, int] = {}
        for topic, partitions in assigned.items():
            for partition, offset in (await self._resume(topic, partitions)).items():
                offsets[TP(topic, partition)] = offset
        await self.seek_wait(offsets)
        self._read_offset.update({tp: offset or None for tp, offset in offsets.items()})

    async def _resume(self, topic: str, partitions: set[int]) -> dict[int, int]:
        while True:
            try:
                return await self.app.resumes[topic](partitions)
            except KafkaException:  # whoever reads from Kafka says that it is away
                await asyncio.sleep(AGAIN_S)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        fetched, active = await self._wait_next_records(timeout)
        if fetched is None or self.should_stop:
            return
        generation = self.app.consumer_generation_id
        for partition, records in fetched.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                break
            if records and (active is None or partition in active or partition in self._buffered_partitions):
                tp = TP(*partition)
                yield tp, self._batch_message(tp, tuple(records))
        if not self.flow_active:
            try:
                await self.perform_seek()
            except Exception as error:  # partitions that have just been revoked: the rebalance seeks again
                self.log.warning("not sought: %r", error)

    def _batch_message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        first = batch[0]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            first.offset,
            first.timestamp / 1000.0,
            first.timestamp_type,
            None,
            None,
            cast(bytes, batch),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class Transport(driver.Transport):
    Consumer = Consumer
