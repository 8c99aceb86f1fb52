"""The operator's commands about users and keys: who may log in, with which role, for which accounts. They need Postgres
only; what is taken away is refused by every gateway at once, and by the engine. All that change something are in the
topic `audit`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from infra.audited import Audited, Denied
from infra.errors import OperatorError
from infra.settings import Settings, load

if TYPE_CHECKING:
    import psycopg

ROLES: Final = ("viewer", "trader", "risk", "admin")


@contextmanager
def postgres(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Raises `OperatorError` where it is away."""
    import psycopg

    try:
        with psycopg.connect(settings.dsn, connect_timeout=5, application_name="hft") as connection:
            yield connection
    except psycopg.OperationalError as error:
        said = (str(error).strip() or "no answer").splitlines()[0]
        raise OperatorError(f"Postgres cannot be reached ({said}): is the system up? hft status says") from None


def new_password(from_stdin: bool) -> str:
    """Asked for twice, or the first line of stdin. Raises `Denied` where it is too short."""
    from gateway.passwords import LONGEST, SHORTEST

    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("password", hide_input=True, confirmation_prompt=True)
    if not SHORTEST <= len(password) <= LONGEST:
        raise Denied(422, "invalid_field", f"a password has {SHORTEST} to {LONGEST} characters")
    return str(password)


def hashed(password: str) -> str:
    import argon2

    return argon2.PasswordHasher().hash(password)


def end_all(settings: Settings, connection: psycopg.Connection[Any], username: str) -> int:
    """Ends every login and key of the user; how many there were."""
    from gateway.directory import FORGET, LETS_IN

    values = {"username": username, "now_s": int(time.time())}
    found = connection.execute(LETS_IN, values).fetchall()
    revoke(settings, connection, found)
    connection.execute(FORGET, values)
    return len(found)


def revoke(settings: Settings, connection: psycopg.Connection[Any], sessions: Sequence[tuple[str, int]]) -> None:
    """Gateways hear of it from Postgres; the engine hears it here, or, where it is away, from a gateway later."""
    from gateway.revocations import KEEP
    from infra.engine_session import session as engine_session

    for session in sessions:
        connection.execute(KEEP, session)
    connection.commit()
    if not sessions:
        return
    try:
        with engine_session(settings) as client:
            client.revoke(dict(sessions))
    except OperatorError as error:
        click.echo(f"note: {error}; a gateway tells it later", err=True)


def change(username: str, said: str, **changes: Any) -> None:
    from gateway.directory import CHANGE_USER

    settings = load()
    values = {"username": username, "password_hash": None, "role": None, "accounts": None, "disabled": None, **changes}
    with postgres(settings) as connection:
        if connection.execute(CHANGE_USER, values).fetchone() is None:
            raise unknown_user(username)
        ended = end_all(settings, connection, username)
    click.echo(f"user {username}: {said}; {ended} logins and keys ended")


def unknown_user(username: str) -> Denied:
    return Denied(404, "not_found", f"there is no user {username}")


# ---------------------------------------------------------------------------------------------------------- users


@click.group()
def user() -> None:
    """Let people in, change what they may do, keep them out."""


@user.command("create", cls=Audited)
@click.argument("username")
@click.option("--role", type=click.Choice(ROLES), default="trader", show_default=True)
@click.option("--account", "accounts", multiple=True, help="An account it may act for; repeat for more; *: every one.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking for it.")
def create(username: str, role: str, accounts: tuple[str, ...], password_stdin: bool) -> None:
    """Make the user USERNAME."""
    import msgspec

    from gateway.directory import CREATE_USER
    from gateway.users import AccountName, Username

    try:
        msgspec.convert(username, Username)
        msgspec.convert(list(accounts), list[AccountName])
    except msgspec.ValidationError:
        text = f"{username}, {', '.join(accounts)}: names have letters, digits and . _ @ -, accounts 1 to 16 of them"
        raise Denied(422, "invalid_field", text) from None
    password = new_password(password_stdin)
    with postgres(load()) as connection:
        made = connection.execute(CREATE_USER, (username, hashed(password), role, list(accounts))).fetchone()
    if made is None:
        text = f"user {username} exists already: hft user password, role and accounts change it"
        raise Denied(409, "duplicate_username", text)
    click.echo(f"user {username} made: {role} of {', '.join(accounts) or 'no account'}")


