"""A day again, from the topic `commands` and nothing else, compared with all that was published while it ran
(docs/replay.md)."""

from streams.day.log import Entry, KafkaLog, Log
from streams.day.result import DayResult, Difference
from streams.day.verify import DayError, verify

__all__ = ["DayError", "DayResult", "Difference", "Entry", "KafkaLog", "Log", "verify"]
