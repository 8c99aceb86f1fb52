/**
 * One server-sent event stream, read through `fetch` because an `EventSource` cannot send the Authorization header.
 * It reconnects by itself, resumes from the last id that it has handed on, and says when it has gone quiet.
 */
import { EventParser, type ServerEvent } from "./sse";

/** `connecting` is the first attempt, `refused` an answer that no repeat will change. */
export type StreamState = "connecting" | "live" | "stale" | "reconnecting" | "refused";

export interface StreamOptions {
  readonly url: string;
  /** Asked anew for each connection: a token may have been renewed since. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly onevent: (event: ServerEvent) => void;
  readonly onstate: (state: StreamState, detail: string) => void;
  /** True where a new token was had, and it is worth to try again. */
  readonly onunauthorized: () => Promise<boolean>;
  readonly credentials?: RequestCredentials;
  readonly fetch?: typeof fetch;
  /** In [0, 1), spreads the reconnections of many pages. */
  readonly random?: () => number;
}

/** The gateway sends a heartbeat every 10 s: after one and a half of them the picture on screen is old. */
export const STALE_MS = 15_000;
/** After two and a half the connection is taken for dead. */
export const DEAD_MS = 25_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 8_000;

/** Milliseconds to wait before attempt `attempt` (from 1), between half and all of a doubling interval. */
export function backoff(attempt: number, random: number): number {
  return Math.min(BACKOFF_FIRST_MS * 2 ** (attempt - 1), BACKOFF_MOST_MS) * (0.5 + random / 2);
}

export class Stream {
  private readonly options: StreamOptions;
  private lastEventId = "";
  private attempt = 0;
  private closed = false;
  private state: StreamState = "connecting";
  private lastHeard = 0;
  private request: AbortController | null = null;
  private wake: (() => void) | null = null;
  private readonly watchdog: ReturnType<typeof setInterval>;

  constructor(options: StreamOptions) {
    this.options = options;
    this.watchdog = setInterval(() => this.watch(), 1_000);
    void this.run();
  }

  close(): void {
    this.closed = true;
    clearInterval(this.watchdog);
    this.request?.abort();
    this.wake?.();
  }

  /** Tries again now instead of at the end of its wait (the network is back, the page is in front again). */
  retry(): void {
    this.wake?.();
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      const detail = await this.connect();
      if (this.closed || this.state === "refused") return;
      this.attempt++;
      this.enter("reconnecting", detail);
      await this.pause(backoff(this.attempt, (this.options.random ?? Math.random)()));
    }
  }

  /** Reads one connection to its end; returns why it ended. */
  private async connect(): Promise<string> {
    const request = new AbortController();
    this.request = request;
    this.lastHeard = performance.now();
    try {
      const headers: Record<string, string> = { ...this.options.headers(), Accept: "text/event-stream" };
      if (this.lastEventId !== "") headers["Last-Event-ID"] = this.lastEventId;
      const answer = await (this.options.fetch ?? fetch)(this.options.url, {
        headers,
        signal: request.signal,
        cache: "no-store",
        credentials: this.options.credentials ?? "omit",
      });
      if (!answer.ok || answer.body === null) return await this.refused(answer);
      await this.read(answer.body);
      return "the server closed the stream";
    } catch (error) {
      return error instanceof SyntaxError ? "an event cannot be read" : "the server cannot be reached";
    } finally {
      request.abort();
    }
  }

  private async refused(answer: Response): Promise<string> {
    const detail = `the server answered ${answer.status}`;
    if (answer.status === 401) {
      if (await this.options.onunauthorized()) return detail;
      this.closed = true;
      clearInterval(this.watchdog);
    } else if (answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429) {
      if (this.lastEventId !== "") {
        // The position may be one that this server does not know: it starts over with snapshots.
        this.lastEventId = "";
        return detail;
      }
      clearInterval(this.watchdog);
      this.enter("refused", detail);
    }
    return detail;
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const parser = new EventParser(this.lastEventId);
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.closed) return;
      this.lastHeard = performance.now();
      this.attempt = 0;
      this.enter("live", "");
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        this.options.onevent(event);
        this.lastEventId = event.id;
      }
      this.lastEventId = parser.lastEventId;
    }
  }

  private watch(): void {
    const quiet = performance.now() - this.lastHeard;
    if (this.state === "live" && quiet > STALE_MS) this.enter("stale", "nothing heard from the server");
    if (quiet > DEAD_MS) this.request?.abort();
  }

  private enter(state: StreamState, detail: string): void {
    if (state === this.state && state !== "reconnecting") return;
    this.state = state;
    this.options.onstate(state, detail);
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
