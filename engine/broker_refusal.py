"""Why brokers do not take a client, which its calls answer with a mere timeout: they tell its error callback only."""

from __future__ import annotations

from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException

CODES: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)


class Client(Protocol):
    def poll(self, timeout: float) -> object: ...


def is_refusal(error: KafkaError) -> bool:
    """Whether the brokers are there, and do not take us."""
    return error.code() in CODES


class BrokerRefusal:
    """The error callback of one client."""

    def __init__(self) -> None:
        self._error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._error = error

    def instead_of(self, error: KafkaException, client: Client) -> KafkaException:
        """Why the client was refused, where that is why its call failed with `error`; otherwise `error`.

        `client` is asked for its callbacks: nothing else may come of that, so it reads no topics yet."""
        client.poll(0)
        return error if self._error is None else KafkaException(self._error)
