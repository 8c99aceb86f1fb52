"""Users and accounts, by those who administer: /api/users, /api/accounts; and everybody's own password."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import END, DefineAccount, Deposit, Fees, Name, Reply
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.words import Outcome, Reason
from gateway import auth, bodies, browser, passwords
from gateway.auth import Authenticator
from gateway.directory import User, UserDirectory
from gateway.exchange import Exchange
from gateway.keys import refuse_key
from gateway.passwords import Passwords
from gateway.problems import Problem, not_found, rejected, unauthorized
from gateway.requests import seen_of

ROLES: Final = ("viewer", "trader", "risk", "admin")
Username = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[A-Za-z0-9._@-]+{END}")]
AccountName = Annotated[str, Meta(min_length=1, max_length=16, pattern=rf"^(\*|[A-Za-z0-9._:/-]+){END}")]
"""`*` stands for every account."""


class UserBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    username: Username
    password: str
    role: str = "trader"
    accounts: list[AccountName] = []


class UserChange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. Each change ends all logins and keys of the user."""

    password: str | None = None
    role: str | None = None
    accounts: list[AccountName] | None = None
    disabled: bool | None = None


class PasswordBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    old_password: str
    new_password: str


class AccountBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """As the command `account`."""

    account: Name
    deposit: Decimal = Decimal(0)
    currency: Name = "USD"
    firm: Name | None = None
    margin_multiple: Decimal = Decimal(0)
    self_trade_prevention: str = "none"
    self_trade_scope: str = "account"


class DepositBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    amount: Decimal
    """A negative one is paid out."""


class FeesBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None


class ShownUser(msgspec.Struct, kw_only=True, frozen=True):
    username: str
    role: str
    accounts: list[str]
    disabled: bool
    created_ns: int


_user: Final = msgspec.json.Decoder(UserBody)
_change: Final = msgspec.json.Decoder(UserChange)
_password: Final = msgspec.json.Decoder(PasswordBody)
_account: Final = msgspec.json.Decoder(AccountBody)
_deposit: Final = msgspec.json.Decoder(DepositBody)
_fees: Final = msgspec.json.Decoder(FeesBody)


def shown(user: User) -> ShownUser:
    return ShownUser(**user._asdict())


