/**
 * Runs a function at most once per frame, however often it is asked for. A page in the background gets no frames: there a
 * timer stands in, so that nothing piles up while nobody looks.
 */
const HIDDEN_MS = 500;

export class Frames {
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly run: () => void) {
    document.addEventListener("visibilitychange", this.reschedule);
  }

  request(): void {
    if (this.frame !== 0 || this.timer !== undefined) return;
    if (document.hidden) this.timer = setTimeout(this.fire, HIDDEN_MS);
    else this.frame = requestAnimationFrame(this.fire);
  }

  close(): void {
    this.forget();
    document.removeEventListener("visibilitychange", this.reschedule);
  }

  private readonly fire = (): void => {
    this.forget();
    this.run();
  };

  private readonly reschedule = (): void => {
    if (this.frame === 0 && this.timer === undefined) return;
    this.forget();
    this.request();
  };

  private forget(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
  }
}
