/** Server-sent events as text (HTML standard, section 9.2.6 "Interpreting an event stream"). */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  /** The resume position after this event. */
  readonly id: string;
}

const LINE_END = /\r\n|[\r\n]/g;

/** Feed it the text as it arrives, cut anywhere; it gives back whole events. */
export class EventParser {
  /** The resume position after the last whole event; one without data (a heartbeat) moves it too. */
  lastEventId: string;
  /** Milliseconds to wait before reconnecting, where the server named them. */
  retryMs: number | null = null;

  private buffer = "";
  private started = false;
  private event = "";
  private data: string[] = [];
  private id: string;

  constructor(lastEventId = "") {
    this.lastEventId = this.id = lastEventId;
  }

  push(text: string): ServerEvent[] {
    this.buffer += text;
    if (!this.started && this.buffer.length > 0) {
      this.started = true;
      if (this.buffer.startsWith("\uFEFF")) this.buffer = this.buffer.slice(1);
    }
    const events: ServerEvent[] = [];
    let start = 0;
    LINE_END.lastIndex = 0;
    for (let found = LINE_END.exec(this.buffer); found !== null; found = LINE_END.exec(this.buffer)) {
      // A carriage return at the end may be the first half of "\r\n": it waits for the next piece.
      if (found[0] === "\r" && LINE_END.lastIndex === this.buffer.length) break;
      const line = this.buffer.slice(start, found.index);
      start = LINE_END.lastIndex;
      const event = this.line(line);
      if (event !== null) events.push(event);
    }
    this.buffer = this.buffer.slice(start);
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  private dispatch(): ServerEvent | null {
    const { event, data } = this;
    this.event = "";
    this.data = [];
    this.lastEventId = this.id;
    if (data.length === 0) return null;
    return { event: event || "message", data: data.join("\n"), id: this.lastEventId };
  }
}
