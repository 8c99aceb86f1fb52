/** Every panel there is: its name in layouts, its title, what draws it. */
import type { Component } from "svelte";
import Account from "../panels/Account.svelte";
import Chart from "../panels/Chart.svelte";
import Depth from "../panels/Depth.svelte";
import Fills from "../panels/Fills.svelte";
import History from "../panels/History.svelte";
import Ladder from "../panels/Ladder.svelte";
import Orders from "../panels/Orders.svelte";
import Positions from "../panels/Positions.svelte";
import Risk from "../panels/Risk.svelte";
import System from "../panels/System.svelte";
import Tape from "../panels/Tape.svelte";
import Ticket from "../panels/Ticket.svelte";
import Watchlist from "../panels/Watchlist.svelte";

export interface PanelKind {
  readonly title: string;
  readonly component: Component;
}

export const PANELS = {
  watchlist: { title: "Watchlist", component: Watchlist },
  chart: { title: "Chart", component: Chart },
  ladder: { title: "Ladder", component: Ladder },
  ticket: { title: "Ticket", component: Ticket },
  tape: { title: "Tape", component: Tape },
  depth: { title: "Depth", component: Depth },
  positions: { title: "Positions", component: Positions },
  account: { title: "P&L", component: Account },
  risk: { title: "Risk", component: Risk },
  system: { title: "System", component: System },
  orders: { title: "Orders", component: Orders },
  history: { title: "History", component: History },
  fills: { title: "Fills", component: Fills },
} as const satisfies Record<string, PanelKind>;

export type PanelName = keyof typeof PANELS;
export const PANEL_NAMES = Object.keys(PANELS) as readonly PanelName[];

export function isPanel(name: string): name is PanelName {
  return name in PANELS;
}
