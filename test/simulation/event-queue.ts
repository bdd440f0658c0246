// What happens next in a simulated world, and its time: events in the order of their instants, those of one instant in the order
// they were planned. Nothing else moves time, so a run takes as long as its events take to compute.

import type { Timer } from "../../src/base/clock.js";

interface PlannedEvent {
  readonly atMs: number;
  readonly order: number;
  fire: (() => void) | undefined;
}

export class EventQueue {
  /** A binary heap: the next event is at its root. */
  readonly #heap: PlannedEvent[] = [];
  #nowMs = 0;
  #plannedCount = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    this.#plannedCount += 1;
    const event: PlannedEvent = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#plannedCount,
      fire,
    };
    this.#rise(event);
    return {
      cancel: () => {
        event.fire = undefined;
      },
    };
  }

  /** Fires the next event that was not cancelled; false when there is none up to `untilMs`, which is now then. */
  step(untilMs: number): boolean {
    for (let next = this.#heap[0]; next !== undefined; next = this.#heap[0]) {
      if (next.atMs > untilMs) break;
      this.#removeRoot();
      if (next.fire === undefined) continue;
      this.#nowMs = next.atMs;
      next.fire();
      return true;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return false;
  }

  #rise(event: PlannedEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as PlannedEvent;
      if (isBefore(parent, event)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  #removeRoot(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let childAt = at * 2 + 1;
      let child = heap[childAt];
      const other = heap[childAt + 1];
      if (child === undefined) break;
      if (other !== undefined && isBefore(other, child)) {
        childAt += 1;
        child = other;
      }
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
  }
}

function isBefore(one: PlannedEvent, other: PlannedEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
