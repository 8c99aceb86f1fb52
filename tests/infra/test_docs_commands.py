"""Every `hft` command that the docs and the README show is one, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from infra.commands import hft

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(
    r"^    (?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(hft [^\n#|>]*)|`(?:[A-Z_]+=\S+ )*(hft [^`]*)`", re.MULTILINE
)
ALWAYS = {"--help", "-h"}


def wrong(shown: str) -> str | None:
    """What is not there of a command as a page has it."""
    words = shlex.split(shown)[1:]
    command: click.Command = hft
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, click.Group) and words and re.fullmatch("[a-z-]+", words[0]) and words[0][0] != "-":
        return words[0]
    options = ALWAYS.union(*(one.opts + one.secondary_opts for one in command.params))
    return next((word for word in words if word.startswith("--") and word.partition("=")[0] not in options), None)


def test_every_command_that_the_docs_show_is_there() -> None:
    found = [
        (page.name, shown)
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        for pair in SHOWN.findall(page.read_text().replace("\\\n", ""))
        if (shown := "".join(pair))
    ]
    assert len(found) > 150
    assert [(page, shown, what) for page, shown in found if (what := wrong(shown))] == []
    assert (wrong("hft phase AAPL"), wrong("hft up --detached")) == ("phase", "--detached"), "it would be seen"
