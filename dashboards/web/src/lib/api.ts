/** The gateway's REST calls, as typed functions. Nothing else in the page calls `fetch`, but the stream reader. */
import type { DecimalText, Instrument, NewOrder, Reply } from "./messages";

export interface Login {
  readonly access_token: string;
  readonly expires_in: number;
  readonly username: string;
  readonly role: string;
  readonly accounts: readonly string[];
}

export interface Candle {
  readonly time_s: number;
  readonly open: DecimalText;
  readonly high: DecimalText;
  readonly low: DecimalText;
  readonly close: DecimalText;
  readonly volume: DecimalText;
}

/** An account with what was ever paid into it; null before the server has read of it. */
export interface Funding {
  readonly account: string;
  readonly currency: string | null;
  readonly deposits: DecimalText | null;
}

/** An order as the page sends it: the gateway knows that it is a new one. */
export type OrderRequest = Omit<NewOrder, "type">;

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
  /** Called when the gateway says that the token is no longer good. */
  onunauthorized: () => void = () => {};

  constructor(
    readonly base: string = "",
    private readonly token: string | null = null,
  ) {}

  get headers(): Record<string, string> {
    return this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
  }

  login(username: string, password: string): Promise<Login> {
    return this.request("POST", "/api/login", { username, password });
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

  cancel(orderId: string): Promise<Reply> {
    return this.request("DELETE", `/api/orders/${encodeURIComponent(orderId)}`);
  }

  cancelAll(account: string): Promise<{ readonly affected: number }> {
    return this.request("DELETE", `/api/orders?account=${encodeURIComponent(account)}`);
  }

  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: body === undefined ? this.headers : { ...this.headers, "Content-Type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        credentials: "omit",
      });
      text = await response.text();
    } catch {
      throw new Unreachable("The server cannot be reached.");
    }
    if (response.ok) return JSON.parse(text) as T;
    if (response.status === 401 && this.token !== null) this.onunauthorized();
    throw problem(response, text);
  }
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
