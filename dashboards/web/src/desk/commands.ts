/** What each key does. */
import { isDecimal } from "../lib/decimals";
import type { Command } from "../lib/hotkeys";
import type { Terminal } from "../lib/terminal.svelte";
import type { PanelName } from "./panels";

const TRADES: ReadonlySet<Command> = new Set<Command>([
  "buy",
  "sell",
  "buy_now",
  "sell_now",
  "cancel_symbol",
  "cancel_all",
  "flatten",
  "flatten_all",
]);

/** `show` brings a panel to the front. Search and help are the page's own. */
export function obey(command: Command, terminal: Terminal, show: (name: PanelName) => void): void {
  if (TRADES.has(command) && !terminal.mayTrade) {
    terminal.notices.tell(`The role ${terminal.login.role} does not trade`, true);
    return;
  }
  const { account, symbol, quick, trading, workspace } = terminal;
  const preferences = workspace.preferences;
  switch (command) {
    case "buy":
    case "sell":
      show("ticket");
      // The panel may have to be drawn first.
      requestAnimationFrame(() => terminal.ticket.want(command));
      break;
    case "buy_now":
    case "sell_now":
      if (isDecimal(quick)) void trading.atMarket(account, symbol, command === "buy_now" ? "buy" : "sell", quick);
      else terminal.notices.tell("The quick quantity of the ladder is not a number", true);
      break;
    case "cancel_symbol":
      void trading.cancelAll(account, symbol);
      break;
    case "cancel_all":
      void trading.cancelAll(account, null);
      break;
    case "flatten":
      terminal.flattenSymbol();
      break;
    case "flatten_all":
      terminal.flattenAll();
      break;
    case "next_symbol":
    case "previous_symbol":
      terminal.stepSymbol(command === "next_symbol" ? 1 : -1);
      break;
    case "centre":
      terminal.centred++;
      break;
    case "interval_shorter":
    case "interval_longer":
      terminal.stepInterval(command === "interval_longer" ? 1 : -1);
      break;
    case "theme":
      preferences.set({ theme: preferences.all.theme === "dark" ? "light" : "dark" });
      break;
    case "sound":
      preferences.set({ sound: !preferences.all.sound });
      terminal.notices.tell(preferences.all.sound ? "Fills are heard" : "Fills are silent");
      break;
    case "search":
    case "help":
      break;
  }
}
