"""One Faust worker that reads the topic `fills`, in a process of its own, for `hft bench streams`.

    python -m infra.bench.streams_child KIND BOOTSTRAP FOLDER COUNT

KIND is what its agent does: `plain` (nothing, as Faust is), `batch` (nothing, with our batches), or `worker` (the whole
streams worker). At its first records it makes FOLDER/ready and waits for FOLDER/gate; when it has had COUNT records it
makes FOLDER/done, which holds the time.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any, Final

from streams import app as ours  # isort: skip  # first: it chooses the event loop

import faust

from engine.topics import FILLS
from engine.words import MarkSource
from streams.agents.positions import PositionKeeper
from streams.resume import ResumingApp

POLL_S: Final = 0.002


class Gate:
    """Where the records wait until every worker has its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._missing = count
        self._open = False

    async def passed(self) -> None:
        while not self._open:
            (self._folder / "ready").touch()
            if (self._folder / "gate").exists():
                self._open = True
            else:
                await asyncio.sleep(POLL_S)

    def counted(self, records: int) -> None:
        self._missing -= records
        if self._missing == 0:
            (self._folder / "done.new").write_text(repr(time.time()))
            (self._folder / "done.new").rename(self._folder / "done")


def plain(bootstrap: str, folder: Path, gate: Gate) -> faust.App:
    """Faust with its own settings, and an agent that does nothing with each record."""
    app = faust.App(
        "bench-plain",
        broker=f"kafka://{bootstrap}",
        datadir=str(folder / "faust"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )

    @app.agent(app.topic(FILLS.name, key_serializer="raw", value_serializer="raw"))
    async def nothing(records: Any) -> None:
        async for _ in records:
            await gate.passed()
            gate.counted(1)

    return app


def batch(bootstrap: str, folder: Path, gate: Gate) -> ResumingApp:
    """The app of the streams worker, and an agent that does nothing with each record of a batch."""
    app = ours.new_app("bench-batch", bootstrap, folder, "bench", lambda: None)

    async def from_the_beginning(partitions: set[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    app.resumes[FILLS.name] = from_the_beginning

    @app.agent(app.topic(FILLS.name, key_serializer="raw", value_serializer="raw", acks=False))
    async def nothing(batches: Any) -> None:
        async for event in batches.events():
            await gate.passed()
            for _ in event.message.value:
                pass
            gate.counted(len(event.message.value))

    return app


def worker(bootstrap: str, folder: Path, gate: Gate) -> None:
    """The streams worker as `hft up` starts it; only its first fills wait at the gate."""
    sound = PositionKeeper.advance

    async def advance(self: Any, partition: int, records: Any) -> None:
        await gate.passed()
        await sound(self, partition, records)

    PositionKeeper.advance = advance  # type: ignore[method-assign,assignment]
    ours.run(bootstrap, folder, MarkSource.MID.wire, lambda: None)


def main(kind: str, bootstrap: str, folder: Path, count: int) -> None:
    """Until it is stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    gate = Gate(folder, count)
    if kind == "worker":
        worker(bootstrap, folder, gate)
        return
    app = (plain if kind == "plain" else batch)(bootstrap, folder, gate)
    faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
