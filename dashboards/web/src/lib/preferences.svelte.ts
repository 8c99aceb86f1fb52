/** How this person likes the terminal. Kept with the layout, so that it follows the login to another machine. */

export type Theme = "dark" | "light";

export interface Preferences {
  readonly theme: Theme;
  /** Ask before an order is sent from outside the ticket, and before anything that ends or turns several. */
  readonly confirm: boolean;
  readonly sound: boolean;
  readonly hotkeys: boolean;
  /** Symbols in the order of the watchlist; those not named follow. */
  readonly watchlist: readonly string[];
  /** What a click on the ladder or a hotkey trades, by symbol. */
  readonly quick: Readonly<Record<string, string>>;
  readonly symbol: string | null;
  readonly account: string | null;
  /** Seconds of a candle. */
  readonly interval: number;
}

export function usual(): Preferences {
  const light = typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: light)").matches;
  return {
    theme: light ? "light" : "dark",
    confirm: true,
    sound: false,
    hotkeys: true,
    watchlist: [],
    quick: {},
    symbol: null,
    account: null,
    interval: 60,
  };
}

/** What was kept, with the usual where it says nothing or something that cannot be. */
export function restored(kept: unknown): Preferences {
  const known = usual();
  if (typeof kept !== "object" || kept === null) return known;
  const of = kept as Record<string, unknown>;
  const quick = typeof of["quick"] === "object" && of["quick"] !== null ? Object.entries(of["quick"]) : [];
  return {
    theme: of["theme"] === "dark" || of["theme"] === "light" ? of["theme"] : known.theme,
    confirm: typeof of["confirm"] === "boolean" ? of["confirm"] : known.confirm,
    sound: typeof of["sound"] === "boolean" ? of["sound"] : known.sound,
    hotkeys: typeof of["hotkeys"] === "boolean" ? of["hotkeys"] : known.hotkeys,
    watchlist: Array.isArray(of["watchlist"]) ? of["watchlist"].filter((name) => typeof name === "string") : [],
    quick: Object.fromEntries(quick.filter(([, value]) => typeof value === "string")) as Record<string, string>,
    symbol: typeof of["symbol"] === "string" ? of["symbol"] : null,
    account: typeof of["account"] === "string" ? of["account"] : null,
    interval: typeof of["interval"] === "number" && of["interval"] > 0 ? of["interval"] : known.interval,
  };
}

export class PreferencesStore {
  private kept = $state.raw<Preferences>(usual());

  constructor(private readonly onchange: () => void) {}

  get all(): Preferences {
    return this.kept;
  }

  restore(kept: unknown): void {
    this.kept = restored(kept);
    this.show();
  }

  set(changes: Partial<Preferences>): void {
    this.kept = { ...this.kept, ...changes };
    this.show();
    this.onchange();
  }

  private show(): void {
    showTheme(this.kept.theme);
  }
}

export function showTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}
