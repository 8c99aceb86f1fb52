"""The commands of `hft`. Each imports what it needs when it is called, so that all of them start quickly."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from infra import kafka_security
from infra.administration import COMMANDS
from infra.bench.command import bench
from infra.commands_backtest import backtest
from infra.commands_backup import COMMANDS as BACKUP
from infra.commands_compare import compare
from infra.commands_corporate import COMMANDS as CORPORATE
from infra.commands_kafka import kafka_access
from infra.commands_letters import dead_letters
from infra.commands_rebuild import rebuild
from infra.commands_report import report
from infra.commands_strategy import strategy
from infra.commands_trace import trace
from infra.commands_users import COMMANDS as USER_COMMANDS
from infra.commands_venue import venue
from infra.doctor.command import doctor
from infra.load.command import load as load_test
from infra.recorded import audit, replay
from infra.settings import load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hft", message="hft %(version)s")
def hft() -> None:
    """A trading system in which every order, fill and position change is a Kafka record."""
    kafka_security.choose(load)


@hft.command()
@click.option("--detach", is_flag=True, help="Leave it in the background and return when it is healthy.")
def up(detach: bool) -> None:
    """Start the whole system."""
    settings = load()
    if detach:
        from infra.detach import detach as leave
        from infra.folders import folders

        leave(settings, folders(settings.var), sys.stdout)
        return
    from infra import log_lines
    from infra.child import secrets_of
    from infra.launcher import Launcher
    from infra.progress import for_stream

    log_lines.configure("warning", json=settings.log_format == "json", secrets=secrets_of(settings))
    launcher = Launcher(settings, for_stream())
    launcher.install_signals()
    launcher.run()


@hft.command()
def down() -> None:
    """Stop the system that runs under this VAR."""
    from infra.folders import folders
    from infra.status import down as stop

    click.echo(stop(folders(load().var)))


@hft.command()
@click.argument("names", nargs=-1)
def restart(names: tuple[str, ...]) -> None:
    """Restart the processes NAMED, or all of ours, one after the other: with the program as it now is on the disk."""
    from infra.folders import folders
    from infra.restart import restart as one_by_one

    one_by_one(folders(load().var), names, click.echo)


@hft.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Show each process; the exit code is 0 only when all is healthy."""
    from infra.folders import folders
    from infra.status import show

    settings = load()
    context.exit(0 if show(settings, folders(settings.var)) else 1)


@hft.command()
@click.option("--times", type=click.IntRange(min=1), help="How often, then end [default: until interrupted].")
@click.option("--every", default=2.0, show_default=True, type=click.FloatRange(min=0.2), help="Seconds in between.")
def top(times: int | None, every: float) -> None:
    """Watch throughput, latency, lag, positions and what is wrong, as they change."""
    from rich.console import Console

    from infra.folders import folders
    from infra.top import top as watch

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    try:
        settings = load()
        watch(settings, folders(settings.var), console, times=times, every_s=every)
    except KeyboardInterrupt:
        return


@hft.command()
def grafana() -> None:
    """Start a Grafana with the dashboards, and a Prometheus, where their programs are installed."""
    from infra.folders import folders
    from infra.grafana import show

    settings = load()
    try:
        show(settings, folders(settings.var), click.echo)
    except KeyboardInterrupt:
        return


@hft.command()
@click.argument("names", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
def logs(names: tuple[str, ...], follow: bool) -> None:
    """Show the end of the logs, of all or of those NAMED."""
    from infra.folders import folders
    from infra.status import logs as print_logs

    try:
        print_logs(folders(load().var), names, follow=follow, out=sys.stdout)
    except KeyboardInterrupt:
        return


@hft.command(hidden=True)
@click.argument("name")
@click.option("--ready-file", type=click.Path(path_type=Path))
def run(name: str, ready_file: Path | None) -> None:
    """Run one service in the foreground (what `hft up` starts its children with)."""
    from infra import child
    from infra.services import find

    find(name)
    sys.exit(child.run(name, load(), ready_file))


@hft.command()
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    help="Seconds that each server may take to answer [default: 10]; inf: as long as it takes.",
)
def setup(wait: float | None) -> None:
    """Prepare your own Kafka, Postgres and Redis: topics, schema, secret. `hft up` does this by itself."""
    from infra.setup import setup as prepare

    prepare(load(), click.echo, wait)


@hft.command()
@click.argument("server", type=click.Choice(["kafka"]))
def serve(server: str) -> None:
    """Be an embedded SERVER in the foreground, for a supervisor such as systemd."""
    from infra.serve import serve_kafka

    serve_kafka(load())


@hft.command()
@click.option("--account", "accounts", multiple=True, required=True, help="An account it may act for; repeat for more.")
@click.option("--role", default="trader", show_default=True, help="viewer, trader, risk, admin or service.")
@click.option("--name", default="token", show_default=True, help="Who is named as the actor of its orders.")
@click.option("--minutes", type=click.IntRange(min=1), help="How long it is valid [default: HFT_TOKEN_MINUTES].")
def token(accounts: tuple[str, ...], role: str, name: str, minutes: int | None) -> None:
    """Print a token for REST, WebSocket and ZeroMQ."""
    from infra.access import issue_token

    click.echo(issue_token(load(), name, role, accounts, minutes))


@hft.command()
@click.option("--markdown", is_flag=True, help="As docs/settings.md has it.")
def settings(markdown: bool) -> None:
    """Print every setting, its value now and what it is."""
    from infra import reference

    click.echo(reference.markdown() if markdown else reference.text(load()), nl=False)


for command in (
    *(
        audit,
        backtest,
        bench,
        compare,
        dead_letters,
        doctor,
        kafka_access,
        load_test,
        rebuild,
        replay,
        report,
        strategy,
    ),
    *(trace, venue),
    *(*BACKUP, *COMMANDS, *CORPORATE, *USER_COMMANDS),
):
    hft.add_command(command)
