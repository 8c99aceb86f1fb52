"""An account's limits, and its kill switch."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import Account, Kill, Limits, Name, Reply
from engine.refusal import Refusal
from engine.tokens import Identity
from engine.words import Outcome, Reason
from gateway import auth, bodies, browser
from gateway.auth import Authenticator
from gateway.exchange import Exchange
from gateway.hub import Hub
from gateway.orders import SETTLE_S, Orders
from gateway.problems import not_found, rejected
from gateway.requests import seen_of
from gateway.shapes import Killed
from gateway.subscription import not_loaded

SHOWN: Final = (
    "account",
    "killed",
    "firm",
    "margin_multiple",
    "self_trade_prevention",
    "self_trade_scope",
    "messages_per_second",
    "message_burst",
    "maker_fee_ppm",
    "taker_fee_ppm",
    "limits",
    "seq",
)


class LimitsBody(Limits, tag="limits", kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`Limits` as REST takes it: without `account`, those of the user's first."""

    account: Name | None = None  # type: ignore[assignment]


class KillBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    account: Name | None = None
    all: bool = False
    active: bool = True


_limits: Final = msgspec.json.Decoder(LimitsBody)
_kill: Final = msgspec.json.Decoder(KillBody)


class Risk:
    def __init__(self, authenticator: Authenticator, exchange: Exchange, hub: Hub, orders: Orders) -> None:
        self._authenticator = authenticator
        self._exchange = exchange
        self._hub = hub
        self._orders = orders

    async def show(self, request: Request) -> Response:
        """GET /api/risk?account="""
        identity = self._authenticator.identify(request)
        account = bodies.parameters(request, "account").get("account") or auth.first_account(identity)
        if not auth.may_see(identity, account):
            raise auth.forbidden(account)
        if not self._hub.loaded.is_set():
            raise not_loaded()
        return browser.reply(browser.encoded(shown(self._known(account))))

    async def change(self, request: Request) -> Response:
        """PUT /api/risk: sets what the body gives, for those who control risk."""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _limits)
        if not identity.may_control_risk:
            raise auth.may_not_administer(identity, "set limits")
        account = body.account or auth.first_account(identity)
        reply = await self._carry_out(identity, Limits(**{**asdict(body), "account": account}), account)
        seen_of(request.scope).seq = reply.seq
        end = time.monotonic() + SETTLE_S
        while self._hub.live and (left := end - time.monotonic()) > 0:
            known = self._hub.state.accounts.get(account)
            if known is not None and known.seq >= reply.seq:
                return browser.reply(browser.encoded(shown(known)))
            await self._hub.change(left)
        # Set all the same: Kafka, from which it is shown, has not told of it yet.
        return browser.reply(browser.encoded({"account": account, "seq": reply.seq}), 202)

    async def kill(self, request: Request) -> Response:
        """POST /api/risk/kill"""
        identity = self._authenticator.identify(request)
        body = await bodies.read(request, _kill)
        account = None
        if not body.all:
            named = body.account if identity.may_control_risk else None
            account = named or auth.trading_account(identity, body.account)
        elif body.account is not None:
            raise Refusal(Reason.INVALID_FIELD, "account", "account and all exclude each other")
        elif not identity.may_control_risk:
            raise auth.may_not_administer(identity, "switch off every account")
        kill = Kill(account=account, active=body.active, text=f"by {identity.actor}")
        reply = await self._carry_out(identity, kill, account)
        seen_of(request.scope).seq = reply.seq
        affected = reply.affected or 0
        shown = not affected or await self._orders.settled(None if account is None else frozenset({account}), reply.seq)
        killed = Killed(account=account, active=body.active, affected=affected, seq=reply.seq, shown=shown)
        return browser.reply(browser.encoded(killed))

    async def _carry_out(self, identity: Identity, command: Limits | Kill, account: str | None) -> Reply:
        reply = await self._exchange.administer(command, identity.actor)
        if reply.outcome == Outcome.REJECTED.wire:
            raise rejected(reply.reason, reply.field, reply.text, account=account)
        return reply

    def _known(self, account: str) -> Account:
        known = self._hub.state.accounts.get(account)
        if known is None:
            raise not_found(f"no account is called {account[:24]}", "account", Reason.UNKNOWN_ACCOUNT.wire)
        return known


def shown(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in SHOWN}
