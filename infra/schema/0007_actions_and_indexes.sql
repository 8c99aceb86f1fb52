-- In which units a quantity and a price are: the seq of the symbol's last corporate action before, 0 where there was none.
ALTER TABLE executions ADD COLUMN action_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE trades ADD COLUMN action_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN action_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE position_history ADD COLUMN action_seq bigint NOT NULL DEFAULT 0;

-- For lists that are asked for by order, by event time, and in the order of the engine.
CREATE INDEX executions_of_order ON executions (order_id);
CREATE INDEX trades_of_symbol ON trades (symbol, seq DESC, index DESC);
CREATE INDEX trades_of_symbol_by_event ON trades (symbol, event_ns DESC);
DROP INDEX trades_of_symbol_by_id;
