// Who waits for a queue: first come, first served, one list a queue. Waiters live in memory only.
//
// A waiter is tried when its queue is woken, when the next lease or delay ends, and when it comes. Nothing is polled.

import type { WaitPlace } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { Waiter } from "./waiting-call.js";

export interface WaiterList {
  readonly waiters: Waiter[];
  /** Fires when the next lease or delay of the queue ends. */
  dueTimer: Timer | undefined;
  dueAt: number;
}

export class Waiters {
  readonly #lists = new Map<WaitPlace, WaiterList>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  list(queue: WaitPlace): WaiterList | undefined {
    return this.#lists.get(queue);
  }

  queues(): Iterable<WaitPlace> {
    return this.#lists.keys();
  }

  add(queue: WaitPlace, waiter: Waiter): void {
    let list = this.#lists.get(queue);
    if (list === undefined) {
      list = { waiters: [], dueTimer: undefined, dueAt: 0 };
      this.#lists.set(queue, list);
    }
    // At the end, but for one whose record was dropped with the disk full: it has its old place.
    let at = list.waiters.length;
    while (at > 0 && (list.waiters[at - 1]?.arrival ?? 0) > waiter.arrival) at -= 1;
    list.waiters.splice(at, 0, waiter);
    this.#count += 1;
  }

  /** Removes it if it still waits; says whether it did. */
  remove(queue: WaitPlace, waiter: Waiter): boolean {
    const list = this.#lists.get(queue);
    const at = list?.waiters.indexOf(waiter) ?? -1;
    if (list === undefined || at === -1) return false;
    list.waiters.splice(at, 1);
    this.#count -= 1;
    if (list.waiters.length === 0) {
      list.dueTimer?.cancel();
      this.#lists.delete(queue);
    }
    waiter.left();
    return true;
  }
}
