-- Candles, as the agent makes them (streams/candles.py). Until a bar is closed its row follows it.

CREATE TABLE candles (
    symbol text NOT NULL,
    interval_s integer NOT NULL,
    start_ns bigint NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,
    turnover numeric NOT NULL,
    vwap numeric NOT NULL,
    trades bigint NOT NULL,
    closed boolean NOT NULL,
    last_seq bigint NOT NULL,
    last_index integer NOT NULL,
    ts_ns bigint NOT NULL,
    timestamp timestamptz NOT NULL,
    PRIMARY KEY (symbol, interval_s, timestamp)
);
COMMENT ON COLUMN candles.timestamp IS 'the start of the interval, as start_ns';
CREATE INDEX candles_by_time ON candles USING brin (timestamp);
