"""Runs a strategy against the running system: what `hft strategy run` does."""

from __future__ import annotations

import time
from decimal import Decimal, InvalidOperation
from typing import Final

from infra.errors import OperatorError
from infra.folders import folders
from infra.secrets import jwt_secret
from infra.settings import Settings, load

TOKEN_S: Final = 30 * 86_400
LONGEST_RUN: Final = 16
"""A run's name is the `strategy` of its orders, too."""


def token(settings: Settings, account: str, run: str) -> str:
    """A trader's, for one account."""
    from engine.tokens import Identity, issue

    secret = jwt_secret(settings.jwt_secret, folders(settings.var).secrets)
    return issue(secret, Identity(run, "trader", (account,)), now_s=int(time.time()), lifetime_s=TOKEN_S)


def run(name: str, account: str, run_name: str, given: dict[str, str], cash: str) -> None:
    """Until SIGTERM or SIGINT. Raises `OperatorError` where it cannot begin."""
    from confluent_kafka import KafkaException

    from engine.client import Client
    from engine.refusal import Refusal
    from streams.lifecycle import stop_on_signals
    from streams.strategies import catalog
    from streams.strategies.runner import RunError, Runner
    from streams.strategies.strategy import ParameterError, parameters

    if not run_name or len(run_name) > LONGEST_RUN:
        raise OperatorError(f"--run {run_name}: a name of 1 to {LONGEST_RUN} characters")
    try:
        money = Decimal(cash)
    except InvalidOperation:
        raise OperatorError(f"--cash {cash}: is no number") from None
    settings = load()
    stop = stop_on_signals()
    try:
        kind = catalog.find(name)
        chosen = parameters(kind, given)
        with Client(settings.zeromq, token(settings, account, run_name)) as client:
            runner = Runner(
                settings.bootstrap,
                client,
                kind,
                chosen,
                strategy=name,
                run=run_name,
                account=account,
                dsn=settings.dsn,
                cash=money,
                stop=stop,
            )
            try:
                runner.run(lambda: None)
            finally:
                runner.close()
    except (catalog.NotFound, ParameterError, RunError) as error:
        raise OperatorError(f"{error}") from None
    except TimeoutError:
        raise OperatorError(f"the engine at {settings.zeromq} does not answer: is it up? hft status says") from None
    except KafkaException as error:
        raise OperatorError(f"Kafka at {settings.bootstrap} cannot be read: {error.args[0].str()}") from None
    except Refusal as refusal:
        raise OperatorError(f"the engine refused it: {refusal}") from None
