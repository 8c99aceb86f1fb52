"""API keys: tokens of programs, good on every door for months; shown once, kept as a hash. /api/keys."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from engine import tokens
from engine.messages import END, Name
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity
from engine.words import Reason
from gateway import auth, bodies, browser
from gateway.auth import Authenticator
from gateway.directory import MOST_KEYS, Key, UserDirectory
from gateway.problems import Problem, not_found

PREFIX: Final = "key-"
"""Of the session of a token that is a key."""
DAY_S: Final = 86_400
LONGEST_DAYS: Final = 730
RANKS: Final = {"viewer": 0, "trader": 1, "risk": 1, "admin": 2, "service": 3}
KeyName = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[A-Za-z0-9 ._@-]+{END}")]


class KeyBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A key may do no more than its user: `role` and `accounts` are by default the user's own."""

    name: KeyName
    role: str | None = None
    accounts: list[Name] | None = None
    days: Annotated[int, Meta(ge=1, le=LONGEST_DAYS)] = 365


class ApiKey(msgspec.Struct, kw_only=True, frozen=True):
    key_id: str
    username: str
    name: str
    role: str
    accounts: list[str]
    created_ns: int
    expires_ns: int


class NewApiKey(ApiKey, kw_only=True, frozen=True):
    token: str
    """The key itself: sent as a bearer token, and shown this once."""


_body: Final = msgspec.json.Decoder(KeyBody)


def shown(key: Key) -> ApiKey:
    fields = key._asdict()
    expires_s = fields.pop("expires_s")
    return ApiKey(**fields, expires_ns=expires_s * 1_000_000_000)


def refuse_key(identity: Identity, what: str) -> None:
    """Raises `Problem` 403 where a key asks for what only its user may."""
    if identity.session.startswith(PREFIX):
        raise Problem(403, Reason.NOT_AUTHORIZED.wire, f"an API key may not {what}: log in", field="token")


class Keys:
    def __init__(self, authenticator: Authenticator, directory: UserDirectory, secret: str) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._secret = secret

    async def show(self, request: Request) -> Response:
        """GET /api/keys: the user's own; of an admin, those of `username`, or all with `username=*`."""
        identity = self._authenticator.identify(request)
        wanted = bodies.parameters(request, "username").get("username", identity.actor)
        if wanted != identity.actor and not identity.may_administer:
            raise Problem(403, Reason.NOT_AUTHORIZED.wire, "these are another user's keys", field="username")
        found = await self._directory.keys(None if wanted == "*" else wanted)
        return browser.reply(browser.encoded({"keys": [shown(key) for key in found]}))

    async def create(self, request: Request) -> Response:
        """POST /api/keys"""
        identity = self._authenticator.identify(request)
        refuse_key(identity, "make keys")
        body = await bodies.read(request, _body)
        role, accounts = body.role or identity.role, body.accounts
        _check_role(identity, role)
        chosen = list(identity.accounts) if accounts is None else list(dict.fromkeys(accounts))
        for account in chosen:
            if account not in identity.accounts and EVERY_ACCOUNT not in identity.accounts:
                raise auth.forbidden(account)
        now_s = int(time.time())
        key = Key(
            f"{PREFIX}{uuid.uuid4().hex}",
            identity.actor,
            body.name,
            role,
            chosen,
            now_s * 1_000_000_000,
            now_s + body.days * DAY_S,
        )
        token = tokens.issue(
            self._secret,
            Identity(identity.actor, role, tuple(chosen), session=key.key_id),
            now_s=now_s,
            lifetime_s=body.days * DAY_S,
        )
        if not await self._directory.create_key(key, token):
            raise Refusal(Reason.INVALID_FIELD, "name", f"a user has at most {MOST_KEYS} keys: delete one first")
        made = NewApiKey(token=token, **msgspec.structs.asdict(shown(key)))
        return browser.reply(browser.encoded(made), 201)

    async def delete(self, request: Request) -> Response:
        """DELETE /api/keys?key_id=: from then on it lets nobody in."""
        identity = self._authenticator.identify(request)
        key_id = bodies.parameters(request, "key_id").get("key_id")
        if key_id is None:
            raise Refusal(Reason.MISSING_FIELD, "key_id", "key_id must say which key")
        key = await self._directory.key(key_id)
        if key is None or (key.username != identity.actor and not identity.may_administer):
            raise not_found(f"no key of yours has the id {key_id[:48]}", "key_id")
        await self._directory.delete_key(key_id)
        return browser.reply(browser.encoded(shown(key)))


def _check_role(identity: Identity, role: str) -> None:
    if role not in RANKS or role == "service":
        known = ", ".join(sorted(RANKS.keys() - {"service"}))
        raise Refusal(Reason.INVALID_FIELD, "role", f"role must be one of {known}")
    if role != identity.role and RANKS[role] >= RANKS[identity.role]:
        raise Problem(403, Reason.NOT_AUTHORIZED.wire, f"the role {identity.role} gives no {role}", field="role")
