// How much is sent at once: so many messages and bytes over all targets, and for one destination what is fair toward it. Who finds no
// room is told when there is some, the one who waited longest first.

import type { DurationMs, EpochMs } from "../base/brands.js";
import { DestinationLimits } from "./destination-limits.js";

/** Over all targets. */
const messagesMax = 1_000;
const bytesMax = 67_108_864;

/** Who waits for room. */
export interface Waiting {
  roomIsThere(): void;
}

export type Claim =
  /** `leave` is called once, when the attempt is over or was none. */
  | { readonly kind: "claimed"; readonly leave: () => void }
  /** The one who asked is told. */
  | { readonly kind: "waits" }
  | { readonly kind: "too_fast"; readonly waitMs: DurationMs };

export class PushRoom {
  readonly #destinations = new DestinationLimits();
  readonly #waitingFor = new Map<string, Set<Waiting>>();
  #messages = 0;
  #bytes = 0;

  get messages(): number {
    return this.#messages;
  }

  /** `destination` is undefined where none of its limits holds. */
  claim(destination: string | undefined, now: EpochMs, who: Waiting): Claim {
    if (this.#messages >= messagesMax || this.#bytes >= bytesMax) return this.#wait(all, who);
    const entry =
      destination === undefined ? undefined : this.#destinations.enter(destination, now);
    if (entry?.kind === "full") return this.#wait(destination ?? all, who);
    if (entry?.kind === "too_fast") return entry;
    this.#messages += 1;
    let isOver = false;
    const leave = (): void => {
      if (isOver) return;
      isOver = true;
      this.#messages -= 1;
      entry?.leave();
      if (destination !== undefined) this.#tell(destination);
      this.#tell(all);
    };
    return { kind: "claimed", leave };
  }

  /** Bytes that came into memory, or went. */
  hold(bytes: number): void {
    this.#bytes += bytes;
    if (bytes < 0) this.#tell(all);
  }

  leaveLine(who: Waiting): void {
    for (const [name, line] of this.#waitingFor) {
      line.delete(who);
      if (line.size === 0) this.#waitingFor.delete(name);
    }
  }

  /** Forgets destinations that nobody has gone to for a while. */
  forget(now: EpochMs): void {
    this.#destinations.forget(now);
  }

  #wait(name: string, who: Waiting): Claim {
    const line = this.#waitingFor.get(name) ?? new Set();
    line.add(who);
    this.#waitingFor.set(name, line);
    return { kind: "waits" };
  }

  #tell(name: string): void {
    const line = this.#waitingFor.get(name);
    const [first] = line ?? [];
    if (line === undefined || first === undefined) return;
    line.delete(first);
    if (line.size === 0) this.#waitingFor.delete(name);
    // Not within the call of who left.
    queueMicrotask(() => first.roomIsThere());
  }
}

/** No host is so called. */
const all = "";
