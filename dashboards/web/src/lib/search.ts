/** Instruments that a few letters may mean: those whose symbol begins so first, then those that hold them anywhere. Pure. */
import type { Instrument } from "./messages";

export function found<Of extends Pick<Instrument, "symbol" | "description">>(all: readonly Of[], text: string): readonly Of[] {
  const wanted = text.trim().toLowerCase();
  const rank = ({ symbol, description }: Of): number => {
    const name = symbol.toLowerCase();
    if (name.startsWith(wanted)) return name === wanted ? 0 : 1;
    if (name.includes(wanted)) return 2;
    return description.toLowerCase().includes(wanted) ? 3 : 4;
  };
  return all
    .map((instrument) => ({ instrument, rank: rank(instrument) }))
    .filter((one) => one.rank < 4)
    .sort((a, b) => a.rank - b.rank)
    .map(({ instrument }) => instrument);
}
