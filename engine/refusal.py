"""Why something was not done, in the words that every door uses."""

from __future__ import annotations

from engine.words import REASONS, Reason


class Refusal(ValueError):
    """A command that cannot be carried out: the reason, the field it lies in ("" for none), a sentence for people."""

    def __init__(self, reason: Reason, field: str, text: str = "") -> None:
        self.reason = reason
        self.field = field
        self.text = text or REASONS[reason].text
        super().__init__(f"{field}: {self.text}" if field else self.text)
