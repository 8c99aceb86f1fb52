"""Drop copy: an account's reports, sent to the sessions that have asked for them, over their own connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine import frames
from engine.sessions import Session
from engine.words import FrameKind

LARGEST_FRAME: Final = 1 << 14
"""Reports in one frame."""

Send = Callable[[Session, bytes], None]


class DropCopy:
    """Who is sent which account's reports."""

    def __init__(self, send: Send, second: int) -> None:
        """`send` never waits; `second`: when numbering began, for the frames' heads."""
        self._send = send
        self._second = second
        self._subscribers: dict[int, dict[bytes, Session]] = {}

    def subscribe(self, session: Session, account: int) -> None:
        """From the next batch on, numbered from 1. Once more is from 1 again."""
        session.reports[account] = 1
        self._subscribers.setdefault(account, {})[session.routing_id] = session

    def unsubscribe(self, session: Session, account: int) -> None:
        session.reports.pop(account, None)
        known = self._subscribers.get(account, {})
        if known.get(session.routing_id) is session:
            del known[session.routing_id]
            if not known:
                del self._subscribers[account]

    def forget(self, session: Session) -> None:
        for account in list(session.reports):
            self.unsubscribe(session, account)

    def publish(self, reports: NDArray[Any]) -> None:
        """Sends REPORT records to whom they concern."""
        if not self._subscribers:
            return
        for account, rows in self._by_account(reports):
            for session in list(self._subscribers[account].values()):
                for start in range(0, len(rows), LARGEST_FRAME):
                    part = rows[start : start + LARGEST_FRAME]
                    number = session.reports[account]
                    session.reports[account] += len(part)
                    self._send(session, frames.encode(FrameKind.REPORTS, part, number, second=self._second))

    def _by_account(self, reports: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """The reports of each account that somebody follows, in their order."""
        accounts = reports["account"]
        if len(self._subscribers) == 1:
            [account] = self._subscribers
            rows = reports[accounts == account]
            if len(rows):
                yield account, rows
            return
        order = np.argsort(accounts, kind="stable")
        found, starts = np.unique(accounts[order], return_index=True)
        ends = np.append(starts[1:], len(reports))
        for account, start, end in zip(found.tolist(), starts.tolist(), ends.tolist(), strict=True):
            if account in self._subscribers:
                yield account, reports[order[start:end]]
