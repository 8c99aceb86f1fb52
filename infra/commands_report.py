"""`hft report`: a tear sheet of a backtest's result or of a live account."""

from __future__ import annotations

from pathlib import Path

import click

from infra.commands_backtest import FOREVER_NS, moment
from infra.errors import OperatorError
from infra.settings import load


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--account", help="Instead of FOLDER: this live account, from Postgres.")
@click.option("--start", help="Of the live account: from this date or time on, UTC.")
@click.option("--end", help="Up to this date or time.")
@click.option("--title", help="What the page is called [default: the folder's or the account's name].")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page [default: FOLDER/report.html, ACCOUNT.html]; its JSON lies beside it.",
)
def report(
    folder: Path | None, account: str | None, start: str | None, end: str | None, title: str | None, out: Path | None
) -> None:
    """Draw the result in FOLDER (of `hft backtest --out`), or what a live account has done."""
    from streams.backtest.bar_data import DataError
    from streams.backtest.result import load as load_result
    from streams.reports.live import read
    from streams.reports.tear_sheet import document, page

    if (folder is None) == (account is None):
        raise click.UsageError("name the FOLDER of a backtest's result, or an --account")
    if folder is not None:
        try:
            result = load_result(folder)
        except FileNotFoundError as error:
            raise OperatorError(f"{folder}: no result of hft backtest --out ({error.filename} is missing)") from None
        named, page_path = folder.resolve().name, folder / "report.html"
    else:
        assert account is not None
        try:
            result = read(load().dsn, account, moment(start, 0), moment(end, FOREVER_NS))
        except DataError as error:
            raise OperatorError(f"{error}") from None
        named, page_path = f"Account {account}", Path(f"{account}.html")
    page_path = out or page_path
    name = title or named
    page_path.write_text(page(result, name), encoding="utf-8")
    data_path = page_path.with_suffix(".json")
    data_path.write_bytes(document(result, name))
    click.echo(f"wrote {page_path} and {data_path}")
