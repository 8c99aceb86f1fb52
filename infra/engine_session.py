"""What the operator's commands share: a session with the running engine, and how a refusal is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from infra.errors import OperatorError
from infra.folders import folders
from infra.secrets import jwt_secret
from infra.settings import Settings

if TYPE_CHECKING:
    from engine.client import Client
    from engine.messages import Account, AdministrativeCommand, Reply

ACTOR: Final = "operator"
TOKEN_S: Final = 60


@contextmanager
def connected(address: str, token: str) -> Iterator[Client]:
    """A client that has logged in. Raises `OperatorError` where the engine is away, or refuses what is asked."""
    from engine.client import Client
    from engine.refusal import Refusal

    client = Client(address, token)
    try:
        client.connect()
        yield client
    except TimeoutError:
        raise OperatorError(f"the engine at {address} does not answer: is it up? hft status says") from None
    except Refusal as refusal:
        raise OperatorError(f"the engine refused it: {refusal}") from None
    finally:
        client.close()


@contextmanager
def session(settings: Settings) -> Iterator[Client]:
    """A session that may administer. Raises `OperatorError` as `connected` does."""
    from engine.tokens import EVERY_ACCOUNT, Identity, issue

    secret = jwt_secret(settings.jwt_secret, folders(settings.var).secrets)
    identity = Identity(ACTOR, "admin", (EVERY_ACCOUNT,))
    with connected(settings.zeromq, issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)) as client:
        yield client


def carried_out(client: Client, command: AdministrativeCommand) -> Reply:
    """The engine's reply. Raises `OperatorError` where it refuses the command."""
    reply = client.administer(command)
    if reply.outcome == "rejected":
        field = f"{reply.field}: " if reply.field and reply.field not in (reply.text or "") else ""
        raise OperatorError(f"the engine refused it: {field}{reply.text or reply.reason}")
    return reply


def account(settings: Settings, name: str) -> Account | None:
    """The account as the topic `accounts` has it, None where it has not. Raises `OperatorError` where Kafka is away."""
    import msgspec
    from confluent_kafka import KafkaException

    from engine import messages, topics
    from streams.consumer import log_bounds, read_to_end

    found = None
    decoder = msgspec.json.Decoder(messages.Account)
    try:
        log_bounds(settings.bootstrap, [topics.ACCOUNTS.name])
        for batch in read_to_end(settings.bootstrap, {(topics.ACCOUNTS.name, 0): None}, name="hft-account"):
            for message in batch:
                if message.key() == name.encode():
                    found = decoder.decode(message.value() or b"")
    except KafkaException as error:
        said = error.args[0].str() if error.args else "no answer"
        raise OperatorError(f"Kafka at {settings.bootstrap} cannot be read: {said}") from None
    return found
