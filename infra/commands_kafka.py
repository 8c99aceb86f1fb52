"""`hft kafka-access`: our users, their passwords and their rights, on a Kafka of your own that asks for them."""

from __future__ import annotations

import secrets
from itertools import chain
from pathlib import Path

import click

from infra.settings import load


@click.command("kafka-access")
@click.option("--passwords", type=click.Path(path_type=Path, file_okay=False), help="New passwords, a file each there.")
@click.option("--user", "only", multiple=True, help="This one of our users; repeat for more.")
@click.option("--producer", "producers", multiple=True, help="A program that sends orders; repeat for more.")
@click.option("--commands", is_flag=True, help="Print the commands of Kafka's own tool instead, and change nothing.")
def kafka_access(passwords: Path | None, only: tuple[str, ...], producers: tuple[str, ...], commands: bool) -> None:
    """Give our users their rights on your Kafka, and with --passwords new SCRAM-SHA-512 passwords.

    All of them, or those that --user and --producer name. The settings name an administrator's way in. Doing it again
    changes nothing but the passwords."""
    from infra import health, kafka, kafka_access
    from infra.errors import OperatorError

    known = {user.name: user for user in kafka_access.USERS}
    for name in only:
        if name not in known:
            raise OperatorError(f"there is no user {name}: there are {', '.join(known)}")
    users = [known[name] for name in only] if only or producers else list(known.values())
    rules = [
        *chain.from_iterable(kafka_access.rules(user) for user in users),
        *chain.from_iterable(kafka_access.producer_rules(name) for name in producers),
    ]
    if commands:
        for rule in rules:
            click.echo(kafka_access.command(rule))
        return
    settings = load()
    if not settings.kafka_bootstrap:
        raise OperatorError("HFT_KAFKA_BOOTSTRAP is not set: the embedded Kafka has no users")
    health.require_kafka(settings.kafka_bootstrap)
    admin = kafka.admin_client(settings.kafka_bootstrap)
    names = [*(user.name for user in users), *producers]
    if passwords is not None:
        made = {name: secrets.token_urlsafe(32) for name in names}
        kafka_access.set_passwords(admin, made)
        kafka_access.store(passwords, made)
    kafka_access.grant(admin, rules)
    told = f", new passwords in {passwords}" if passwords is not None else ""
    click.echo(f"{len(rules)} rules of {', '.join(names)} are set{told}")
