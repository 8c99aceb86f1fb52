/** How much of an account's limits is used, from what the server has confirmed. Pure. */
import type { Risk } from "./api";
import type { Order, Pnl, Position, SymbolLimits } from "./messages";

export interface Usage {
  readonly name: string;
  readonly symbol: string | null;
  readonly used: number;
  readonly limit: number;
  /** 0 to 1, and more where it is passed. */
  readonly share: number;
}

function usage(name: string, symbol: string | null, used: number, limit: number | null): Usage[] {
  return limit === null ? [] : [{ name, symbol, used, limit, share: limit === 0 ? (used > 0 ? Infinity : 0) : used / limit }];
}

/** The limits that hold in a symbol: its own, or those for all that have none. */
export function limitsOf(risk: Risk, symbol: string): SymbolLimits | null {
  return risk.limits.find((limits) => limits.symbol === symbol) ?? risk.limits.find((limits) => limits.symbol === null) ?? null;
}

const number = (text: string | null): number | null => (text === null ? null : Number(text));

/** Positions may grow by what is open: both count towards a limit, as the engine counts them (docs/risk.md). */
export function usages(risk: Risk, pnl: Pnl | null, positions: readonly Position[], orders: readonly Order[]): Usage[] {
  const found: Usage[] = [];
  if (pnl !== null && risk.margin_multiple !== null) {
    const power = Number(pnl.equity) * Number(risk.margin_multiple);
    found.push(...usage("Gross exposure of buying power", null, Number(pnl.gross_exposure), power));
  }
  const symbols = new Set([...positions.map(({ symbol }) => symbol), ...orders.map(({ symbol }) => symbol)]);
  for (const symbol of [...symbols].sort()) {
    const limits = limitsOf(risk, symbol);
    if (limits === null) continue;
    const held = Number(positions.find((position) => position.symbol === symbol)?.quantity ?? 0);
    const working = orders.filter((order) => order.symbol === symbol && order.status !== "pending_new");
    const open = (side: Order["side"]): number =>
      working.filter((order) => order.side === side && !order.reduce_only).reduce((sum, order) => sum + Number(order.leaves_quantity), 0);
    found.push(...usage("Long", symbol, Math.max(0, held + open("buy")), number(limits.max_long)));
    found.push(...usage("Short", symbol, Math.max(0, open("sell") - held), number(limits.max_short)));
    found.push(...usage("Open orders", symbol, working.length, limits.max_open_orders));
  }
  return found;
}
