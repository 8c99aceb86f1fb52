/** The keys of the terminal, declared once: the listener and the overlay that lists them read the same table. */

export type Command =
  | "buy"
  | "sell"
  | "buy_now"
  | "sell_now"
  | "cancel_symbol"
  | "cancel_all"
  | "flatten"
  | "flatten_all"
  | "search"
  | "next_symbol"
  | "previous_symbol"
  | "centre"
  | "interval_shorter"
  | "interval_longer"
  | "theme"
  | "sound"
  | "help";

export interface Hotkey {
  readonly command: Command;
  /** As `KeyboardEvent.key` gives it, shift included: "B" is shift and b. */
  readonly key: string;
  readonly shown: string;
  readonly group: "Trade" | "Look";
  readonly text: string;
}

export const HOTKEYS: readonly Hotkey[] = [
  { command: "buy", key: "b", shown: "B", group: "Trade", text: "Ticket: buy, and write the quantity" },
  { command: "sell", key: "s", shown: "S", group: "Trade", text: "Ticket: sell, and write the quantity" },
  { command: "buy_now", key: "B", shown: "Shift B", group: "Trade", text: "Buy the quick quantity at the market" },
  { command: "sell_now", key: "S", shown: "Shift S", group: "Trade", text: "Sell the quick quantity at the market" },
  { command: "cancel_symbol", key: "c", shown: "C", group: "Trade", text: "Cancel all orders in this symbol" },
  { command: "cancel_all", key: "C", shown: "Shift C", group: "Trade", text: "Cancel all orders of the account" },
  { command: "flatten", key: "f", shown: "F", group: "Trade", text: "Flatten this symbol: cancel, then close" },
  { command: "flatten_all", key: "F", shown: "Shift F", group: "Trade", text: "Flatten everything" },
  { command: "search", key: "/", shown: "/", group: "Look", text: "Find a symbol" },
  { command: "next_symbol", key: "j", shown: "J", group: "Look", text: "Next symbol of the watchlist" },
  { command: "previous_symbol", key: "k", shown: "K", group: "Look", text: "Previous symbol" },
  { command: "centre", key: "g", shown: "G", group: "Look", text: "Centre the ladder" },
  { command: "interval_shorter", key: "[", shown: "[", group: "Look", text: "Shorter candles" },
  { command: "interval_longer", key: "]", shown: "]", group: "Look", text: "Longer candles" },
  { command: "theme", key: "t", shown: "T", group: "Look", text: "Dark or light" },
  { command: "sound", key: "m", shown: "M", group: "Look", text: "Sound of fills on or off" },
  { command: "help", key: "?", shown: "?", group: "Look", text: "This list" },
];

const BY_KEY: ReadonlyMap<string, Command> = new Map(HOTKEYS.map(({ key, command }) => [key, command]));

interface Pressed {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
}

/** What a key press asks for; null for one with another modifier, a repeat of a held key, or one with no meaning. */
export function commandOf(event: Pressed): Command | null {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return null;
  return BY_KEY.get(event.key) ?? null;
}

/** Whether keys belong to what has the focus (somebody types there, or a dialog is open). */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog") !== null) return true;
  return target.matches("input:not([type=checkbox]):not([type=radio]), select, textarea, [contenteditable]");
}