@user.command("list")
def list_users() -> None:
    """Show all users."""
    with postgres(load()) as connection:
        found = connection.execute("SELECT username, role, accounts, disabled FROM users ORDER BY username").fetchall()
    for username, role, accounts, disabled in found:
        click.echo(f"{username}: {role} of {', '.join(accounts) or 'no account'}{', disabled' if disabled else ''}")


@user.command("password", cls=Audited)
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking for it.")
def password(username: str, password_stdin: bool) -> None:
    """Give USERNAME a new password."""
    change(username, "new password", password_hash=hashed(new_password(password_stdin)))


@user.command("role", cls=Audited)
@click.argument("username")
@click.argument("role", type=click.Choice(ROLES))
def role(username: str, role: str) -> None:
    """Make ROLE what USERNAME may do."""
    change(username, f"role {role}", role=role)


@user.command("accounts", cls=Audited)
@click.argument("username")
@click.argument("accounts", nargs=-1)
def accounts(username: str, accounts: tuple[str, ...]) -> None:
    """Bind USERNAME to these ACCOUNTS, and no others."""
    change(username, f"accounts {', '.join(accounts) or 'none'}", accounts=list(accounts))


@user.command("disable", cls=Audited)
@click.argument("username")
def disable(username: str) -> None:
    """Keep USERNAME out."""
    change(username, "disabled", disabled=True)


@user.command("enable", cls=Audited)
@click.argument("username")
def enable(username: str) -> None:
    """Let USERNAME in again."""
    change(username, "enabled", disabled=False)


@user.command("logout", cls=Audited)
@click.argument("username")
def logout(username: str) -> None:
    """End every login and key of USERNAME."""
    settings = load()
    with postgres(settings) as connection:
        ended = end_all(settings, connection, username)
    click.echo(f"user {username}: {ended} logins and keys ended")


@user.command("delete", cls=Audited)
@click.argument("username")
def delete(username: str) -> None:
    """Delete USERNAME; the orders and records of its accounts stay."""
    from gateway.directory import DELETE_USER

    settings = load()
    with postgres(settings) as connection:
        if connection.execute(DELETE_USER, (username,)).fetchone() is None:
            raise unknown_user(username)
        ended = end_all(settings, connection, username)
    click.echo(f"user {username} deleted; {ended} logins and keys ended")


# ----------------------------------------------------------------------------------------------------------- keys


@click.group()
def key() -> None:
    """Show and end the API keys of users."""


@key.command("list")
@click.argument("username", required=False)
def list_keys(username: str | None) -> None:
    """Show the keys of USERNAME, or of everybody."""
    from gateway.directory import KEY, Key

    with postgres(load()) as connection:
        rows = connection.execute(
            f"{KEY} WHERE expires_s > %s AND (%s::text IS NULL OR username = %s) ORDER BY username, created_at",
            (int(time.time()), username, username),
        ).fetchall()
    for found in (Key(*row) for row in rows):
        until = time.strftime("%Y-%m-%d", time.gmtime(found.expires_s))
        click.echo(f"{found.key_id} {found.username} {found.name!r}: {found.role} of "
                   f"{', '.join(found.accounts) or 'no account'}, until {until}")  # fmt: skip


@key.command("revoke", cls=Audited)
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """End the key KEY_ID."""
    from gateway.directory import DELETE_KEY

    settings = load()
    with postgres(settings) as connection:
        row = connection.execute(DELETE_KEY, (key_id,)).fetchone()
        if row is None:
            raise Denied(404, "not_found", f"there is no key {key_id}")
        revoke(settings, connection, [(key_id, row[0])])
    click.echo(f"key {key_id} ended")


@click.command()
def curve() -> None:
    """Make a CURVE key for HFT_ZEROMQ_KEY, and the address that clients then use."""
    import zmq

    public, secret = (part.decode() for part in zmq.curve_keypair())
    click.echo(f"HFT_ZEROMQ_KEY={secret}")
    click.echo(f"clients: tcp://HOST:{load().zeromq_port}|{public}")


COMMANDS: Final = (user, key, curve)
