// A channel: a name with numbers of its own, for as long as somebody names it in a subscription or its ring has something.

import type { Glob } from "./glob.js";
import { codePointsOf } from "./glob.js";
import { Ring, type RingMemory } from "./ring.js";
import type { Subscription } from "./subscription.js";

/** A pattern that somebody subscribes with, once however many do. */
export interface PatternGroup {
  readonly glob: Glob;
  readonly subscriptions: Set<Subscription>;
}

export class Channel {
  readonly name: string;
  /** Of its numbering: no other channel ever had it. */
  readonly stamp: string;
  readonly ring: Ring;
  /** Messages of the node that were published before it was made. */
  readonly madeAfter: number;
  /** Those that name it. */
  readonly subscriptions = new Set<Subscription>();
  readonly #points: readonly number[];
  #matched: readonly PatternGroup[] = [];
  #matchedOf = -1;
  /** The position of its last message; 0: it has had none. */
  lastPosition = 0;

  constructor(name: string, stamp: string, madeAfter: number, memory: RingMemory) {
    this.name = name;
    this.stamp = stamp;
    this.madeAfter = madeAfter;
    this.ring = new Ring(memory);
    this.#points = codePointsOf(name);
  }

  isMatchedBy(glob: Glob): boolean {
    return glob.matches(this.#points);
  }

  /** Those of the patterns that match its name, worked out again when there is a new one: when `patternsVersion` is another. */
  matching(patterns: Iterable<PatternGroup>, patternsVersion: number): readonly PatternGroup[] {
    if (this.#matchedOf !== patternsVersion) {
      this.#matched = [...patterns].filter(({ glob }) => this.isMatchedBy(glob));
      this.#matchedOf = patternsVersion;
    }
    return this.#matched;
  }
}
