"""`hft doctor`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--all", "everything", is_flag=True, help="Also what is in order.")
@click.pass_context
def doctor(context: click.Context, as_json: bool, everything: bool) -> None:
    """Look for what would make this machine slow, unsafe or wrong for the system, and say what mends it.

    Nothing is changed. The exit code is 1 where there is a problem; advice leaves it 0."""
    import msgspec

    from infra.doctor.checks import findings, text
    from infra.settings import load

    found = list(findings(load(), Path("/")))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo(text(found, everything))
    context.exit(1 if any(finding.verdict == "problem" for finding in found) else 0)
