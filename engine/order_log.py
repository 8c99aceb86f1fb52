"""A line of the engine's log for each report, with the trace of its order: for people who look for one, at debug."""

from __future__ import annotations

import logging
from typing import Any

from numpy.typing import NDArray

from engine.core import Core
from engine.texts import EXECS, REASON_WORDS, STATUSES, Names
from engine.traces import for_log, traceparent

log = logging.getLogger(__name__)


class OrderLog:
    """Follows a `Batch`. Costs some microseconds a report: it is made only where debug is logged."""

    def __init__(self, core: Core) -> None:
        self._names = Names(core)

    def publish(self, reports: NDArray[Any]) -> None:
        """Logs REPORT records."""
        rows = zip(
            self._names.accounts(reports["account"]),
            reports["client_order_id"].tolist(),
            *(reports[name].tolist() for name in ("seq", "order_id", "exec_type", "order_status", "reason")),
            strict=True,
        )
        for account, name, seq, order_id, kind, status, reason in rows:
            if name:
                client_order_id = name.decode()
                log.debug(
                    "command %d: order %d (%s of %s): %s, %s%s",
                    seq,
                    order_id,
                    client_order_id,
                    account,
                    EXECS.get(kind),
                    STATUSES.get(status),
                    f" ({REASON_WORDS[reason]})" if reason else "",
                    extra=for_log(traceparent(account, client_order_id)),
                )
