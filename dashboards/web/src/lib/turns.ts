/**
 * Which market data a frame shows. A book redraws ladder, depth and watchlist; a trade redraws the tape and, in the frame
 * after, the chart. All of it at once is the longest piece of work that the page has, so in a busy market they take
 * turns: trades, then the chart by itself, then books. What is the user's own never waits. Pure.
 */
export const BOOKS = "book:";
export const TRADES = "trades:";

type Turn = typeof BOOKS | typeof TRADES | null;

export class Turns {
  /** Null: the chart's, or nothing yet. */
  private before: Turn = null;

  /** Of these topics, which have something new: whether one waits for the next frame. None waits for more than two. */
  next(topics: readonly string[]): (topic: string) => boolean {
    const [books, trades] = [BOOKS, TRADES].map((kind) => topics.some((topic) => topic.startsWith(kind)));
    let turn: Turn = null;
    if (this.before === null) turn = books ? BOOKS : TRADES;
    else if (this.before === BOOKS) turn = trades ? TRADES : BOOKS;
    this.before = turn;
    return (topic) => (topic.startsWith(BOOKS) && turn !== BOOKS) || (topic.startsWith(TRADES) && turn !== TRADES);
  }
}
