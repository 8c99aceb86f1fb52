"""`hft backup` and `hft restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from infra.settings import load

if TYPE_CHECKING:
    from infra.backup.manifest import Manifest

FOLDER: Final = click.Path(path_type=Path)
NOT_IN_IT: Final = "not in it: .env and other settings, TLS and Alpaca keys, tables and topics of your own"


def _point(found: Manifest) -> str:
    when = datetime.fromtimestamp(found.ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"command {found.seq:,} of {when} UTC"


@click.command()
@click.argument("folder", type=FOLDER)
def backup(folder: Path) -> None:
    """Copy everything that the system keeps to FOLDER, while it runs or not.

    FOLDER gets its name when the copy is whole and on the disk; only its owner may read it, for it holds secrets."""
    from infra.backup.take import backup as take

    found = take(load(), folder, click.echo)
    size = sum(file.bytes for file in found.files.values())
    click.echo(f"{folder}: {_point(found)}, {len(found.files)} files, {size:,} bytes")
    click.echo(NOT_IN_IT)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--check", is_flag=True, help="Only read the backup and compare every checksum.")
def restore(folder: Path, check: bool) -> None:
    """Fill an empty system (HFT_VAR, and your own Kafka, Postgres and Redis) from the backup in FOLDER."""
    from infra.backup.restore import checked
    from infra.backup.restore import restore as fill

    if check:
        found = checked(folder)
        click.echo(f"{folder} is whole: {_point(found)}, {len(found.files)} files, by hft {found.program}")
        return
    found = fill(load(), folder, click.echo)
    click.echo(f"restored to {_point(found)}: hft up goes on from there")


COMMANDS: Final = (backup, restore)
