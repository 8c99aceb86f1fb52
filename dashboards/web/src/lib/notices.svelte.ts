/** What the page tells about what was asked of the server: a few lines that go by themselves, and are read out. */

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

const SHOWN_MS = 6_000;
const BAD_MS = 12_000;
const MOST = 4;

export class Notices {
  shown = $state.raw<readonly Notice[]>([]);
  private next = 1;

  tell(text: string, bad = false): void {
    const notice = { id: this.next++, text, bad };
    this.shown = [...this.shown, notice].slice(-MOST);
    setTimeout(() => this.dismiss(notice.id), bad ? BAD_MS : SHOWN_MS);
  }

  dismiss(id: number): void {
    this.shown = this.shown.filter((notice) => notice.id !== id);
  }
}
