// Which node of a cluster is asked. Any node takes any call and passes it on to the one that leads; who leads is named by every
// answer, and asked directly once a connection to it stands: it may be where only other nodes reach it. A node that cannot be
// reached, or knows nobody who leads, is left for another one of those that were given. With one address and no cluster behind
// it, it is always that one.

import { nowMs } from "./clock.js";

/** How long a node that was named as the leader and could not be reached is not asked directly: perhaps it never can. */
const unreachableMs = 10_000;

export class Routes {
  readonly #given: readonly [string, ...string[]];
  #at = 0;
  #leader: string | undefined;
  readonly #unreachableUntilMs = new Map<string, number>();

  /** `given` is where the cluster is known to be, the nearest first. */
  constructor(given: readonly [string, ...string[]]) {
    this.#given = given;
  }

  /** Whom to ask what only the leader can answer. */
  get leader(): string {
    return this.#leader ?? this.nearest;
  }

  /** Whom to ask what any node can answer. */
  get nearest(): string {
    return this.#given[this.#at % this.#given.length] ?? this.#given[0];
  }

  /** Whether there is more than one node to ask. */
  get hasOthers(): boolean {
    return this.#given.length > 1 || this.#leader !== undefined;
  }

  isGiven(endpoint: string): boolean {
    return this.#given.includes(endpoint);
  }

  /** Whether to try to reach a node that an answer named as the one that leads. */
  isWorthReaching(endpoint: string): boolean {
    return endpoint !== this.leader && (this.#unreachableUntilMs.get(endpoint) ?? 0) <= nowMs();
  }

  /** A node leads, and can be reached. */
  leads(endpoint: string): void {
    this.#leader = endpoint === this.nearest ? undefined : endpoint;
  }

  /** A node that was named as the one that leads cannot be reached from here. */
  cannotReach(endpoint: string): void {
    this.#unreachableUntilMs.set(endpoint, nowMs() + unreachableMs);
  }

  /** A node could not be reached, or refused because it knows nobody who leads. */
  failed(endpoint: string, why: "unreachable" | "no_leader"): void {
    if (why === "unreachable" && !this.isGiven(endpoint)) this.cannotReach(endpoint);
    // What another call has already turned away from is not turned away from again.
    if (endpoint === this.#leader) this.#leader = undefined;
    else if (endpoint === this.nearest) this.#at = (this.#at + 1) % this.#given.length;
  }
}
