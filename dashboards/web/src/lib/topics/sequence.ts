/** Records that have a place in the engine's one order of everything. */
export interface Sequenced {
  readonly seq: number;
  readonly index: number;
}

export function newestFirst(a: Sequenced, b: Sequenced): number {
  return b.seq - a.seq || b.index - a.index;
}

/** The `most` newest of both lists, newest first; `held` is so ordered already. */
export function merged<T extends Sequenced>(held: readonly T[], arrived: readonly T[], most: number): readonly T[] {
  return [...arrived].sort(newestFirst).concat(held).slice(0, most);
}
