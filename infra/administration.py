"""The operator's commands: accounts, limits, fees, the kill switch, halts and phases. Each says in one line what it
changed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import click

from infra.errors import OperatorError
from infra.settings import load

if TYPE_CHECKING:
    from engine.messages import Account, AdministrativeCommand, Reply, SymbolLimits

NONE: Final = "none"


class Amount(click.ParamType):
    """An exact decimal number; with `removable`, `none` too, which stands for no limit (-1)."""

    name = "number"

    def __init__(self, *, removable: bool = False, whole: bool = False) -> None:
        self._removable = removable
        self._whole = whole

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Decimal | int:
        if isinstance(value, Decimal | int):
            return value
        if self._removable and value == NONE:
            return -1 if self._whole else Decimal(-1)
        try:
            number = Decimal(value)
            if not number.is_finite() or (self._removable and number < 0):
                raise InvalidOperation
            if not self._whole:
                return number
            if number != int(number):
                raise InvalidOperation
            return int(number)
        except InvalidOperation:
            kind = "whole number" if self._whole else "number"
            least = f" from 0 on, or {NONE}" if self._removable else ""
            self.fail(f"{value} is no {kind}{least}", param, context)


LIMIT: Final = Amount(removable=True)
WHOLE_LIMIT: Final = Amount(removable=True, whole=True)
WORDS: Final = ("none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement")
SCOPES: Final = ("account", "firm")
COST_METHODS: Final = ("average", "fifo")
PHASES: Final = ("closed", "opening_auction", "continuous", "closing_auction")


def tell(command: AdministrativeCommand) -> Reply:
    """Has the engine carry it out. Raises `OperatorError`."""
    from infra.engine_session import carried_out, session

    with session(load()) as client:
        return carried_out(client, command)


def say(text: str, reply: Reply) -> None:
    click.echo(f"{text} (command {reply.seq})")


# ------------------------------------------------------------------------------------------------------- accounts


@click.group()
def account() -> None:
    """Open an account, pay in, look at one."""


@account.command()
@click.argument("name")
@click.option("--deposit", type=Amount(), default="0", show_default=True, help="Cash to begin with.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--firm", help="The firm that it belongs to.")
@click.option(
    "--margin",
    type=Amount(),
    default="0",
    show_default=True,
    help="Buying power as a multiple of equity; 0: it is not checked.",
)
@click.option(
    "--self-trade",
    type=click.Choice(WORDS),
    default="none",
    show_default=True,
    help="What happens when its orders meet.",
)
@click.option(
    "--self-trade-scope",
    type=click.Choice(SCOPES),
    default="account",
    show_default=True,
    help="Whose orders are its own.",
)
@click.option(
    "--cost-method",
    type=click.Choice(COST_METHODS),
    default="average",
    show_default=True,
    help="What the lots of a sale have cost; it stays as it is.",
)
def create(
    name: str,
    deposit: Decimal,
    currency: str,
    firm: str | None,
    margin: Decimal,
    self_trade: str,
    self_trade_scope: str,
    cost_method: str,
) -> None:
    """Open the account NAME."""
    from engine.messages import DefineAccount
    from infra.engine_session import carried_out
    from infra.engine_session import session as engine_session

    command = DefineAccount(
        account=name,
        deposit=deposit,
        currency=currency,
        firm=firm,
        margin_multiple=margin,
        self_trade_prevention=self_trade,
        self_trade_scope=self_trade_scope,
        cost_method=cost_method,
    )
    with engine_session(load()) as client:
        if name in client.directory.session.account_ids:
            raise OperatorError(f"account {name} exists already: hft limits and hft account deposit change it")
        reply = carried_out(client, command)
    power = f"buying power {margin:f} × equity" if margin else "buying power is not checked"
    say(f"account {name} opened: {deposit:f} {currency}, {power}", reply)


@account.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount", type=Amount())
def deposit(name: str, amount: Decimal) -> None:
    """Pay AMOUNT into the account NAME; a negative one is paid out."""
    from engine.messages import Deposit

    reply = tell(Deposit(account=name, amount=amount))
    say(f"account {name}: {abs(amount):f} paid {'out' if amount < 0 else 'in'}", reply)


@account.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the account NAME as the engine last told it."""
    from infra.engine_session import account as read

    found = read(load(), name)
    if found is None:
        raise OperatorError(f"there is no account {name}")
    click.echo(described(found))


def described(found: Account) -> str:
    """An account in one line."""
    margin = f"buying power {found.margin_multiple} × equity" if found.margin_multiple else "buying power unchecked"
    parts = [
        f"{found.account}: deposits {found.deposits} {found.currency}",
        margin,
        f"self-trade {found.self_trade_prevention} by {found.self_trade_scope}",
    ]
    if found.firm:
        parts.append(f"firm {found.firm}")
    if found.cost_method != COST_METHODS[0]:
        parts.append(f"cost {found.cost_method}")
    if found.messages_per_second is not None:
        parts.append(f"{found.messages_per_second} messages/s, at most {found.message_burst} at once")
    if found.maker_fee_ppm is not None or found.taker_fee_ppm is not None:
        parts.append(_fees(found.maker_fee_ppm, found.taker_fee_ppm))
    parts.extend(_symbol_limits(limits) for limits in found.limits)
    parts.append(f"kill switch {'on' if found.killed else 'off'}")
    return "; ".join(parts)


