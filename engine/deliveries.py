"""Which commands are committed: those of which Kafka has acknowledged every record, and so for all before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Pending:
    """The records of a frame of commands that are on their way."""

    __slots__ = ("commands", "last_seq", "records", "ts_ns")

    def __init__(self, last_seq: int, commands: int = 1, ts_ns: int = 0) -> None:
        """`commands` of them, sequenced at `ts_ns`."""
        self.last_seq = last_seq
        self.commands = commands
        self.ts_ns = ts_ns
        self.records = 0


class Deliveries:
    """Frames in the order of the journal, each until all its records are acknowledged."""

    def __init__(self, done: Callable[[Pending], None] = lambda pending: None) -> None:
        """`done` is told of each that is committed."""
        self._done = done
        self._frames: deque[Pending] = deque()

    def begin(self, last_seq: int, commands: int = 1, ts_ns: int = 0) -> Pending:
        """For the records of the commands up to `last_seq`; those before get no more."""
        self._frames.append(Pending(last_seq, commands, ts_ns))
        return self._frames[-1]

    def committed(self) -> int | None:
        """The last command of which nothing is on its way any more, None where there is no further one. To be asked
        when the newest frame gets no more records either."""
        last = None
        while self._frames and self._frames[0].records == 0:
            pending = self._frames.popleft()
            last = pending.last_seq
            self._done(pending)
        return last
