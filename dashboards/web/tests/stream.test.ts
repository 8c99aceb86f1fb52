import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { backoff, DEAD_MS, STALE_MS, Stream, type StreamState } from "../src/lib/stream";

/** A server whose connections the test feeds by hand. */
class Server {
  readonly requests: Headers[] = [];
  readonly connections: ReadableStreamDefaultController<Uint8Array>[] = [];
  status = 200;

  readonly fetch = (_: unknown, init?: RequestInit): Promise<Response> => {
    this.requests.push(new Headers(init?.headers));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.connections.push(controller);
        init?.signal?.addEventListener("abort", () => {
          try {
            controller.error(new DOMException("aborted", "AbortError"));
          } catch {
            // It was closed before.
          }
        });
      },
    });
    return Promise.resolve(new Response(body, { status: this.status }));
  };

  send(text: string): void {
    this.connections.at(-1)?.enqueue(new TextEncoder().encode(text));
  }
}

let server: Server;
let stream: Stream;
let events: string[];
let states: StreamState[];
let unauthorized: number;
let renews: boolean;

function open(): void {
  stream = new Stream({
    url: "/api/stream",
    headers: () => ({ Authorization: "Bearer t" }),
    onevent: ({ data }) => events.push(data),
    onstate: (state) => states.push(state),
    onunauthorized: () => Promise.resolve(++unauthorized > 1 && renews),
    fetch: server.fetch as typeof fetch,
    random: () => 1,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  server = new Server();
  events = [];
  states = [];
  unauthorized = 0;
  renews = false;
});

afterEach(() => {
  stream.close();
  vi.useRealTimers();
});

describe("stream", () => {
  test("sends the token, and resumes after the last whole event", async () => {
    open();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.requests[0]?.get("authorization")).toBe("Bearer t");
    expect(server.requests[0]?.has("last-event-id")).toBe(false);
    server.send("id: a1\ndata: one\n\nid: a2\ndata: half");
    await vi.advanceTimersByTimeAsync(0);
    server.connections[0]?.close();
    await vi.advanceTimersByTimeAsync(backoff(1, 1));
    expect(server.requests[1]?.get("last-event-id")).toBe("a1");
    server.send("id: a2\ndata: two\n\n");
    await vi.advanceTimersByTimeAsync(0);
    expect(events).toEqual(["one", "two"]);
    expect(states).toEqual(["live", "reconnecting", "live"]);
  });

  test("is stale when the heartbeat stops, and reconnects when it stays away", async () => {
    open();
    await vi.advanceTimersByTimeAsync(0);
    server.send(": heartbeat\n\n");
    await vi.advanceTimersByTimeAsync(STALE_MS + 2_000);
    expect(states).toEqual(["live", "stale"]);
    await vi.advanceTimersByTimeAsync(DEAD_MS - STALE_MS);
    expect(states).toEqual(["live", "stale", "reconnecting"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    [401, [], 1],
    [422, ["refused"], 0],
  ])("does not repeat what was answered %i", async (status, expected, logouts) => {
    server.status = status;
    open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.requests).toHaveLength(1);
    expect(states).toEqual(expected);
    expect(unauthorized).toBe(logouts);
  });

  test("starts over where its position is refused", async () => {
    open();
    await vi.advanceTimersByTimeAsync(0);
    server.send(": heartbeat\nid: a9\n\n");
    await vi.advanceTimersByTimeAsync(0);
    server.status = 422;
    server.connections[0]?.close();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.requests.map((request) => request.get("last-event-id"))).toEqual([null, "a9", null]);
    expect(states).toEqual(["live", "reconnecting", "reconnecting", "refused"]);
  });

  test("waits longer after each failure, up to a limit", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 50].map((attempt) => backoff(attempt, 1))).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 8000, 8000,
    ]);
    expect(backoff(1, 0)).toBe(125);
  });
});
