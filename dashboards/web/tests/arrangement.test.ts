import { describe, expect, test, vi } from "vitest";

// Only where panels stand is asked here, not what they draw.
vi.mock("../src/desk/panels", () => {
  const names = ["watchlist", "chart", "ladder", "ticket", "tape", "depth", "positions", "account", "risk", "system", "orders", "history", "fills"];
  return { PANELS: Object.fromEntries(names.map((name) => [name, { title: name }])) };
});

const { usualLayout } = await import("../src/desk/arrangement");
type Node = ReturnType<typeof usualLayout>["grid"]["root"];

function views(node: Node): string[] {
  return node.type === "branch" ? (node.data as Node[]).flatMap(views) : (node.data as { views: string[] }).views;
}

/** A branch's parts fill it: rows and columns take turns. */
function assertFilled(node: Node, along: number, across: number): void {
  if (node.type !== "branch") return;
  const parts = node.data as Node[];
  expect(parts.reduce((sum, part) => sum + (part.size ?? 0), 0)).toBe(along);
  for (const part of parts) assertFilled(part, across, part.size ?? 0);
}

describe("the usual layout", () => {
  test.each([
    [1280, 676],
    [1920, 1036],
    [900, 600],
  ])("fills %i × %i with every panel once", (width, height) => {
    const { grid, panels } = usualLayout(width, height);
    expect(views(grid.root).sort()).toEqual(Object.keys(panels).sort());
    if (width >= 1028) assertFilled(grid.root, width, height);
  });
});
