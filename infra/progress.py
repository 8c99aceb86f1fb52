"""A line for each step of the start: with a spinner where a person watches, plain lines where a file does."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status

NAME_WIDTH: Final = 14


class Step(Protocol):
    """One step, used as a context; `done` says what came of it."""

    def note(self, text: str) -> None: ...
    def share(self, what: str, done: int, total: int, of: str) -> None: ...
    def done(self, text: str) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    def step(self, name: str) -> Step: ...
    def line(self, text: str) -> None: ...


def per_cent(done: int, total: int) -> int:
    """Per cent, rounded down."""
    return 100 * done // total if total else 100


def write_line(stream: TextIO, text: str) -> None:
    """A reader that went away (`hft up | head`) does not take the system with it."""
    with suppress(BrokenPipeError):
        stream.write(text + "\n")
        stream.flush()


class PlainStep:
    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self._stream = name, stream
        self._started = time.monotonic()
        self._last = ""
        self._share = -1

    def _write(self, text: str) -> None:
        write_line(self._stream, f"{self._name:{NAME_WIDTH}} {text}")

    def note(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._write(f"… {text}")

    def share(self, what: str, done: int, total: int, of: str) -> None:
        """A line at the start and at each tenth; `of` says what all of it is ("46 MB")."""
        percent = per_cent(done, total) // 10 * 10
        if percent > self._share:
            self._share = percent
            self._write(f"… {what}: {percent} % of {of}")

    def done(self, text: str) -> None:
        self._write(f"{text} ({time.monotonic() - self._started:.1f} s)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class PlainProgress:
    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def step(self, name: str) -> PlainStep:
        return PlainStep(name, self._stream)

    def line(self, text: str) -> None:
        write_line(self._stream, text)


class RichStep:
    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console = name, console
        self._started = time.monotonic()
        self._status = Status(f"{name:{NAME_WIDTH}}", console=console)

    def note(self, text: str) -> None:
        self._status.update(f"{self._name:{NAME_WIDTH}} {escape(text)}")

    def share(self, what: str, done: int, total: int, of: str) -> None:
        percent = per_cent(done, total)
        bar = "█" * (percent // 5) + "░" * (20 - percent // 5)
        self.note(f"{what} {bar} {percent:3} % of {of}")

    def done(self, text: str) -> None:
        self._status.stop()
        seconds = time.monotonic() - self._started
        self._console.print(f"[green]✓[/] {self._name:{NAME_WIDTH}} {escape(text)} [dim]({seconds:.1f} s)[/]")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        if kind is not None:
            self._console.print(f"[red]✗[/] {self._name}")


class RichProgress:
    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def step(self, name: str) -> RichStep:
        return RichStep(name, self._console)

    def line(self, text: str) -> None:
        self._console.print(escape(text))


def for_stream(stream: TextIO | None = None) -> Progress:
    stream = stream or sys.stdout
    return RichProgress() if stream.isatty() else PlainProgress(stream)
