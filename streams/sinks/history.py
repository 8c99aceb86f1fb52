"""Which tables of the history the records of each topic go to."""

from __future__ import annotations

from typing import Final

from engine import topics
from streams.sinks.agent_tables import ALERTS, ORDER_FLOW
from streams.sinks.candle_tables import CANDLES
from streams.sinks.ledger_tables import PNL, POSITION_HISTORY, POSITIONS
from streams.sinks.order_tables import ORDER_EVENTS, ORDERS
from streams.sinks.tables import Table
from streams.sinks.trade_tables import EXECUTIONS, TRADES

TABLES: Final[dict[str, tuple[Table, ...]]] = {
    topics.ORDER_EVENTS.name: (ORDERS, ORDER_EVENTS),
    topics.FILLS.name: (EXECUTIONS,),
    topics.TRADES.name: (TRADES,),
    topics.POSITIONS.name: (POSITIONS, POSITION_HISTORY),
    topics.PNL.name: (PNL,),
    topics.CANDLES.name: (CANDLES,),
    topics.ORDER_FLOW.name: (ORDER_FLOW,),
    topics.ALERTS.name: (ALERTS,),
}
