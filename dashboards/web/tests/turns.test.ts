import { expect, test } from "vitest";
import { Turns } from "../src/lib/turns";

/** What each frame shows, where these topics have something new in each. */
function frames(count: number, ...topics: string[]): string[][] {
  const turns = new Turns();
  return Array.from({ length: count }, () => {
    const waits = turns.next(topics);
    return topics.filter((topic) => !waits(topic));
  });
}

test("books alone are shown in every frame", () => {
  expect(frames(3, "book:A", "book:B")).toEqual([["book:A", "book:B"], ["book:A", "book:B"], ["book:A", "book:B"]]);
});

test("trades leave a frame to the chart", () => {
  expect(frames(4, "trades:A")).toEqual([["trades:A"], [], ["trades:A"], []]);
});

test("in a busy market books, trades and the chart take turns", () => {
  expect(frames(7, "book:A", "trades:A")).toEqual([["book:A"], ["trades:A"], [], ["book:A"], ["trades:A"], [], ["book:A"]]);
});

test("what is the user's own never waits", () => {
  for (const shown of frames(6, "orders", "fills", "book:A", "trades:A")) expect(shown).toEqual(expect.arrayContaining(["orders", "fills"]));
});
