"""What is asked of the engine besides orders, in JSON: logins, questions about its state, subscriptions, and
administrative commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from engine import answers, messages, replies
from engine.batch import Batch
from engine.drop_copy import DropCopy
from engine.lookup import find_order
from engine.market_data import MarketData
from engine.messages import AdministrativeCommand, Book, Halt, Kill, Limits, NewOrder, OrderState, Resume
from engine.preview import compile_preview, preview
from engine.reading import parse, parse_administrative
from engine.records import book_record, instrument_record
from engine.refusal import Refusal
from engine.registry import AccountEntry, InstrumentEntry
from engine.revocations import RevocationFile, Revocations
from engine.sequencer import Sequencer
from engine.sessions import Session, Sessions, check_command
from engine.tokens import EVERY_ACCOUNT
from engine.units import money_text
from engine.words import Durability, ExecType, Reason, Side, Source

MOST_LEVELS: Final = 1000
ADMINISTRATIVE_TYPES: Final = frozenset(
    kind.__struct_config__.tag
    for kind in get_args(AdministrativeCommand)
    if kind not in (messages.Refused, messages.Unreadable)
)

OF_RISK: Final = (Limits, Kill, Halt, Resume)
"""What the role risk may do besides looking."""
LONGEST_ACTOR: Final = 64

Answer = Callable[[Any], None]


class Request(msgspec.Struct):
    """The fields of all requests; which of them count depends on `type`."""

    type: str
    token: str = ""
    durability: str = Durability.JOURNALED.wire
    cancel_on_disconnect: bool = False
    account: str = ""
    client_order_id: str | None = None
    order_id: str | None = None
    symbol: str = ""
    levels: int = 10
    first: int = 1
    order: msgspec.Raw = msgspec.Raw()
    """Of `preview`: the new order."""
    sessions: dict[str, int] = {}
    """Of `revoke`: session → when its last token expires, in seconds since the epoch."""

    actor: str = ""
    source: str = ""
    command: msgspec.Raw = msgspec.Raw()
    """Of `administer`: an administrative command of somebody for whom a process of ours speaks."""


class Requests:
    """Answers requests of logged-in connections."""

    def __init__(
        self,
        sequencer: Sequencer,
        batch: Batch,
        sessions: Sessions,
        drop_copy: DropCopy,
        market_data: MarketData,
        clock_ns: Callable[[], int],
        revocations: Revocations,
        revocation_file: RevocationFile,
    ) -> None:
        self._sequencer = sequencer
        self._core = sequencer.core
        self._batch = batch
        self._sessions = sessions
        self._drop_copy = drop_copy
        self._market_data = market_data
        self._clock_ns = clock_ns
        self._revocations = revocations
        self._revocation_file = revocation_file
        compile_preview(sequencer.core)

    def take(self, routing_id: bytes, can_be_sent_to: bool, request: Request, payload: bytes, answer: Answer) -> None:
        """Calls `answer` now, or when an administrative command has the durability that was asked for.
        `can_be_sent_to`: the connection's socket takes messages that are no reply. Raises `Refusal`."""
        match request.type:
            case "ping":
                answer(answers.Pong(last_seq=self._sequencer.last_seq))
                return
            case "login":
                answer(self._login(routing_id, can_be_sent_to, request))
                return
        session = self._sessions.find(routing_id)
        match request.type:
            case "directory":
                answer(self._described(session))
            case "status":
                answer(self._status(session, request))
            case "depth":
                answer(self._depth(request))
            case "preview":
                answer(self._preview(session, bytes(request.order)))
            case "market_data":
                answer(self._streams(request.symbol))
            case "trades":
                answer(self._trades(request.symbol, request.first))
            case "positions":
                answer(self._positions(session))
            case "state_hash":
                _check_may_administer(session)
                answer(answers.StateHash(last_seq=self._sequencer.last_seq, state_hash=self._core.state_hash()))
            case "administer":
                self._administer_for(session, request, answer)
            case "revoke":
                _check_may_administer(session)
                answer(self._revoke(request.sessions))
            case "subscribe":
                answer(self._subscribe(session, can_be_sent_to, request.account))
            case "unsubscribe":
                answer(self._unsubscribe(session, request.account))
            case kind if kind in ADMINISTRATIVE_TYPES:
                self._administer(session, parse_administrative(payload), answer)
            case _:
                raise Refusal(Reason.INVALID_FIELD, "type", f"type: {request.type!r} is no command or request")

    # ------------------------------------------------------------------------------------------------- sessions

    def _login(self, routing_id: bytes, can_be_sent_to: bool, request: Request) -> messages.Session:
        durability = Durability.words().get(request.durability)
        if durability is None:
            text = f"durability must be one of {', '.join(Durability.words())}"
            raise Refusal(Reason.INVALID_FIELD, "durability", text)
        if request.cancel_on_disconnect:
            _check_can_be_sent_to(can_be_sent_to, "cancel_on_disconnect")
        before = self._sessions.login(routing_id, request.token, Durability(durability), request.cancel_on_disconnect)
        return self._described(before)

    def _described(self, session: Session) -> messages.Session:
        identity = session.identity
        every = EVERY_ACCOUNT in identity.accounts
        numbers = {e.account: e.number for e in self._core.accounts if every or e.account in identity.accounts}
        return messages.Session(
            actor=identity.actor,
            role=identity.role,
            accounts=list(identity.accounts),
            account_ids=numbers,
            instruments=[instrument_record(self._core, entry) for entry in self._core.instruments],
            epoch=self._sequencer.journal.epoch,
            last_seq=self._sequencer.last_seq,
        )

    def _revoke(self, sessions: dict[str, int]) -> answers.Revoked:
        """Answered when the file has them, so that a restart lets none of them in."""
        new = [session for session, until_s in sessions.items() if self._revocations.add(session, until_s)]
        if new:
            self._revocations.prune(self._clock_ns() // 1_000_000_000)
            self._revocation_file.write(self._revocations.items())
        return answers.Revoked(known=len(self._revocations))

    def _own_account(self, session: Session, account: str) -> AccountEntry:
        if not session.identity.may_use(account):
            raise Refusal(Reason.NOT_AUTHORIZED, "account", f"this session may not act for {account}")
        entry = self._core.accounts.find(account)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_ACCOUNT, "account", f"no account is called {account}")
        return entry

    def _subscribe(self, session: Session, can_be_sent_to: bool, account: str) -> answers.Subscription:
        _check_can_be_sent_to(can_be_sent_to, "type")
        entry = self._own_account(session, account)
        self._drop_copy.subscribe(session, entry.number)
        return self._subscription("subscribed", entry)

    def _unsubscribe(self, session: Session, account: str) -> answers.Subscription:
        entry = self._own_account(session, account)
        self._drop_copy.unsubscribe(session, entry.number)
        return self._subscription("unsubscribed", entry)

    def _subscription(self, kind: str, entry: AccountEntry) -> answers.Subscription:
        last_seq = self._sequencer.last_seq
        return answers.Subscription(type=kind, account=entry.account, account_id=entry.number, last_seq=last_seq)

    # ---------------------------------------------------------------------------------------------------- state

    def _status(self, session: Session, request: Request) -> OrderState:
        self._own_account(session, request.account)
        if request.client_order_id is None and request.order_id is None:
            raise Refusal(Reason.MISSING_FIELD, "client_order_id", "client_order_id or order_id must name the order")
        record = find_order(self._core, request.account, request.client_order_id, request.order_id)
        return self._core.order_state(record)

    def _instrument(self, symbol: str) -> InstrumentEntry:
        entry = self._core.instruments.find(symbol)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol", f"no instrument has the symbol {symbol}")
        return entry

    def _depth(self, request: Request) -> Book:
        entry = self._instrument(request.symbol)
        if not 1 <= request.levels <= MOST_LEVELS:
            raise Refusal(Reason.INVALID_FIELD, "levels", f"levels must be 1 to {MOST_LEVELS}")
        return book_record(self._core, entry.number, request.levels, self._sequencer.last_seq, 0)

    def _preview(self, session: Session, payload: bytes) -> messages.Preview:
        if not payload:
            raise Refusal(Reason.MISSING_FIELD, "order", "order must hold the new order")
        order = parse(payload)
        if not isinstance(order, NewOrder):
            raise Refusal(Reason.INVALID_FIELD, "order", "order: only a new order has a preview")
        check_command(session.identity, order)
        named = msgspec.structs.replace(order, client_order_id=order.client_order_id or "preview")
        return preview(self._core, named, self._clock_ns())

    def _streams(self, symbol: str) -> answers.Streams:
        entry = self._instrument(symbol)
        stream = self._market_data.stream(entry.number)
        last_seq = self._sequencer.last_seq
        return answers.Streams(
            symbol=symbol,
            instrument_id=entry.number,
            second=self._market_data.second,
            last_seq=last_seq,
            last_trade=stream.next_trade - 1,
            last_book=stream.next_book - 1,
            book=book_record(
                self._core, entry.number, MOST_LEVELS, last_seq, self._market_data.changed_ns(entry.number)
            ),
        )

    def _trades(self, symbol: str, first: int) -> answers.Tape:
        entry = self._instrument(symbol)
        stream = self._market_data.stream(entry.number)
        kept = stream.last_trades()
        oldest = stream.next_trade - len(kept)
        start = max(first, oldest)
        trades = [
            answers.TapeTrade(
                number=number,
                seq=int(trade["seq"]),
                ts_ns=int(trade["ts_ns"]),
                transact_ns=int(trade["transact_ns"]),
                price=entry.scale.price_text(int(trade["price"])),
                quantity=entry.scale.quantity_text(int(trade["quantity"])),
                aggressor_side=Side(int(trade["aggressor_side"])).wire if trade["aggressor_side"] else None,
                exec_type=ExecType(int(trade["exec_type"])).wire,
            )
            for number, trade in enumerate(kept[start - oldest :], start)
        ]
        return answers.Tape(symbol=symbol, second=self._market_data.second, first=start, trades=trades)

    def _positions(self, session: Session) -> answers.Positions:
        _check_may_administer(session)
        found = []
        for account in self._core.accounts:
            for entry in self._core.instruments:
                held = self._core.position(account.number, entry.number)
                if held.bought == 0 and held.sold == 0:
                    continue
                found.append(
                    answers.HeldPosition(
                        account=account.account,
                        symbol=entry.definition.symbol,
                        quantity=entry.scale.quantity_text(held.quantity),
                        bought_quantity=entry.scale.quantity_text(held.bought),
                        sold_quantity=entry.scale.quantity_text(held.sold),
                        cash=money_text(held.cash),
                        fees=money_text(held.fees),
                    )
                )
        return answers.Positions(last_seq=self._sequencer.last_seq, positions=found)

    # -------------------------------------------------------------------------------------------- administrative

    def _administer_for(self, session: Session, request: Request, answer: Answer) -> None:
        if session.identity.role != "service":
            raise Refusal(Reason.NOT_AUTHORIZED, "actor", "only our own processes speak for somebody else")
        source = Source.words().get(request.source)
        if source is None:
            raise Refusal(Reason.INVALID_FIELD, "source", f"source must be one of {', '.join(Source.words())}")
        command = parse_administrative(bytes(request.command))
        self._administer(session, command, answer, request.actor[:LONGEST_ACTOR], Source(source))

    def _administer(
        self,
        session: Session,
        command: AdministrativeCommand,
        answer: Answer,
        actor: str = "",
        source: Source | None = None,
    ) -> None:
        """`actor`, `source`: of whom the session speaks for; by default of itself."""
        _check_may_administer(session, command)
        self._core.check(command)
        own_source = Source.SYSTEM if session.identity.role == "service" else Source.ZEROMQ
        taken = self._batch.administer(
            command,
            source or own_source,
            actor or session.identity.actor,
            answer=lambda records: answer(replies.in_words(records[0], self._core.instruments)),
            durability=session.durability,
        )
        if not taken:
            raise Refusal(Reason.BUSY, "")
        entry = self._core.instruments.find(getattr(command, "symbol", None) or "")
        if entry is not None:
            self._market_data.note_change(entry.number)


def _check_may_administer(session: Session, command: AdministrativeCommand | None = None) -> None:
    identity = session.identity
    if not identity.may_administer and not (identity.may_control_risk and isinstance(command, OF_RISK)):
        raise Refusal(Reason.NOT_AUTHORIZED, "token", f"the role {session.identity.role} may not administer")


def _check_can_be_sent_to(can_be_sent_to: bool, field: str) -> None:
    if not can_be_sent_to:
        text = "a REQ socket takes nothing but replies: reports and cancel_on_disconnect need a DEALER"
        raise Refusal(Reason.INVALID_FIELD, field, text)
