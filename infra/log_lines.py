"""Lines of logs: readable text or one JSON object each, and no secret in either."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Final

import msgspec

TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MASK: Final = "***"
SHORTEST: Final = 8
"""Secrets that are shorter are words that may stand in any line."""
IN_URLS: Final = re.compile(r"(\w+://[^\s:/@]*:)[^\s/@]+@")
"""A password in an address."""
TOKENS: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
"""JSON web tokens."""
FIELDS: Final = re.compile(r"""(?i)(["']?(?:password|secret|api_key|token)["']?\s*[=:]\s*["']?)[^\s"',;}&]+""")
"""`password=…`, `"token": "…"`."""


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, and without what looks like one."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    text = IN_URLS.sub(rf"\1{MASK}@", text)
    text = TOKENS.sub(MASK, text)
    return FIELDS.sub(rf"\1{MASK}", text)


class TextLines(logging.Formatter):
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(TEXT)
        self._secrets = tuple(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:
        trace = getattr(record, "trace", "")
        return super().formatMessage(record) + (f" trace={trace}" if trace else "")

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record), self._secrets)


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of a log as JSON."""

    ts_ns: int
    level: str
    process: str
    logger: str
    message: str
    exception: str = ""
    trace: str = ""
    """Of the order that it speaks about (`engine.traces`)."""


class JsonLines(logging.Formatter):
    def __init__(self, process: str, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._process = process
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line = Line(
            ts_ns=int(record.created * 1_000_000) * 1000,
            level=record.levelname.lower(),
            process=self._process,
            logger=record.name,
            message=masked(record.getMessage(), self._secrets),
            exception=masked(self.formatException(record.exc_info), self._secrets) if record.exc_info else "",
            trace=getattr(record, "trace", ""),
        )
        return msgspec.json.encode(line).decode()


def parsed(line: str) -> Line | None:
    """A line of JSON; None of any other."""
    if not line.startswith('{"ts_ns":'):
        return None
    try:
        return msgspec.json.decode(line, type=Line)
    except msgspec.DecodeError:
        return None


def message_of(line: str) -> str:
    """What a line of either kind says, without its head; a line of something else as it is."""
    said = parsed(line)
    return HEAD.sub("", line) if said is None else said.message


def as_text(line: str) -> str:
    """A line of JSON as it would have been written for people; any other as it is."""
    said = parsed(line)
    if said is None:
        return line
    record = logging.makeLogRecord(
        {
            "name": said.logger,
            "levelname": said.level.upper(),
            "msg": said.message,
            "created": said.ts_ns / 1e9,
            "msecs": said.ts_ns // 1_000_000 % 1000,
            "exc_text": said.exception,
            "trace": said.trace,
        }
    )
    return TextLines().format(record)


HEAD: Final = re.compile(r"^[\d-]{10} [\d:,.]+ [A-Z]+ [\w.-]+: ")
"""Time, level and name at the head of a line of text."""


def configure(level: str, *, process: str = "hft", json: bool = False, secrets: Iterable[str] = ()) -> None:
    """All that is logged in this process goes to its standard error, in lines of this kind."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process, secrets) if json else TextLines(secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler])
