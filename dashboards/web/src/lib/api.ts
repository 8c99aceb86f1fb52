/** The gateway's REST calls, as typed functions. Nothing else in the page calls `fetch`, but the stream reader. */
import { alone, type Granted, type LoginStore } from "./login";
import type {
  DecimalText,
  Fill,
  Instrument,
  NanosecondText,
  NewOrder,
  Order,
  OrderList,
  Pnl,
  Preview,
  Reply,
  SymbolLimits,
} from "./messages";

export interface Candle {
  readonly time_s: number;
  readonly open: DecimalText;
  readonly high: DecimalText;
  readonly low: DecimalText;
  readonly close: DecimalText;
  readonly volume: DecimalText;
}

/** An account as the user may see it; null before the server has read of it. */
export interface Funding {
  readonly account: string;
  readonly currency: string | null;
  readonly deposits: DecimalText | null;
  /** Buying power as a multiple of equity; null: it is not checked. */
  readonly margin_multiple: DecimalText | null;
  readonly killed: boolean | null;
  readonly pnl: Pnl | null;
}

/** An order as the page sends it: the gateway knows that it is a new one. */
export type OrderRequest = Omit<NewOrder, "type">;
export type ListRequest = Omit<OrderList, "type">;

export interface ReplaceRequest {
  readonly quantity?: DecimalText;
  readonly limit_price?: DecimalText;
  readonly stop_price?: DecimalText;
}

export interface Risk {
  readonly account: string;
  readonly killed: boolean;
  readonly margin_multiple: DecimalText | null;
  readonly self_trade_prevention: string;
  readonly self_trade_scope: string;
  readonly messages_per_second: number | null;
  readonly message_burst: number | null;
  readonly maker_fee_ppm: number | null;
  readonly taker_fee_ppm: number | null;
  readonly limits: readonly SymbolLimits[];
}

export interface EquityPoint {
  readonly ts_ns: NanosecondText;
  readonly equity: DecimalText;
  readonly drawdown: DecimalText;
}

/** What fills realized; a fill wins or loses where it closed something at a gain or a loss, before fees. */
export interface Performance {
  readonly realized_pnl: DecimalText;
  readonly fees: DecimalText;
  readonly net_pnl: DecimalText;
  readonly fills: number;
  readonly wins: number;
  readonly losses: number;
  readonly win_rate: DecimalText | null;
  readonly profit_factor: DecimalText | null;
}

/** Of the returns of equal steps; null is what is not defined. Parts: 0.1 is 10 %. */
export interface EquityFigures {
  readonly total_return: number | null;
  readonly sharpe: number | null;
  readonly sortino: number | null;
  readonly max_drawdown: number | null;
  readonly max_drawdown_s: number | null;
  readonly step_s: number;
  readonly returns: number;
}

/** What one symbol or strategy contributed: round trips, after fees. */
export interface Share {
  readonly name: string;
  readonly net_pnl: number;
  readonly fees: number;
  readonly fills: number;
  readonly round_trips: number;
  readonly hit_rate: number | null;
}

/** What `hft report` says of fills and round trips. */
export interface ReportFigures extends EquityFigures {
  readonly round_trips: number;
  readonly hit_rate: number | null;
  readonly profit_factor: number | null;
  readonly slippage_bps: number | null;
  readonly by_strategy: readonly Share[];
}

export interface Analytics {
  readonly account: string;
  readonly max_drawdown: DecimalText | null;
  readonly peak_equity: DecimalText | null;
  readonly equity: readonly EquityPoint[];
  readonly figures: EquityFigures;
  /** Null where there is so much that only the report goes through it. */
  readonly report: ReportFigures | null;
  readonly total: Performance;
  readonly by_symbol: readonly (Performance & { readonly symbol: string })[];
  readonly by_day: readonly (Performance & { readonly day: string })[];
}

export interface Percentiles {
  readonly count: number;
  readonly p50_ms: number | null;
  readonly p90_ms: number | null;
  readonly p99_ms: number | null;
  readonly max_ms: number | null;
}

