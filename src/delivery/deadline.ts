// One span of time that several waits share, one after another.

import type { Clock } from "../base/clock.js";

export class Deadline {
  readonly #passed: Promise<"passed">;
  readonly end: () => void;

  constructor(clock: Pick<Clock, "setTimer">, spanMs: number) {
    let cancel = (): void => undefined;
    this.#passed = new Promise((resolve) => {
      const timer = clock.setTimer(spanMs, () => resolve("passed"));
      cancel = () => timer.cancel();
    });
    this.end = () => cancel();
  }

  /** Throws `late` when the time has passed first; what was waited for may still come, to nobody. */
  async race<T>(awaited: Promise<T>, late: () => Error): Promise<T> {
    const settled = awaited.then(
      (value) => ({ kind: "value", value }) as const,
      (error: unknown) => ({ kind: "error", error }) as const,
    );
    const first = await Promise.race([settled, this.#passed]);
    if (first === "passed") throw late();
    if (first.kind === "error") throw first.error;
    return first.value;
  }
}
