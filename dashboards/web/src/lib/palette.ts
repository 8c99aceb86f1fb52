/** The theme's colours for what is drawn on a canvas, as they are in force now. */

export interface Palette {
  readonly panel: string;
  readonly grid: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly blue: string;
  readonly orange: string;
  readonly blueWash: string;
  readonly orangeWash: string;
}

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    panel: of("panel"),
    grid: of("grid"),
    line: of("line"),
    text: of("text"),
    muted: of("muted"),
    blue: of("blue"),
    orange: of("orange"),
    blueWash: of("blue-wash"),
    orangeWash: of("orange-wash"),
  };
}
