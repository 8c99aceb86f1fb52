/** Where the panels stand before anybody has moved one, for a desk of any size. Pure, in the words of dockview's layouts. */
import { Orientation, type SerializedDockview } from "dockview";
import { PANELS, type PanelName } from "./panels";

type Node = SerializedDockview["grid"]["root"];

const LADDER = 264;
const TICKET = 264;
const WATCHLIST = 206;
const TAPE_SHARE = 0.42;
const BLOTTER = 208;
const BLOTTER_SHARE = 0.3;
const POSITIONS_SHARE = 0.5;

/** Tabs of one place; the first one is in front. */
function group(size: number, ...names: PanelName[]): Node {
  return { type: "leaf", size, data: { id: names.join("-"), views: names, activeView: names[0]! } };
}

function branch(size: number, ...data: Node[]): Node {
  return { type: "branch", size, data };
}

export function usualLayout(width: number, height: number): SerializedDockview {
  const left = Math.max(500, width - LADDER - TICKET);
  const below = Math.max(BLOTTER, Math.round(height * BLOTTER_SHARE));
  const above = height - below;
  const tape = Math.round(above * TAPE_SHARE);
  const positions = Math.round(left * POSITIONS_SHARE);
  const market = branch(
    above,
    branch(WATCHLIST, group(above - tape, "watchlist"), group(tape, "tape", "depth")),
    group(left - WATCHLIST, "chart"),
  );
  const blotter = branch(
    below,
    group(positions, "positions", "account", "risk", "system"),
    group(left - positions, "orders", "history", "fills"),
  );
  const root = branch(height, branch(left, market, blotter), group(LADDER, "ladder"), group(TICKET, "ticket"));
  const names = Object.entries(PANELS);
  const panels = names.map(([id, { title }]) => [id, { id, contentComponent: id, tabComponent: "tab", title }]);
  return {
    grid: { root, width, height, orientation: Orientation.HORIZONTAL },
    panels: Object.fromEntries(panels) as SerializedDockview["panels"],
    activeGroup: "chart",
  };
}
