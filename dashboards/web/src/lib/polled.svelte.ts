/** Something that is asked of the server again and again while it is on screen. */
import { Problem, Unreachable } from "./api";

export class Polled<Value> {
  value = $state.raw<Value | null>(null);
  /** Why there is none, or why it is old; empty where it is fresh. */
  trouble = $state("");
  private choice = 0;

  constructor(private readonly fetch: () => Promise<Value>) {}

  async load(): Promise<void> {
    const choice = ++this.choice;
    try {
      const value = await this.fetch();
      if (choice !== this.choice) return;
      this.value = value;
      this.trouble = "";
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      if (choice === this.choice) this.trouble = error.message;
    }
  }

  /** To be used as an effect: loads now and then every so many milliseconds, while the page is in front. */
  every(milliseconds: number): () => void {
    void this.load();
    const timer = setInterval(() => !document.hidden && void this.load(), milliseconds);
    return () => clearInterval(timer);
  }
}
