/** The page's one event stream: hands the records of each topic to its store, batched by frame. */
import type { Api } from "./api";
import { Frames } from "./frames";
import type { ServerEvent } from "./sse";
import { Stream, type StreamState } from "./stream";
import { BOOKS, Turns } from "./turns";

/** What a store of one topic takes. Records come in the order of the topic. */
export interface TopicStore<Message> {
  /** Everything there is: what was held before is forgotten. */
  snapshot(records: readonly Message[]): void;
  /** What followed since, oldest first. */
  apply(records: readonly Message[]): void;
}

interface Waiting {
  snapshot: readonly unknown[] | null;
  /** As text: of a book, which is whole in each record, only the last of a frame is ever read. */
  records: string[];
}

export class Feed {
  state = $state<StreamState>("connecting");
  detail = $state("");

  private stream: Stream | null = null;
  private stores: ReadonlyMap<string, TopicStore<never>> = new Map();
  private waiting = new Map<string, Waiting>();
  private readonly turns = new Turns();
  private readonly frames = new Frames(() => this.flush());

  constructor(private readonly api: Api) {
    addEventListener("online", this.retry);
    document.addEventListener("visibilitychange", this.retry);
  }

  /** Starts over with these topics, each with its store; the server begins with a snapshot of every one. */
  open(stores: ReadonlyMap<string, TopicStore<never>>): void {
    this.stream?.close();
    this.stores = stores;
    this.waiting.clear();
    this.state = "connecting";
    const topics = [...stores.keys()].map(encodeURIComponent).join(",");
    this.stream = new Stream({
      url: `${this.api.base}/api/stream?topics=${topics}`,
      headers: () => this.api.headers,
      onevent: (event) => this.receive(event),
      onstate: (state, detail) => {
        this.state = state;
        this.detail = detail;
      },
      onunauthorized: () => this.api.renew(),
      credentials: this.api.credentials,
    });
  }

  close(): void {
    this.stream?.close();
    this.stream = null;
    this.frames.close();
    removeEventListener("online", this.retry);
    document.removeEventListener("visibilitychange", this.retry);
  }

  private readonly retry = (): void => {
    if (!document.hidden) this.stream?.retry();
  };

  private receive({ event, data }: ServerEvent): void {
    if (event === "snapshot") {
      const { topic, records } = JSON.parse(data) as { topic: string; records: unknown[] };
      this.waiting.set(topic, { snapshot: records, records: [] });
    } else if (this.stores.has(event)) {
      const waiting = this.waiting.get(event);
      if (waiting === undefined) this.waiting.set(event, { snapshot: null, records: [data] });
      else if (event.startsWith(BOOKS)) waiting.records[0] = data;
      else waiting.records.push(data);
    }
    this.frames.request();
  }

  private flush(): void {
    const batches = this.waiting;
    this.waiting = new Map();
    const waits = this.turns.next([...batches.keys()]);
    for (const [topic, batch] of batches) {
      if (waits(topic)) {
        this.waiting.set(topic, batch);
        continue;
      }
      const { snapshot, records } = batch;
      const store = this.stores.get(topic) as TopicStore<unknown> | undefined;
      if (store === undefined) continue;
      if (snapshot !== null) store.snapshot(snapshot);
      if (records.length > 0) store.apply(records.map((text) => JSON.parse(text) as unknown));
    }
    if (this.waiting.size > 0) this.frames.request();
  }
}
