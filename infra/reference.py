"""The reference of all settings, made from their declaration: `hft settings`, and docs/settings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args, get_origin

from infra.settings import PREFIX, SECRETS, Settings

HEAD: Final = """# Settings

Every setting is an environment variable; `.env` in the folder that `hft` is started in is read too, and the environment
wins. This page is written by `hft settings --markdown`, and a test keeps it fresh.

| variable | default | what it is |
|---|---|---|
"""


class Row(NamedTuple):
    variable: str
    default: str
    description: str


def rows() -> list[Row]:
    found = []
    for name, field in Settings.model_fields.items():
        description = field.description or ""
        if get_origin(field.annotation) is Literal:
            words = ", ".join(f"`{word}`" for word in get_args(field.annotation))
            description = f"{description} One of {words}."
        found.append(Row(f"{PREFIX}{name.upper()}", _default(field.default), description))
    return found


def _default(value: object) -> str:
    if isinstance(value, Path) and value.is_absolute():
        return value.relative_to(Path(__file__).parent.parent).as_posix()
    return str(value)


def markdown() -> str:
    return HEAD + "".join(
        f"| `{row.variable}` | {f'`{row.default}`' if row.default else ''} | {row.description} |\n" for row in rows()
    )


def text(settings: Settings) -> str:
    """Each variable with the value that it has now (secrets masked), and what it is."""
    lines = []
    for row, (name, value) in zip(rows(), settings, strict=True):
        shown = "***" if value and name in SECRETS else value
        lines.append(f"{row.variable}={shown}\n    {row.description}\n")
    return "".join(lines)
