/** What the server keeps of a user's terminal: the dock's layout and the preferences, as one object. */
import { Problem, Unreachable, type Api } from "./api";
import { PreferencesStore } from "./preferences.svelte";

const NAME = "terminal";
const SAVE_MS = 800;

export class Workspace {
  readonly preferences = new PreferencesStore(() => this.touch());
  /** As the dock wrote it; null before anything was kept, or after a reset. */
  layout: unknown = null;
  /** Why it is not kept, where the server did not take it; empty otherwise. */
  trouble = $state("");
  private loaded = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly api: Api) {}

  /** Where it cannot be read, the usual desk is shown, and what is kept is not written over. */
  async load(): Promise<void> {
    this.preferences.restore(null);
    await this.attempt("known", async () => {
      const kept = (await this.api.layouts()).find(({ name }) => name === NAME)?.layout;
      const of = typeof kept === "object" && kept !== null ? (kept as Record<string, unknown>) : {};
      this.layout = of["dock"] ?? null;
      this.preferences.restore(of["preferences"]);
      this.loaded = true;
    });
  }

  keep(layout: unknown): void {
    this.layout = layout;
    this.touch();
  }

  /** Saves at once what still waits; for when the page goes away. */
  async close(): Promise<void> {
    if (this.timer !== undefined) await this.save();
  }

  private touch(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.save(), SAVE_MS);
  }

  private async save(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.loaded) return;
    await this.attempt("kept", async () => {
      await this.api.keepLayout(NAME, { dock: this.layout, preferences: this.preferences.all });
    });
  }

  private async attempt(what: string, request: () => Promise<void>): Promise<void> {
    try {
      await request();
      this.trouble = "";
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      this.trouble = `The layout is not ${what}: ${error.message}`;
    }
  }
}