def _symbol_limits(limits: SymbolLimits) -> str:
    names = [name for name in limits.__struct_fields__ if name != "symbol" and getattr(limits, name) is not None]
    return f"{limits.symbol or 'every symbol'} {', '.join(f'{name} {getattr(limits, name)}' for name in names)}"


def _fees(maker: int | None, taker: int | None) -> str:
    def text(ppm: int | None) -> str:
        return "the instrument's" if ppm is None else f"{ppm} ppm"

    return f"maker fee {text(maker)}, taker fee {text(taker)}"


# ----------------------------------------------------------------------------------------------- limits and fees


@click.command()
@click.argument("account")
@click.option("--symbol", help="Only in this symbol [default: in every one without limits of its own].")
@click.option("--max-order-quantity", type=LIMIT, help="Of one order; none: no limit, here and below.")
@click.option("--max-order-notional", type=LIMIT, help="Of one order.")
@click.option("--max-open-orders", type=WHOLE_LIMIT, help="Working at a time.")
@click.option("--max-long", type=LIMIT, help="Position, working buys included.")
@click.option("--max-short", type=LIMIT, help="Position as a positive number, working sells included.")
@click.option("--price-collar-ppm", type=WHOLE_LIMIT, help="Distance from the last trade in millionths.")
@click.option("--messages-per-second", type=WHOLE_LIMIT, help="New orders and replaces of the whole account.")
@click.option("--message-burst", type=WHOLE_LIMIT, help="How many of them may come at once.")
@click.option("--margin-multiple", type=Amount(), help="Buying power as a multiple of equity; 0: it is not checked.")
@click.option("--self-trade-prevention", type=click.Choice(WORDS), help="What happens when its orders meet.")
@click.option("--self-trade-scope", type=click.Choice(SCOPES), help="Whose orders are its own.")
def limits(account: str, symbol: str | None, **given: Any) -> None:
    """Set limits of ACCOUNT; what is not given stays."""
    from engine.messages import Limits

    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        raise click.UsageError("name a limit to set, as in --max-long 100 or --max-long none")
    reply = tell(Limits(account=account, symbol=symbol, **changed))
    texts = (f"{name} {_shown(value)}" for name, value in changed.items())
    say(f"limits of {account} in {symbol or 'every symbol'}: {', '.join(texts)}", reply)


def _shown(value: Decimal | int | str) -> str:
    if isinstance(value, str):
        return value
    return NONE if value < 0 else f"{value:f}" if isinstance(value, Decimal) else str(value)


@click.command()
@click.argument("account")
@click.option(
    "--maker", type=int, help="Millionths of the notional, negative for a rebate [default: the instrument's]."
)
@click.option("--taker", type=int, help="Millionths of the notional [default: the instrument's].")
def fees(account: str, maker: int | None, taker: int | None) -> None:
    """Set ACCOUNT's own fees; without options it pays the instruments' again."""
    from engine.messages import Fees

    reply = tell(Fees(account=account, maker_fee_ppm=maker, taker_fee_ppm=taker))
    say(f"{account}: {_fees(maker, taker)}", reply)


# --------------------------------------------------------------------------------------- kill switch and sessions


@click.command()
@click.argument("account", required=False)
@click.option("--all", "everybody", is_flag=True, help="Of every account.")
@click.option("--off", is_flag=True, help="Let it trade again.")
def kill(account: str | None, everybody: bool, off: bool) -> None:
    """Cancel every order of ACCOUNT and refuse new ones."""
    from engine.messages import Kill

    if (account is None) == (not everybody):
        raise click.UsageError("name an account, or give --all")
    reply = tell(Kill(account=account, active=not off))
    switch = f"kill switch of {account or 'every account'}"
    say(f"{switch} off" if off else f"{switch} on: {reply.affected or 0} orders canceled", reply)


@click.command()
@click.argument("symbol")
def halt(symbol: str) -> None:
    """Stop trading in SYMBOL; orders stay."""
    from engine.messages import Halt

    say(f"{symbol} halted", tell(Halt(symbol=symbol)))


@click.command()
@click.argument("symbol")
def resume(symbol: str) -> None:
    """End a halt of SYMBOL."""
    from engine.messages import Resume

    say(f"{symbol} resumed", tell(Resume(symbol=symbol)))


@click.command()
@click.argument("symbol")
@click.argument("phase", type=click.Choice(PHASES))
def session(symbol: str, phase: str) -> None:
    """Begin PHASE of SYMBOL's trading day; it holds until the schedule's next."""
    from engine.messages import SetPhase

    say(f"{symbol}: {phase}", tell(SetPhase(symbol=symbol, phase=phase)))


COMMANDS: Final = (account, limits, fees, kill, halt, resume, session)
