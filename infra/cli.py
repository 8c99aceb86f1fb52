"""The program `hft`: what goes wrong is said in one line, without a traceback."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    # While the modules load, an interrupt ends us without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import click

    from infra.commands import hft
    from infra.errors import OperatorError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(hft(standalone_mode=False) or 0)
    except click.ClickException as error:
        click.echo(f"hft: {error.format_message()} (hft --help lists what there is)", err=True)
        sys.exit(error.exit_code)
    except OperatorError as error:
        click.echo(f"hft: {error}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
