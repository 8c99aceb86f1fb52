"""The engine with hardly any room for reports, so that its commands stop half done and go on."""

from __future__ import annotations

from typing import Any


def cramped(core: Any) -> Any:
    """A class like `core`, whose room is small again at the beginning of each batch: used up by the first report, and
    doubled each time that it runs out."""
    from engine.state import ROOM  # not before the core itself, which may be a mutant

    class Cramped(core):  # type: ignore[misc]
        def apply(self, commands: Any) -> Any:
            self._shrink()
            return super().apply(commands)

        def administer(self, seq: int, ts_ns: int, command: Any) -> Any:
            self._shrink()
            return super().administer(seq, ts_ns, command)

        def _shrink(self) -> None:
            self._written[0] = 0
            self._set_reports(ROOM + 1)

    return Cramped
