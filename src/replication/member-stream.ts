// One member as its leader sees it: how far its log agrees, what is on its way to it, and when it last answered.
//
// Records are sent ahead of their answers, up to a window. Nothing here waits for a message: a lost one shows in the answer to the
// next heartbeat, which tells the leader where to go on.

import { type Epoch, type EpochMs, type LogSeq, logSeq, type MemberId } from "../base/brands.js";
import type { LogEntry } from "../store/replica-disk.js";
import type { Inside } from "./inside.js";
import type { AckMessage, NackMessage, Position } from "./message.js";
import { commonSeq } from "./positions.js";
import type { SnapshotSender } from "./snapshot-sender.js";

/** What a stream needs to know of its leader. */
export interface LeaderSide {
  readonly inside: Inside;
  readonly epoch: Epoch;
  readonly commitSeq: LogSeq;
  readonly round: number;
  readonly isAnnounced: boolean;
  nextRound(): number;
  leaderTime(): EpochMs;
  /** Whether it is certain that nobody else leads. */
  mayAnswer(): boolean;
}

type StreamMode =
  /** Nobody knows yet how far its log agrees. */
  | { readonly kind: "probing" }
  | { readonly kind: "streaming" }
  /** Its log ends before the leader's begins, or went another way: it takes a copy of the state. */
  | { readonly kind: "copying"; readonly copy: SnapshotSender };

interface OnTheWay {
  readonly endSeq: LogSeq;
  readonly bytes: number;
}

export class MemberStream {
  readonly id: MemberId;
  readonly #leader: LeaderSide;
  readonly #offerCopy: (to: MemberId) => SnapshotSender;
  #mode: StreamMode = { kind: "probing" };
  #nextSeq = logSeq(0);
  #matchedSeq = logSeq(0);
  #appliedSeq = logSeq(0);
  #onTheWay: OnTheWay[] = [];
  #bytesOnTheWay = 0;
  /** Complaints about what was sent before this round are answered already. */
  #roundsFrom = 0;
  #answeredAtMs: number;
  #answeredRound = -1;
  #roundTripMs = 0;
  #diskFreeBytes = 0;
  #sentAtMs = 0;
  /** The member's own time when it last answered. */
  #memberSentAt = 0;
  #nacked: { readonly lastSeq: LogSeq; readonly atMs: number } | undefined;

  constructor(id: MemberId, leader: LeaderSide, offerCopy: (to: MemberId) => SnapshotSender) {
    this.id = id;
    this.#leader = leader;
    this.#offerCopy = offerCopy;
    this.#answeredAtMs = leader.inside.context.nowMs();
  }

  /** Up to here its log, on its disk, is the leader's. */
  get matchedSeq(): LogSeq {
    return this.#matchedSeq;
  }

  get appliedSeq(): LogSeq {
    return this.#appliedSeq;
  }

  get answeredRound(): number {
    return this.#answeredRound;
  }

  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  get diskFreeBytes(): number {
    return this.#diskFreeBytes;
  }

  get copy(): SnapshotSender | undefined {
    return this.#mode.kind === "copying" ? this.#mode.copy : undefined;
  }

  hasAnsweredWithin(ms: number): boolean {
    return this.silentMs <= ms;
  }

  /** Since its last answer, or since the stream began. */
  get silentMs(): number {
    return this.#leader.inside.context.nowMs() - this.#answeredAtMs;
  }