export interface SystemState {
  readonly healthy: boolean;
  readonly ts_ns: NanosecondText;
  readonly last_seq: number;
  readonly processes: readonly {
    readonly name: string;
    readonly state: string;
    readonly pid: number | null;
    readonly started_ns: NanosecondText | null;
    readonly restarts: number;
    readonly detail: string;
  }[];
  readonly services: Readonly<Record<string, { readonly healthy: boolean }>>;
  readonly lag: readonly { readonly consumer: string; readonly topic: string; readonly records: number | null }[];
  readonly latency: Readonly<Record<string, Percentiles>>;
  readonly feeds: readonly {
    readonly symbol: string;
    readonly phase: string | null;
    readonly bid: DecimalText | null;
    readonly ask: DecimalText | null;
    readonly book_age_ms: number | null;
    readonly trade_seq: number | null;
  }[];
  readonly sse_clients: number;
  readonly websocket_clients: number;
}

export interface KeptLayout {
  readonly name: string;
  readonly layout: unknown;
}

/** Filters of the lists of orders and executions; what is empty does not filter. */
export interface Filters {
  readonly account: string;
  readonly symbol?: string;
  readonly side?: string;
  readonly status?: string;
  readonly order_type?: string;
  readonly start_ns?: string;
  readonly end_ns?: string;
}

export interface Page<Record> {
  readonly records: readonly Record[];
  readonly next: string | null;
}

/** An answer that refuses, as RFC 9457 problem details. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly field: string | null,
    readonly reason: string | null,
  ) {
    super(detail || title);
  }
}

/** No answer came: whether the request took effect is not known. */
export class Unreachable extends Error {}

const TIMEOUT_MS = 10_000;

export class Api {
  /** Called when the login is over. */
  onended: () => void = () => {};

  private ongoing = new AbortController();

  /** `base` is empty where the page came from the gateway itself. */
  constructor(
    readonly base: string,
    readonly login: LoginStore,
  ) {}

  get headers(): Readonly<Record<string, string>> {
    return this.login.headers;
  }

  /** Cookies go to where the page came from only: no other place may have set them. */
  get credentials(): RequestCredentials {
    return this.base === "" ? "same-origin" : "omit";
  }

  async enterAs(username: string, password: string): Promise<void> {
    this.login.hold(await this.send<Granted>("POST", "/api/login", { username, password, cookies: this.base === "" }));
  }

  /** What is still asked then would be refused: it is not waited for. */
  async logout(): Promise<void> {
    this.ongoing.abort();
    this.ongoing = new AbortController();
    await this.send("POST", "/api/logout");
  }

