-- Orders of every type, and the marks of P&L. Expand only: what an older program wrote, and an older sink, stay right.

ALTER TABLE orders
    ADD COLUMN list_id bigint,
    ADD COLUMN expires_ns bigint,
    ADD COLUMN display_qty numeric,
    ADD COLUMN stop_price numeric,
    ADD COLUMN trail_amount numeric,
    ADD COLUMN trail_percent numeric,
    ADD COLUMN post_only boolean NOT NULL DEFAULT false,
    ADD COLUMN reduce_only boolean NOT NULL DEFAULT false;

-- The indexes of 0001 know two statuses that work; a child that waits for its parent works too.
CREATE INDEX orders_still_working ON orders (account, order_id DESC)
    WHERE status IN ('pending_new', 'new', 'partially_filled');
CREATE INDEX orders_of_list ON orders (list_id) WHERE list_id IS NOT NULL;

ALTER TABLE pnl ADD COLUMN marks jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN pnl.marks IS 'symbol → price, source, seq, position_seq, position_index, quantity, unrealized_pnl';
