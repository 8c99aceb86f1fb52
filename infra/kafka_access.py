"""Who of us may do what on a Kafka that asks: a user for each service, its ACLs, and its SCRAM password.

Every service may read every topic; what it may write is what it is trusted for. The table is what docs/security.md
shows, what `hft kafka-access` sets, and what `make test-secure` runs the services with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from engine.topics import (
    ACCOUNTS,
    ALERTS,
    AUDIT,
    BOOKS,
    CANDLES,
    COMMANDS,
    CORPORATE_ACTIONS,
    DEAD_LETTERS,
    FILLS,
    INSTRUMENTS,
    LEDGER_STATE,
    ORDER_EVENTS,
    ORDER_FLOW,
    PNL,
    POSITIONS,
    SIGNALS,
    STATE_HASHES,
    STRATEGY_EVENTS,
    STRATEGY_STATE,
    TOPIC_VERSIONS,
    TRADES,
    Topic,
)
from infra.errors import OperatorError

ANY: Final = "*"
CLUSTER: Final = "kafka-cluster"
"""Kafka's own name of itself as a resource."""
ITERATIONS: Final = 8192
PATIENCE_S: Final = 30.0


class User(NamedTuple):
    name: str
    what: str
    writes: tuple[Topic, ...] = ()
    groups: tuple[str, ...] = ()
    """Consumer groups that it joins; whoever reads by its own cursor joins none."""
    manages: bool = False
    """Creates topics."""


PUBLISHED: Final = (
    COMMANDS,
    ORDER_EVENTS,
    FILLS,
    TRADES,
    BOOKS,
    INSTRUMENTS,
    ACCOUNTS,
    CORPORATE_ACTIONS,
    STATE_HASHES,
    DEAD_LETTERS,
)
KEPT: Final = (POSITIONS, PNL, CANDLES, ORDER_FLOW, ALERTS, LEDGER_STATE, TOPIC_VERSIONS, DEAD_LETTERS)
USERS: Final = (
    User("hft-setup", "`hft setup`", manages=True),
    User("hft-engine", "engine"),
    User("hft-publisher", "publisher", PUBLISHED),
    User("hft-streams", "streams, `hft rebuild`", KEPT, ("streams",)),
    User("hft-sinks", "sink-postgres, sink-redis", (DEAD_LETTERS,)),
    User("hft-hashes", "hashes", (STATE_HASHES,)),
    User("hft-audit", "audit, and whoever compares and replays"),
    User("hft-gateway", "gateway, and `hft` commands that change users and accounts", (AUDIT,)),
    User("hft-venue", "venue", (ALERTS,)),
    User("hft-strategy", "`hft strategy run`", (SIGNALS, STRATEGY_EVENTS, STRATEGY_STATE, DEAD_LETTERS)),
)


class Rule(NamedTuple):
    user: str
    operations: tuple[str, ...]
    """Kafka's words: `Read`, `Write`, …"""
    resource: str
    """`topic`, `group` or `cluster`."""
    names: tuple[str, ...]


def rules(user: User) -> Iterator[Rule]:
    yield Rule(user.name, ("Read",), "topic", (ANY,))
    # Where a group lives is asked by every reader, whether it joins one or not.
    yield Rule(user.name, ("Describe",), "group", (ANY,))
    if user.writes:
        yield Rule(user.name, ("Write",), "topic", tuple(topic.name for topic in user.writes))
    if user.groups:
        yield Rule(user.name, ("Read",), "group", user.groups)
    if user.manages:
        yield Rule(user.name, ("Create", "Describe"), "cluster", (CLUSTER,))
        yield Rule(user.name, ("DescribeConfigs", "AlterConfigs"), "topic", (ANY,))


def producer_rules(name: str) -> Iterator[Rule]:
    """Of somebody else's program that sends orders and reads what became of them, in the group of its own name."""
    yield Rule(name, ("Write",), "topic", ("orders",))
    yield Rule(name, ("Read",), "topic", ("order-events", "fills"))
    yield Rule(name, ("Read",), "group", (name,))


def command(rule: Rule) -> str:
    """It as a command of Kafka's own tool, with `$TOOL` for its first words."""
    operations = " ".join(f"--operation {operation}" for operation in rule.operations)
    names = "--cluster" if rule.resource == "cluster" else " ".join(f"--{rule.resource} {_word(n)}" for n in rule.names)
    return f"$TOOL --add --allow-principal User:{rule.user} {operations} {names}"


def _word(name: str) -> str:
    return "'*'" if name == ANY else name


def _bindings(rule: Rule) -> Iterator[AclBinding]:
    kind = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER}[rule.resource]
    words = {
        "Read": AclOperation.READ,
        "Write": AclOperation.WRITE,
        "Create": AclOperation.CREATE,
        "Describe": AclOperation.DESCRIBE,
        "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
        "AlterConfigs": AclOperation.ALTER_CONFIGS,
    }
    for name in rule.names:
        for operation in rule.operations:
            yield AclBinding(
                kind,
                name,
                ResourcePatternType.LITERAL,
                f"User:{rule.user}",
                ANY,
                words[operation],
                AclPermissionType.ALLOW,
            )


def grant(admin: AdminClient, granted: Iterator[Rule]) -> None:
    """What is there already stays. Raises `OperatorError`."""
    bindings = [binding for rule in granted for binding in _bindings(rule)]
    _finish(admin.create_acls(bindings, request_timeout=PATIENCE_S), "ACL")


def set_passwords(admin: AdminClient, passwords: Mapping[str, str]) -> None:
    """Of SCRAM-SHA-512, by user; users that are not there are made. Raises `OperatorError`."""
    changes: list[Any] = [
        UserScramCredentialUpsertion(
            user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password.encode()
        )
        for user, password in passwords.items()
    ]
    _finish(admin.alter_user_scram_credentials(changes), "user")


def _finish(futures: Mapping[Any, Any], what: str) -> None:
    for asked, future in futures.items():
        try:
            future.result(PATIENCE_S)
        except KafkaException as error:
            name = asked if isinstance(asked, str) else f"{asked.principal} on {asked.name}"
            raise OperatorError(f"Kafka refuses to set the {what} {name}: {error.args[0].str()}") from None


def store(folder: Path, passwords: Mapping[str, str]) -> None:
    """Each in a file of its user's name, which only its owner reads."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for user, password in passwords.items():
        new = folder / f".{user}"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password)
        new.replace(folder / user)
