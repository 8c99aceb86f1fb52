"""`hft split` and `hft dividend`: corporate actions, carried out by the engine between two orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import click

from infra.administration import Amount, say, tell


class Ratio(click.ParamType):
    """`NEW:OLD`, as in 2:1."""

    name = "new:old"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        new, colon, old = value.partition(":")
        if not (colon and new.isdecimal() and old.isdecimal()):
            self.fail(f"{value} is no ratio: 2:1 gives two new shares for each old one", param, context)
        return int(new), int(old)


@click.command()
@click.argument("symbol")
@click.argument("ratio", type=Ratio())
def split(symbol: str, ratio: tuple[int, int]) -> None:
    """Split SYMBOL by RATIO: 2:1 makes two new shares of each old one, 1:10 one of ten.

    Working orders in it are canceled; what is less than a lot is paid in cash."""
    from engine.messages import Split

    new, old = ratio
    reply = tell(Split(symbol=symbol, new_shares=new, old_shares=old))
    say(f"{symbol} split {new}:{old}: {reply.affected or 0} orders canceled", reply)


@click.command()
@click.argument("symbol")
@click.argument("amount", type=Amount())
def dividend(symbol: str, amount: Decimal) -> None:
    """Pay AMOUNT for each unit of SYMBOL held long; short positions pay it."""
    from engine.messages import Dividend

    say(f"{symbol}: {amount:f} paid for each unit held", tell(Dividend(symbol=symbol, amount=amount)))


COMMANDS: Final = (split, dividend)