  /**
   * After an answer of 401: takes a new token, unless another tab has done so meanwhile. False where the login is over,
   * which `onended` has been told then. Raises `Unreachable`, or `Problem` where the server cannot tell now.
   */
  async renew(generation = this.login.generation): Promise<boolean> {
    return await alone(async () => {
      const held = this.login.held;
      if (held !== null && this.login.generation !== generation) return true;
      try {
        if (held === null) throw new Problem(401, "", "", null, null);
        const body = held.refresh_token === null ? undefined : { refresh_token: held.refresh_token };
        this.login.hold(await this.send<Granted>("POST", "/api/refresh", body));
        return true;
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401) throw error;
        this.login.hold(null);
        this.onended();
        return false;
      }
    });
  }

  async instruments(): Promise<readonly Instrument[]> {
    const { instruments } = await this.request<{ instruments: Instrument[] }>("GET", "/api/instruments");
    return instruments;
  }

  /** The accounts that the user may see. */
  async accounts(): Promise<readonly Funding[]> {
    const { accounts } = await this.request<{ accounts: Funding[] }>("GET", "/api/account");
    return accounts;
  }

  async candles(symbol: string, interval: number, limit: number): Promise<readonly Candle[]> {
    const path = `/api/candles/${encodeURIComponent(symbol)}?interval=${interval}&limit=${limit}`;
    return (await this.request<{ candles: Candle[] }>("GET", path)).candles;
  }

  enter(order: OrderRequest): Promise<Reply> {
    return this.request("POST", "/api/order", order);
  }

  enterList(list: ListRequest): Promise<Reply> {
    return this.request("POST", "/api/order-lists", list);
  }

  preview(order: OrderRequest): Promise<Preview> {
    return this.request("POST", "/api/orders/preview", order);
  }

  cancel(orderId: string): Promise<Reply> {
    return this.request("DELETE", `/api/orders/${encodeURIComponent(orderId)}`);
  }

  replace(orderId: string, changes: ReplaceRequest): Promise<Reply> {
    return this.request("PATCH", `/api/orders/${encodeURIComponent(orderId)}`, changes);
  }

  /** `symbol` null: in every one. */
  cancelAll(account: string, symbol: string | null): Promise<{ readonly affected: number }> {
    return this.request("DELETE", `/api/orders?${query({ account, symbol: symbol ?? "" })}`);
  }

  async orders(filters: Filters, limit: number, cursor: string | null): Promise<Page<Order>> {
    const path = `/api/orders?${query({ ...filters, limit: `${limit}`, cursor: cursor ?? "" })}`;
    const { orders, next_cursor } = await this.request<{ orders: Order[]; next_cursor: string | null }>("GET", path);
    return { records: orders, next: next_cursor };
  }

  async executions(filters: Filters, limit: number, cursor: string | null): Promise<Page<Fill>> {
    const path = `/api/executions?${query({ ...filters, limit: `${limit}`, cursor: cursor ?? "" })}`;
    const answer = await this.request<{ executions: Fill[]; next_cursor: string | null }>("GET", path);
    return { records: answer.executions, next: answer.next_cursor };
  }

  risk(account: string): Promise<Risk> {
    return this.request("GET", `/api/risk?${query({ account })}`);
  }

  /** `active` false switches trading on again. */
  kill(account: string, active: boolean): Promise<{ readonly affected: number }> {
    return this.request("POST", "/api/risk/kill", { account, active });
  }

  analytics(account: string, startNs: string): Promise<Analytics> {
    return this.request("GET", `/api/analytics?${query({ account, start_ns: startNs })}`);
  }

  system(): Promise<SystemState> {
    return this.request("GET", "/api/system");
  }

  async layouts(): Promise<readonly KeptLayout[]> {
    return (await this.request<{ layouts: KeptLayout[] }>("GET", "/api/layouts")).layouts;
  }

  keepLayout(name: string, layout: unknown): Promise<unknown> {
    return this.request("PUT", "/api/layouts", { name, layout });
  }

  /** Once more with a new token, where the one that it had has expired. */
  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { generation } = this.login;
    try {
      return await this.send<T>(method, path, body);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401 || !(await this.renew(generation))) throw error;
      return await this.send<T>(method, path, body);
    }
  }

  private async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: body === undefined ? this.headers : { ...this.headers, "Content-Type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.ongoing.signal]),
        credentials: this.credentials,
        // What is kept as the page goes away still arrives.
        keepalive: method === "PUT",
      });
      text = await response.text();
    } catch {
      throw new Unreachable("The server cannot be reached.");
    }
    if (response.ok) return JSON.parse(text) as T;
    throw problem(response, text);
  }
}

/** Parameters without those that are empty. */
function query(values: object): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined)).toString();
}

/** Problem details of a refusal; a body that is none (from a proxy, say) leaves the status line. */
export function problem(response: { status: number; statusText: string }, text: string): Problem {
  const plain = new Problem(response.status, response.statusText || `HTTP ${response.status}`, "", null, null);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return plain;
  }
  if (typeof body !== "object" || body === null) return plain;
  const of = (name: string): string | null => {
    const value = (body as Record<string, unknown>)[name];
    return typeof value === "string" ? value : null;
  };
  return new Problem(response.status, of("title") ?? plain.title, of("detail") ?? "", of("field"), of("reason"));
}
