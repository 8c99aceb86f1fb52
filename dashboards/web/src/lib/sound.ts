/** A short tone for a fill, made by the browser: rising for a buy, falling for a sell. */
import type { Side } from "./messages";

let context: AudioContext | null = null;

export function playFill(side: Side): void {
  context ??= new AudioContext();
  const start = context.currentTime;
  const [from, to] = side === "buy" ? [660, 880] : [660, 495];
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.type = "sine";
  tone.frequency.setValueAtTime(from, start);
  tone.frequency.setValueAtTime(to, start + 0.07);
  volume.gain.setValueAtTime(0.0001, start);
  volume.gain.exponentialRampToValueAtTime(0.12, start + 0.012);
  volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
  tone.connect(volume).connect(context.destination);
  tone.start(start);
  tone.stop(start + 0.22);
}
