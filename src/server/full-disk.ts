// A leader whose disk is full, while a voter that answers has room: it lets that one lead, so that sends go on. With no such voter
// it goes on leading, as a node alone would: sends are refused, receives and deletes go on.

import type { MemberId } from "../base/brands.js";
import { type Clock, repeat, type Timer } from "../base/clock.js";
import type { ReplicationMember } from "../replication/ports.js";

/** Between two looks; costs no call. */
const lookMs = 500;
/** After a try that failed, or two nodes that are nearly full would take turns. */
const pauseMs = 30_000;

export interface FullDiskParts {
  readonly member: Pick<ReplicationMember, "status">;
  readonly isFull: () => boolean;
  /** What has to be free elsewhere for it to be worth while. */
  readonly reserveBytes: number;
  readonly handOver: (target: MemberId) => Promise<void>;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
}

export class FullDisk {
  readonly #parts: FullDiskParts;
  #timer: Timer | undefined;
  #notBeforeMs = 0;

  constructor(parts: FullDiskParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = repeat(this.#parts.clock, lookMs, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { isFull, clock, handOver, log } = this.#parts;
    if (!isFull() || clock.monotonicMs() < this.#notBeforeMs) return;
    const target = this.#voterWithRoom();
    if (target === undefined) return;
    this.#notBeforeMs = clock.monotonicMs() + pauseMs;
    log.warn({ target }, "the disk is full and another voter has room: it is to lead");
    void handOver(target);
  }

  /** Of the voters that answer and have twice the reserve, the one with the most room. */
  #voterWithRoom(): MemberId | undefined {
    const { member, reserveBytes } = this.#parts;
    const { followers, configuration } = member.status();
    const voters = new Set(
      configuration.members.filter(({ isVoter }) => isVoter).map(({ id }) => id),
    );
    return followers
      .filter(
        ({ id, isConnected, isTakingCopy, diskFreeBytes }) =>
          voters.has(id) && isConnected && !isTakingCopy && diskFreeBytes >= 2 * reserveBytes,
      )
      .sort((one, other) => other.diskFreeBytes - one.diskFreeBytes)[0]?.id;
  }
}
