"""Who did what from where: each request that changes something becomes a link of this gateway's chain in `audit`.

A link is first appended to a file, whole, then sent; after a restart the file says how the chain goes on, and the topic
how much of it has arrived. So an end of Kafka, or of the process, neither loses a link nor writes one twice. On a full
disk links wait in memory, in front of the file: the request has been carried out, and its answer must say so."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException
from starlette.types import Scope

from engine import topics
from engine.messages import AuditLink
from engine.tokens import Identity
from gateway.requests import Seen
from streams.audit_chain import GENESIS, Link, linked
from streams.consumer import log_bounds, read_to_end
from streams.outbox import Outbox

log = logging.getLogger(__name__)

LONGEST_FILE: Final = 8 << 20
"""Bytes after which the file is begun again with what Kafka does not have yet."""
AGAIN_S: Final = 0.5
GATHER_S: Final = 0.02
"""Links wait so long for others: a wake-up of the thread for each would cost requests as much as the link itself."""
LONGEST_TEXT: Final = 200
TAIL: Final = 20_000
"""Records of the topic looked through for our last one, before all of them are."""

_link: Final = msgspec.json.Decoder(AuditLink)


def read(line: bytes) -> Link:
    """Raises `msgspec.MsgspecError` where it is no link."""
    link = _link.decode(line)
    return Link(link.number, link.hash, line)


class ChainFile:
    """Links, one on each line; a torn last line, of a process that was killed, is no link.

    `lags` while the disk does not take all of them: what is missing goes before the next one, or with `catch_up`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        *lines, torn = path.read_bytes().split(b"\n")
        self.links = [read(line) for line in lines]
        self._size = path.stat().st_size
        self._missing = bytearray()
        self._said = False
        if torn:
            self.begin_again(self.links)

    @property
    def lags(self) -> bool:
        return bool(self._missing)

    def append(self, link: Link) -> None:
        self._missing += link.json + b"\n"
        self.catch_up()

    def catch_up(self) -> None:
        """Writes what is missing, as far as the disk takes it."""
        try:
            while self._missing:
                written = os.write(self._file, self._missing)
                del self._missing[:written]
                self._size += written
        except OSError as error:
            if not self._said:
                self._said = True
                log.warning("%s cannot be written, the audit trail waits in memory: %s", self._path, error.strerror)
            return
        if self._said:
            self._said = False
            log.warning("%s is written again: the audit trail is whole", self._path)

    def begin_again(self, links: list[Link]) -> None:
        """Keeps these only."""
        new = self._path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(b"".join(link.json + b"\n" for link in links))
        new.replace(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = self._path.stat().st_size
        self._missing.clear()

    @property
    def is_long(self) -> bool:
        return self._size > LONGEST_FILE

    def close(self) -> None:
        self.catch_up()
        os.close(self._file)


class AuditTrail:
    """One writer's chain. `request`, `command` and `operation` add to it; a thread of its own sends what was added."""

    def __init__(self, bootstrap: str, folder: Path, writer: str, *, is_new: bool = False) -> None:
        """`is_new`: nothing has ever been written under this name."""
        self._bootstrap = bootstrap
        self._writer = writer
        self._file = ChainFile(folder / f"audit-{writer}.jsonl")
        self._head = self._file.links[-1] if self._file.links else None
        self._unsent: deque[Link] = deque(self._file.links)
        self._early: list[dict[str, Any]] | None = None if self._head or is_new else []
        """What was added before it was known how the chain goes on, of which only the topic could tell."""
        self._lock = threading.Lock()
        self._sent = threading.Condition(self._lock)
        self._added = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        self._stopped.set()
        self._added.set()
        self._thread.join(2.0)
        self._file.close()

    def wait_sent(self, limit_s: float) -> bool:
        """Whether Kafka has everything that was added, within this time."""
        with self._lock:
            return self._sent.wait_for(lambda: not (self._unsent or self._early), limit_s)

    # -------------------------------------------------------------------------------------------------- adding

    def request(self, scope: Scope, seen: Seen, action: str, status: int) -> None:
        """A request that has been answered."""
        client = scope.get("client")
        self._add(
            actor=seen.identity.actor if seen.identity else seen.actor,
            session=seen.identity.session if seen.identity else "",
            address=client[0] if client else "",
            source="rest",
            action=action,
            target=scope["path"],
            status=status,
            reason=seen.reason,
            seq=seen.seq,
            content=hashlib.sha256(seen.body).hexdigest(),
        )

    def command(
        self, identity: Identity, address: str, action: str, content: str, status: int, reason: str | None, seq: int
    ) -> None:
        """A command that came over a WebSocket."""
        self._add(
            actor=identity.actor,
            session=identity.session,
            address=address,
            source="websocket",
            action=action,
            target="/ws",
            status=status,
            reason=reason,
            seq=seq or None,
            content=content,
        )

    def operation(
        self, actor: str, address: str, action: str, target: str, status: int, reason: str | None, content: str
    ) -> None:
        """An operator's command on the machine `address`, by its user `actor`."""
        self._add(
            actor=actor,
            session="",
            address=address,
            source="cli",
            action=action,
            target=target,
            status=status,
            reason=reason,
            seq=None,
            content=content,
        )

    def _add(self, **fields: Any) -> None:
        for name in ("actor", "target"):
            fields[name] = fields[name][:LONGEST_TEXT]
        fields["ts_ns"] = time.time_ns()
        with self._lock:
            if self._early is None:
                self._append(fields)
            else:
                self._early.append(fields)
        if not self._added.is_set():
            self._added.set()

    def _append(self, fields: dict[str, Any]) -> None:
        number = 1 if self._head is None else self._head.number + 1
        previous = GENESIS if self._head is None else self._head.hash
        link = linked(writer=self._writer, number=number, previous=previous, **fields)
        self._file.append(link)
        self._head = link
        self._unsent.append(link)

    # ------------------------------------------------------------------------------------------------- sending

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._begin()
                self._follow()
            except KafkaException:
                self._stopped.wait(AGAIN_S)
            except Exception:
                log.exception("the audit trail cannot be sent; it is kept, and tried again")
                self._stopped.wait(10 * AGAIN_S)

    def _follow(self) -> None:
        outbox = Outbox(self._bootstrap, f"audit-{self._writer}")
        try:
            while not self._stopped.is_set():
                self._send(outbox)
                self._added.wait(AGAIN_S if self._file.lags else None)
                self._stopped.wait(GATHER_S)
                self._added.clear()
            self._send(outbox)
        finally:
            outbox.close()

    def _begin(self) -> None:
        """Drops what has arrived before, and goes on from the topic where the file is gone."""
        arrived = self._last_arrived()
        with self._lock:
            while self._unsent and arrived is not None and self._unsent[0].number <= arrived.number:
                self._unsent.popleft()
            self._sent.notify_all()
            if self._early is not None:
                self._head = arrived
                early, self._early = self._early, None
                for fields in early:
                    self._append(fields)

    def _last_arrived(self) -> Link | None:
        bounds = log_bounds(self._bootstrap, [topics.AUDIT.name])
        partition = (topics.AUDIT.name, 0)
        low, high = bounds[partition]
        for start in (max(low, high - TAIL), low):
            found = None
            for batch in read_to_end(self._bootstrap, {partition: start}, name=f"audit-{self._writer}"):
                for message in batch:
                    if message.key() == self._writer.encode():
                        with contextlib.suppress(msgspec.MsgspecError):
                            found = read(message.value() or b"")
            if found is not None or start == low:
                return found
        return None

    def _send(self, outbox: Outbox) -> None:
        """Everything that was added, and Kafka's word for it; nothing while the file has not all of it, since after a
        restart it says how the chain goes on."""
        with self._lock:
            self._file.catch_up()
            if self._file.lags:
                return
            links = list(self._unsent)
        for link in links:
            outbox.send(topics.AUDIT.name, self._writer, link.json)
        if not links or not self._wait(outbox):
            return
        with self._lock:
            for _ in links:
                self._unsent.popleft()
            self._sent.notify_all()
            if self._file.is_long and self._head is not None:
                self._file.begin_again(list(self._unsent) or [self._head])

    def _wait(self, outbox: Outbox) -> bool:
        """Until Kafka has all; whether it has. What it has not when we stop is sent after the next start."""
        while outbox.waiting():
            if self._stopped.is_set():
                outbox.flush(1.0)
                return not outbox.waiting()
            outbox.flush(AGAIN_S)
        return True
