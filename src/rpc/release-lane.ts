// How much of what broken streams held is given back at a time, over all streams. When the server drains they all end in
// one turn, and a hundred thousand leases given back in that turn would hold up everybody else for seconds.

import { limits } from "../queue/limits.js";

export class ReleaseLane {
  #underWayCount = 0;
  readonly #waiting: { readonly count: number; readonly start: () => void }[] = [];

  /** Calls `start` when `count` more fit, first come, first served; at once if they do now. Each entry leaves when done. */
  enter(count: number, start: () => void): void {
    this.#waiting.push({ count, start });
    this.#startNext();
  }

  leave(count: number): void {
    this.#underWayCount -= count;
    this.#startNext();
  }

  #startNext(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#hasRoom(next.count)) return;
      this.#waiting.shift();
      this.#underWayCount += next.count;
      next.start();
    }
  }

  #hasRoom(count: number): boolean {
    return this.#underWayCount === 0 || this.#underWayCount + count <= limits.settleMax;
  }
}
