-- What the agents say of a symbol's last minute, and what somebody should be told (docs/agents.md).

CREATE TABLE order_flow (
    id bigint NOT NULL,
    symbol text NOT NULL,
    window_s integer NOT NULL,
    spread numeric,
    mid numeric,
    imbalance numeric,
    book_seq bigint,
    orders bigint NOT NULL,
    rejected bigint NOT NULL,
    canceled bigint NOT NULL,
    trades bigint NOT NULL,
    volume numeric NOT NULL,
    buy_volume numeric NOT NULL,
    sell_volume numeric NOT NULL,
    vwap numeric,
    trade_imbalance numeric,
    realized_volatility numeric NOT NULL,
    fill_ratio numeric,
    last_seq bigint NOT NULL,
    last_index integer NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX order_flow_of_symbol ON order_flow (symbol, timestamp DESC);
CREATE INDEX order_flow_by_time ON order_flow USING brin (timestamp);

CREATE TABLE alerts (
    id bigint NOT NULL,
    account text,
    kind text NOT NULL,
    symbol text,
    limit_name text,
    raised boolean NOT NULL,
    used numeric NOT NULL,
    threshold numeric,
    text text NOT NULL,
    last_seq bigint NOT NULL,
    timestamp timestamptz NOT NULL,
    ts_ns bigint NOT NULL,
    PRIMARY KEY (id, timestamp)
);
CREATE INDEX alerts_of_account ON alerts (account, id DESC);
CREATE INDEX alerts_by_time ON alerts USING brin (timestamp);