class Users:
    def __init__(
        self, authenticator: Authenticator, directory: UserDirectory, hashing: Passwords, exchange: Exchange
    ) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._passwords = hashing
        self._exchange = exchange

    def _administrator(self, request: Request) -> Identity:
        identity = self._authenticator.identify(request)
        if not identity.may_administer:
            raise auth.may_not_administer(identity, "administer users and accounts")
        refuse_key(identity, "administer users and accounts")
        return identity

    # --------------------------------------------------------------------------------------------------- users

    async def show(self, request: Request) -> Response:
        """GET /api/users"""
        self._administrator(request)
        bodies.parameters(request)
        return browser.reply(browser.encoded({"users": [shown(user) for user in await self._directory.users()]}))

    async def create(self, request: Request) -> Response:
        """POST /api/users"""
        self._administrator(request)
        body = await bodies.read(request, _user)
        passwords.check_new(body.password, "password")
        _check_role(body.role)
        hashed = await self._passwords.hashed(body.password)
        if not await self._directory.create(body.username, hashed, body.role, list(body.accounts)):
            raise Problem(409, "duplicate_username", f"{body.username} is a user already", field="username")
        return browser.reply(browser.encoded(await self._shown(body.username)), 201)

    async def change(self, request: Request) -> Response:
        """PATCH /api/users/{username}"""
        identity = self._administrator(request)
        body = await bodies.read(request, _change)
        username: str = request.path_params["username"]
        if body.role is not None:
            _check_role(body.role)
        if username == identity.actor and (body.disabled or body.role not in (None, identity.role)):
            raise Refusal(Reason.INVALID_FIELD, "username", "nobody takes the own rights away: ask another admin")
        hashed = None
        if body.password is not None:
            passwords.check_new(body.password, "password")
            hashed = await self._passwords.hashed(body.password)
        accounts = None if body.accounts is None else list(body.accounts)
        await self._shown(username)
        await self._directory.change(
            username, password_hash=hashed, role=body.role, accounts=accounts, disabled=body.disabled
        )
        return browser.reply(browser.encoded(await self._shown(username)))

    async def delete(self, request: Request) -> Response:
        """DELETE /api/users/{username}"""
        identity = self._administrator(request)
        bodies.parameters(request)
        username: str = request.path_params["username"]
        if username == identity.actor:
            raise Refusal(Reason.INVALID_FIELD, "username", "nobody deletes the own user: ask another admin")
        user = await self._shown(username)
        await self._directory.delete(username)
        return browser.reply(browser.encoded(user))

    async def _shown(self, username: str) -> ShownUser:
        user = None if "\x00" in username else await self._directory.user(username)
        if user is None:
            raise not_found(f"no user is called {username[:64]}", "username")
        return shown(user)

    async def password(self, request: Request) -> Response:
        """PUT /api/password: one's own; every login and key of the user ends, this one too."""
        identity = self._authenticator.identify(request)
        refuse_key(identity, "change the password")
        body = await bodies.read(request, _password)
        passwords.check_new(body.new_password, "new_password")
        stored = await self._directory.password_hash(identity.actor)
        if len(body.old_password) > passwords.LONGEST or not await self._passwords.matches(stored, body.old_password):
            raise unauthorized("the old password is wrong", "old_password")
        await self._directory.change(identity.actor, password_hash=await self._passwords.hashed(body.new_password))
        return browser.reply(browser.encoded({"username": identity.actor}))

    # ------------------------------------------------------------------------------------------------ accounts

    async def create_account(self, request: Request) -> Response:
        """POST /api/accounts"""
        identity = self._administrator(request)
        body = await bodies.read(request, _account)
        await self._exchange.refresh()
        if await self._exchange.has_account(body.account):
            raise Problem(409, "duplicate_account", f"{body.account} is an account already", field="account")
        command = DefineAccount(**msgspec.structs.asdict(body))
        return await self._carry_out(request, identity, command, body.account, 201)

    async def deposit(self, request: Request) -> Response:
        """POST /api/accounts/{account}/deposits"""
        identity = self._administrator(request)
        body = await bodies.read(request, _deposit)
        account = _path_account(request)
        return await self._carry_out(request, identity, Deposit(account=account, amount=body.amount), account, 201)

    async def fees(self, request: Request) -> Response:
        """PUT /api/accounts/{account}/fees"""
        identity = self._administrator(request)
        body = await bodies.read(request, _fees)
        account = _path_account(request)
        return await self._carry_out(
            request, identity, Fees(account=account, **msgspec.structs.asdict(body)), account, 200
        )

    async def _carry_out(
        self,
        request: Request,
        identity: Identity,
        command: DefineAccount | Deposit | Fees,
        account: str,
        status: int,
    ) -> Response:
        reply: Reply = await self._exchange.administer(command, identity.actor)
        seen_of(request.scope).seq = reply.seq
        if reply.outcome == Outcome.REJECTED.wire:
            raise rejected(reply.reason, reply.field, reply.text, account=account)
        return browser.reply(browser.encoded({"account": account, "seq": reply.seq}), status)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refusal(Reason.INVALID_FIELD, "role", f"role must be one of {', '.join(ROLES)}")


def _path_account(request: Request) -> str:
    account: str = request.path_params["account"]
    if account == EVERY_ACCOUNT or not 0 < len(account) <= 16 or not account.isascii() or not account.isprintable():
        raise not_found(f"no account is called {account[:24]}", "account", Reason.UNKNOWN_ACCOUNT.wire)
    return account