  /** Its position is known, from its promise or from a complaint. */
  placed(position: Position): void {
    const { durable } = this.#leader.inside;
    const theirs = { begins: position.epochBegins, endSeq: position.lastSeq };
    const common = commonSeq(durable.history, theirs);
    const { logBase } = durable.planned;
    if (common === undefined || common < logBase.seq || position.appliedSeq > common) {
      this.#startCopy(position.appliedSeq);
      return;
    }
    // Below what it once confirmed: its disk went back, and what it confirmed is not there any more.
    if (common < this.#matchedSeq) this.#matchedSeq = common;
    this.#streamFrom(logSeq(common + 1));
  }

  /** Sends what there is room for. */
  pump(): void {
    const { inside } = this.#leader;
    const { windowBytesMax } = inside.context.parts.settings;
    while (
      this.#mode.kind === "streaming" &&
      this.#bytesOnTheWay < windowBytesMax &&
      this.#nextSeq <= inside.durable.planned.logEnd.seq &&
      inside.context.parts.network.isReady(this.id)
    ) {
      this.#sendRecords();
    }
  }

  /** So that it hears of the commit and answers, though there is nothing to send. */
  heartbeat(): void {
    const { inside } = this.#leader;
    if (!inside.context.parts.network.isReady(this.id)) return;
    this.copy?.remind();
    const end = inside.durable.planned.logEnd;
    const prevSeq = this.#mode.kind === "streaming" ? logSeq(this.#nextSeq - 1) : end.seq;
    if (this.#append(prevSeq, [])) return;
    // The log no longer holds what was sent last, and maybe never arrived: the answer to this tells.
    this.#mode = { kind: "probing" };
    this.#append(end.seq, []);
  }

  /** Whether nothing was sent for a while. */
  isQuietFor(ms: number): boolean {
    return this.#leader.inside.context.nowMs() - this.#sentAtMs >= ms;
  }

  ack(message: AckMessage): void {
    this.#answered(message);
    // A copy that was just put in place answers no Append, and so carries no time of the leader's.
    if (message.round > 0) {
      this.#roundTripMs = Math.max(0, this.#leader.inside.context.nowMs() - message.sentAt);
    }
    this.#diskFreeBytes = message.diskFreeBytes;
    if (message.appliedSeq > this.#appliedSeq) this.#appliedSeq = message.appliedSeq;
    if (message.durableSeq > this.#matchedSeq) this.#matchedSeq = message.durableSeq;
    while (this.#onTheWay[0] !== undefined && this.#onTheWay[0].endSeq <= this.#matchedSeq) {
      this.#bytesOnTheWay -= this.#onTheWay.shift()?.bytes ?? 0;
    }
    if (this.#mode.kind === "probing") this.#streamFrom(logSeq(this.#matchedSeq + 1));
    if (this.#mode.kind === "copying" && this.#matchedSeq >= this.#mode.copy.startSeq) {
      this.#streamFrom(logSeq(this.#matchedSeq + 1));
    }
    this.pump();
  }

  nack(message: NackMessage): void {
    this.#answered(message);
    if (message.round < this.#roundsFrom || this.#isRepeated(message.position)) return;
    if (message.position.appliedSeq > this.#appliedSeq) {
      this.#appliedSeq = message.position.appliedSeq;
    }
    if (this.#mode.kind === "copying") {
      if (this.#mode.copy.isAlive() && !this.#hasCopy(message.position, this.#mode.copy)) return;
      this.#mode = { kind: "probing" };
    }
    this.placed(message.position);
    this.pump();
  }

  end(): void {
    this.copy?.end();
  }

  /** Whether the copy is in its place, though it could not say so. */
  #hasCopy(position: Position, { startSeq }: SnapshotSender): boolean {
    const theirs = { begins: position.epochBegins, endSeq: position.lastSeq };
    const common = commonSeq(this.#leader.inside.durable.history, theirs);
    return common !== undefined && common >= startSeq && position.appliedSeq <= common;
  }

  #answered({ round, memberSentAt }: AckMessage | NackMessage): void {
    this.#answeredAtMs = this.#leader.inside.context.nowMs();
    if (round > this.#answeredRound) this.#answeredRound = round;
    this.#memberSentAt = memberSentAt;
  }

  /** The same complaint twice within a heartbeat: what was sent because of the first has not arrived yet. */
  #isRepeated({ lastSeq }: Position): boolean {
    const { context } = this.#leader.inside;
    const atMs = context.nowMs();
    const last = this.#nacked;
    if (last !== undefined && last.lastSeq === lastSeq) {
      if (atMs - last.atMs < context.parts.settings.heartbeatMs) return true;
    }
    this.#nacked = { lastSeq, atMs };
    return false;
  }

  #streamFrom(seq: LogSeq): void {
    this.copy?.end();
    this.#mode = { kind: "streaming" };
    this.#nextSeq = seq;
    this.#onTheWay = [];
    this.#bytesOnTheWay = 0;
    // Whatever complaint is still on its way was about records that are sent again from here.
    this.#roundsFrom = this.#leader.nextRound();
  }

  /** `appliedSeq`: of the member. */
  #startCopy(appliedSeq: LogSeq): void {
    const { durable } = this.#leader.inside;
    this.copy?.end();
    this.#onTheWay = [];
    this.#bytesOnTheWay = 0;
    // Whether its log went another way must show in the history that comes with the copy: that of what is applied here.
    this.#mode =
      this.#leader.isAnnounced || appliedSeq <= durable.stored.appliedSeq
        ? { kind: "copying", copy: this.#offerCopy(this.id) }
        : { kind: "probing" };
  }

  #sendRecords(): void {
    const { inside } = this.#leader;
    const entries = inside.durable.read(this.#nextSeq, inside.context.parts.settings.sliceBytesMax);
    const last = entries.at(-1);
    if (last === undefined || !this.#append(logSeq(this.#nextSeq - 1), entries)) {
      // The log no longer holds what comes next.
      this.#startCopy(this.#appliedSeq);
      return;
    }
    const bytes = entries.reduce((sum, { record }) => sum + record.length, 0);
    this.#onTheWay.push({ endSeq: last.seq, bytes });
    this.#bytesOnTheWay += bytes;
    this.#nextSeq = logSeq(last.seq + 1);
  }

  #append(prevSeq: LogSeq, entries: readonly LogEntry[]): boolean {
    const { inside, epoch, round } = this.#leader;
    const prev = inside.durable.positionAt(prevSeq);
    if (prev === undefined) return false;
    this.#sentAtMs = inside.context.nowMs();
    inside.context.send(this.id, {
      kind: "append",
      epoch,
      prevSeq,
      prevEpoch: prev.epoch,
      prevChain: prev.chain,
      entries,
      // Before a record of its own epoch is committed, a leader cannot know how far the log is: others may know of more.
      commitSeq: this.#leader.isAnnounced ? this.#leader.commitSeq : logSeq(0),
      leaderTime: this.#leader.leaderTime(),
      sentAt: this.#sentAtMs,
      round,
      memberSentAt: this.#leader.mayAnswer() ? this.#memberSentAt : 0,
    });
    return true;
  }
}
