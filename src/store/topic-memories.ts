// What rules keep of topics between commands (`TopicView.memory`), and when it is forgotten: with the rows that it was worked out
// from. Of subscriptions each change is told; what was undone, in a command that was rejected or a record that found no room, is
// seen by a count that the rows keep.

import type { TopicMemory } from "../topic/view.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

/** Of all topics together, in subscriptions; the topic in use is kept whatever its own weight. */
const weightMax = 25_000;
/** Topics with few subscriptions weigh little and are some objects each; they are counted through at every use. */
const topicsMax = 200;

export class TopicMemories {
  readonly #rows: RowAccess;
  /** By the prefix of the topic's keys; the one used last stands last. */
  readonly #memories = new Map<string, TopicMemory>();
  #undone = 0;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  of<Memory extends TopicMemory>(prefix: string, make: () => Memory): Memory {
    this.#forgetUndone();
    // Of one kind: `make` is the same for all topics.
    const memory = (this.#memories.get(prefix) as Memory | undefined) ?? make();
    this.#memories.delete(prefix);
    this.#makeRoomFor(memory.weight);
    this.#memories.set(prefix, memory);
    return memory;
  }

  changed(prefix: string, subscription: Buffer): void {
    this.#memories.get(prefix)?.subscriptionChanged(subscription);
  }

  #forgetUndone(): void {
    const undone = this.#rows.undoneCount(tables.subscription);
    if (undone !== this.#undone) this.#memories.clear();
    this.#undone = undone;
  }

  #makeRoomFor(weight: number): void {
    let total = weight;
    for (const memory of this.#memories.values()) total += memory.weight;
    for (const [prefix, memory] of this.#memories) {
      if (total <= weightMax && this.#memories.size < topicsMax) return;
      this.#memories.delete(prefix);
      total -= memory.weight;
    }
  }
}
