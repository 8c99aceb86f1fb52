import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Api, Problem, Unreachable } from "../src/lib/api";
import { LoginStore, type Granted } from "../src/lib/login";

const GRANTED: Granted = {
  access_token: null,
  refresh_token: null,
  csrf_token: "c1",
  expires_in: 900,
  username: "ann",
  role: "trader",
  accounts: ["ann"],
};

/** Answers in this order: a status and a body. */
let answers: [number, unknown][];
let asked: { path: string; method: string; headers: Headers; body: unknown; credentials: RequestCredentials | undefined }[];
let kept: Map<string, string>;

beforeEach(() => {
  answers = [];
  asked = [];
  kept = new Map();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  vi.stubGlobal("navigator", { locks: undefined });
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : null;
    asked.push({ path, method: init.method ?? "GET", headers: new Headers(init.headers), body, credentials: init.credentials });
    const [status, answer] = answers.shift() ?? [500, {}];
    return Promise.resolve(new Response(JSON.stringify(answer), { status }));
  });
});

afterEach(() => vi.unstubAllGlobals());

describe("a login", () => {
  test("at the page's own gateway leaves the tokens to cookies, and sends what proves that it is no forgery", async () => {
    answers = [[200, GRANTED], [200, { affected: 0 }]];
    const api = new Api("", new LoginStore());
    await api.enterAs("ann", "secret");
    await api.cancelAll("ann", null);
    expect(asked[0]).toMatchObject({ path: "/api/login", body: { cookies: true }, credentials: "same-origin" });
    expect(asked[1]?.headers.get("x-csrf-token")).toBe("c1");
    expect(asked[1]?.headers.has("authorization")).toBe(false);
  });

  test("elsewhere keeps the tokens, and sends no cookie", async () => {
    answers = [[200, { ...GRANTED, access_token: "a1", refresh_token: "r1" }], [200, { instruments: [] }]];
    const api = new Api("https://trading.example", new LoginStore());
    await api.enterAs("ann", "secret");
    await api.instruments();
    expect(asked[0]).toMatchObject({ path: "https://trading.example/api/login", body: { cookies: false }, credentials: "omit" });
    expect(asked[1]?.headers.get("authorization")).toBe("Bearer a1");
  });

  test("that ends waits for nothing that is still asked: it would be refused", async () => {
    const signals: AbortSignal[] = [];
    vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
      const { signal } = init;
      if (!signal) throw new Error(`${path} without a signal`);
      signals.push(signal);
      if (path === "/api/logout") return Promise.resolve(new Response("{}"));
      return new Promise((_, refuse) => {
        signal.addEventListener("abort", () => {
          refuse(new DOMException("aborted", "AbortError"));
        });
      });
    });
    const api = new Api("", new LoginStore());
    const waiting = expect(api.instruments()).rejects.toThrow(Unreachable);
    await api.logout();
    await waiting;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  test("is gone on with once its token has expired, and the request is made again", async () => {
    const store = new LoginStore();
    store.hold({ ...GRANTED, access_token: "a1", refresh_token: "r1" });
    answers = [[401, {}], [200, { ...GRANTED, access_token: "a2", refresh_token: "r2" }], [200, { instruments: [] }]];
    await new Api("https://trading.example", store).instruments();
    expect(asked.map(({ path }) => new URL(path).pathname)).toEqual(["/api/instruments", "/api/refresh", "/api/instruments"]);
    expect(asked[1]?.body).toEqual({ refresh_token: "r1" });
    expect(asked[2]?.headers.get("authorization")).toBe("Bearer a2");
  });

  test("is not refreshed twice: another tab's new token is taken", async () => {
    const store = new LoginStore();
    store.hold({ ...GRANTED, csrf_token: "c2" });
    expect(await new Api("", store).renew("what this tab had")).toBe(true);
    expect(asked).toEqual([]);
  });

  test("is over where the refresh is refused", async () => {
    const store = new LoginStore();
    store.hold(GRANTED);
    answers = [[401, {}], [401, {}]];
    const api = new Api("", store);
    const ended = vi.fn();
    api.onended = ended;
    await expect(api.instruments()).rejects.toThrow(Problem);
    expect(ended).toHaveBeenCalledOnce();
    expect(store.held).toBeNull();
  });

  test("outlives a server that cannot tell now", async () => {
    const store = new LoginStore();
    store.hold(GRANTED);
    answers = [[401, {}], [503, { detail: "Postgres is away" }]];
    await expect(new Api("", store).instruments()).rejects.toThrow("Postgres is away");
    expect(store.held).not.toBeNull();
  });
});
