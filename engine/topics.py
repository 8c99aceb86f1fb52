"""Every Kafka topic: its name, what its records are, how it is keyed, partitioned and kept.

Faust creates none of them: `infra.kafka.create_topics` does, before anything else starts.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine import messages


class Topic(NamedTuple):
    name: str
    record: Any
    key: str
    """What the record key is, in words."""
    cleanup: str = "delete"
    single: bool = False
    """One partition only: the records need one order, or are few."""
    retention_ms: int = -1
    hashed: bool = False
    """Its partitions' hashes are published in `state-hashes` while it is written."""


ORDERS: Final = Topic("orders", messages.OrderCommand, "symbol, or account where there is none")
COMMANDS: Final = Topic("commands", messages.SequencedCommand, "shard", single=True, hashed=True)
ORDER_EVENTS: Final = Topic("order-events", messages.OrderEvent, "symbol", hashed=True)
FILLS: Final = Topic("fills", messages.Fill, "symbol", hashed=True)
TRADES: Final = Topic("trades", messages.Trade, "symbol", hashed=True)
BOOKS: Final = Topic("books", messages.Book, "symbol", cleanup="compact")
POSITIONS: Final = Topic("positions", messages.Position, "account + '|' + symbol; partitioned by account", hashed=True)
PNL: Final = Topic("pnl", messages.Pnl, "account", hashed=True)
CANDLES: Final = Topic("candles", messages.Candle, "symbol", hashed=True)
ORDER_FLOW: Final = Topic("order-flow", messages.OrderFlow, "symbol", hashed=True)
ALERTS: Final = Topic("alerts", messages.Alert, "account, or symbol where there is none")
INSTRUMENTS: Final = Topic("instruments", messages.Instrument, "symbol", cleanup="compact", single=True)
ACCOUNTS: Final = Topic("accounts", messages.Account, "account", cleanup="compact", single=True)
CORPORATE_ACTIONS: Final = Topic("corporate-actions", messages.CorporateAction, "symbol", single=True)
LEDGER_STATE: Final = Topic(
    "ledger-state", messages.LedgerState, "agent + '|' + partition + '|' + key", cleanup="compact"
)
TOPIC_VERSIONS: Final = Topic("topic-versions", messages.TopicVersion, "topic", cleanup="compact", single=True)
STATE_HASHES: Final = Topic("state-hashes", messages.StateHash, "topic", single=True)
AUDIT: Final = Topic("audit", messages.AuditLink, "writer", single=True)
SIGNALS: Final = Topic("signals", messages.Signal, "symbol")
STRATEGY_EVENTS: Final = Topic("strategy-events", messages.StrategyEvent, "run")
STRATEGY_STATE: Final = Topic("strategy-state", messages.StrategyState, "run", cleanup="compact")
DEAD_LETTERS: Final = Topic("dead-letters", messages.DeadLetter, "source topic", single=True)

TOPICS: Final[tuple[Topic, ...]] = (
    ORDERS,
    COMMANDS,
    ORDER_EVENTS,
    FILLS,
    TRADES,
    BOOKS,
    POSITIONS,
    PNL,
    CANDLES,
    ORDER_FLOW,
    ALERTS,
    INSTRUMENTS,
    ACCOUNTS,
    CORPORATE_ACTIONS,
    LEDGER_STATE,
    TOPIC_VERSIONS,
    STATE_HASHES,
    AUDIT,
    SIGNALS,
    STRATEGY_EVENTS,
    STRATEGY_STATE,
    DEAD_LETTERS,
)

BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}

HASHED: Final[tuple[Topic, ...]] = tuple(topic for topic in TOPICS if topic.hashed)
