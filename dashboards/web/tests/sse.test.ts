import { describe, expect, test } from "vitest";
import { EventParser } from "../src/lib/sse";

const TEXT =
  ": heartbeat\r\n\r\nid: 7\r\nevent: orders\r\ndata: {\"a\":1}\r\n\r\nevent: pnl\ndata:x\ndata: y\n\ndata\rid: 9\r\rid: 10\n\n";
const EVENTS = [
  { event: "orders", data: '{"a":1}', id: "7" },
  { event: "pnl", data: "x\ny", id: "7" },
  { event: "message", data: "", id: "9" },
];

describe("event parser", () => {
  test("reads events with any line ending, comments and several data lines", () => {
    expect(new EventParser().push(TEXT)).toEqual(EVENTS);
  });

  test("gives the same events wherever the text is cut", () => {
    for (let cut = 0; cut <= TEXT.length; cut++) {
      const parser = new EventParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(EVENTS);
    }
    const parser = new EventParser();
    expect([...TEXT].flatMap((character) => parser.push(character))).toEqual(EVENTS);
  });

  test("hands on nothing of an event that was cut off", () => {
    const parser = new EventParser("3");
    expect(parser.push("id: 4\ndata: lost\n")).toEqual([]);
  });

  test("moves the position by a heartbeat, and not by half an event", () => {
    const parser = new EventParser("3");
    expect(parser.push(": heartbeat\nid: 4\n\nid: 5\n")).toEqual([]);
    expect(parser.lastEventId).toBe("4");
  });

  test("skips a byte order mark, unknown fields and an id with a null", () => {
    const parser = new EventParser("3");
    expect(parser.push("\uFEFFid: 4\0\nother: x\ndata: y\n\n")).toEqual([{ event: "message", data: "y", id: "3" }]);
  });
});
