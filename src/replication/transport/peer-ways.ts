// The ways from this member to one other: one that is always kept, and while a copy of the state is given one for its parts, so
// that heartbeats and records do not wait behind megabytes (wire.ts has the measurements).

import type { Clock, Timer } from "../../base/clock.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import type { GroupMember } from "../../store/replica-disk.js";
import { Dialler, type DiallerParts } from "./dialler.js";
import { copyIdleMsMax } from "./limits.js";
import type { SendOutcome } from "./peer-link.js";

export interface PeerWaysParts extends Omit<DiallerParts, "lane" | "clock"> {
  readonly clock: Clock;
}

export class PeerWays {
  readonly #parts: PeerWaysParts;
  readonly #main: Dialler;
  #copy: Dialler | undefined;
  #copyIdle: Timer | undefined;
  #droppedCount = 0;

  constructor(parts: PeerWaysParts) {
    this.#parts = parts;
    this.#main = new Dialler({ ...parts, lane: "main" });
  }

  get isUp(): boolean {
    return this.#main.link !== undefined;
  }

  get isReady(): boolean {
    return this.#main.link?.isReady ?? false;
  }

  get why(): string | undefined {
    return this.#main.why;
  }

  get downCount(): number {
    return this.#main.downCount;
  }

  get droppedCount(): number {
    return this.#droppedCount;
  }

  get unsentBytes(): number {
    return (this.#main.link?.unsentBytes ?? 0) + (this.#copy?.link?.unsentBytes ?? 0);
  }

  leadsTo({ node, replicationEndpoint }: GroupMember): boolean {
    const { member } = this.#parts;
    return member.node === node && member.replicationEndpoint === replicationEndpoint;
  }

  send(message: PeerMessage): SendOutcome {
    const lane = this.#laneFor(message);
    const outcome = lane.link?.send(message) ?? "closed";
    if (outcome !== "queued") this.#droppedCount += 1;
    return outcome;
  }

  /** Counts an answer that was lost: the member had dialled no way for it. */
  answerDropped(): void {
    this.#droppedCount += 1;
  }

  stop(): void {
    this.#main.stop();
    this.#endCopy();
  }

  #laneFor({ kind }: PeerMessage): Dialler {
    // The offer comes some moments before the first part is asked for: time enough to dial.
    if (kind?.$case === "offerSnapshot") this.#keepCopyWay();
    if (kind?.$case !== "stateSlice") return this.#main;
    const copy = this.#keepCopyWay();
    return copy.link === undefined ? this.#main : copy;
  }

  #keepCopyWay(): Dialler {
    this.#copyIdle?.cancel();
    this.#copyIdle = this.#parts.clock.setTimer(copyIdleMsMax, () => this.#endCopy());
    // What comes over it is nothing but beats; whether it is ready is not asked, since parts are sent one at a time.
    this.#copy ??= new Dialler({ ...this.#parts, lane: "copy", ready: () => undefined });
    return this.#copy;
  }

  #endCopy(): void {
    this.#copyIdle?.cancel();
    this.#copy?.stop();
    this.#copy = undefined;
  }
}
