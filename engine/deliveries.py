"""Which commands are committed: those of which Kafka has acknowledged every record, and so for all before them."""

from __future__ import annotations

from collections import deque


class Pending:
    """The records of a frame of commands that are on their way."""

    __slots__ = ("last_seq", "records")

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self.records = 0


class Deliveries:
    """Frames in the order of the journal, each until all its records are acknowledged."""

    def __init__(self) -> None:
        self._frames: deque[Pending] = deque()

    def begin(self, last_seq: int) -> Pending:
        """For the records of the commands up to `last_seq`; those before get no more."""
        self._frames.append(Pending(last_seq))
        return self._frames[-1]

    def committed(self) -> int | None:
        """The last command of which nothing is on its way any more, None where there is no further one. To be asked
        when the newest frame gets no more records either."""
        last = None
        while self._frames and self._frames[0].records == 0:
            last = self._frames.popleft().last_seq
        return last
