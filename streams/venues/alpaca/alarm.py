"""Tells operators of what differs between Alpaca's account and our books: in the topic `alerts` and the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Final

from engine.messages import Alert, as_json
from engine.topics import ALERTS
from streams.outbox import Outbox
from streams.venues.alpaca.reconciliation import Difference

log = logging.getLogger(__name__)

KIND: Final = "venue"
"""Of an alert."""


class Alarm:
    """What has been told, and what is over."""

    def __init__(self, outbox: Outbox, venue: str) -> None:
        self._outbox = outbox
        self._venue = venue
        self._raised: dict[str, Difference] = {}
        self.suspected: set[str] = set()
        """What differed at the last look."""

    def weigh(self, differences: Iterable[Difference]) -> list[Difference]:
        """Those of a comparison that were there at the last one too, which are told: what is on its way is none. Of
        those that were told and are there no more the end is."""
        found = {one.about: one for one in differences}
        certain = {about: one for about, one in found.items() if about in self.suspected}
        for about in certain.keys() - self._raised.keys():
            self.say(certain[about])
        for about in self._raised.keys() - found.keys():
            self._alert(self._raised[about], raised=False)
        self._raised = {about: one for about, one in self._raised.items() if about in found} | certain
        self.suspected = set(found)
        return list(certain.values())

    def refused(self, symbol: str, what: str, why: str | None) -> bool:
        """Whether the engine has refused something (`why`), which is told."""
        if why is not None:
            self.say(Difference(symbol, f"{what}: {why}"))
        return why is not None

    def say(self, difference: Difference) -> None:
        log.error("%s: %s", self._venue, difference.text)
        self._alert(difference, raised=True)

    def _alert(self, difference: Difference, *, raised: bool) -> None:
        record = Alert(
            account=self._venue,
            kind=KIND,
            symbol=difference.symbol,
            limit_name=None,
            raised=raised,
            used="1" if raised else "0",
            threshold=None,
            text=difference.text if raised else f"over: {difference.text}",
            last_seq=0,
            ts_ns=time.time_ns(),
        )
        self._outbox.send(ALERTS.name, self._venue, as_json(record))
