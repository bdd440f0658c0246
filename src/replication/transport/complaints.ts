// Warnings about callers who should not be here, each in its words at most once a minute: whoever is refused comes back within a
// second, and a log that repeats it as often hides everything else.

import type { Clock } from "../../base/clock.js";
import type { Log } from "../../base/log.js";

const silentMs = 60_000;
/** Different words remembered; one more forgets them all, since a minute's repetition does no harm. */
const rememberedMax = 256;

export class Complaints {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #log: Log;
  /** When each was said last, and how often it was left out since. */
  readonly #said = new Map<string, { readonly atMs: number; leftOut: number }>();

  constructor(clock: Pick<Clock, "monotonicMs">, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  warn(fields: Readonly<Record<string, unknown>> & { readonly why: string }, line: string): void {
    const now = this.#clock.monotonicMs();
    const key = `${line}: ${fields.why}`;
    const before = this.#said.get(key);
    if (before !== undefined && now - before.atMs < silentMs) {
      before.leftOut += 1;
      return;
    }
    if (this.#said.size >= rememberedMax) this.#said.clear();
    this.#said.set(key, { atMs: now, leftOut: 0 });
    this.#log.warn({ ...fields, leftOut: before?.leftOut ?? 0 }, line);
  }
}
