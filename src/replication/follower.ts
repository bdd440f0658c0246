// The part of every member that listens: it promises epochs, takes records from whoever leads, and says so once they are on its
// disk. It answers by what is stored, never by what is planned (rule E2).

import {
  type Epoch,
  epoch,
  type GroupId,
  type LogSeq,
  logSeq,
  type MemberId,
} from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Inside } from "./inside.js";
import type { AppendMessage, SealedRecord } from "./message.js";
import { type LogRecord, openRecord, standsBehind } from "./record.js";
import { leaderClockMsMax } from "./settings.js";
import { Staleness } from "./staleness.js";

/** What is owed for the last Append, once the promise is on disk. */
interface OwedAnswer {
  readonly kind: "ack" | "nack";
  readonly sentAt: number;
  readonly round: number;
}

/** What time it was for a leader that spoke. */
interface LeaderClock {
  readonly id: MemberId;
  readonly leaderMs: number;
  readonly atMs: number;
}

export class Follower {
  readonly #inside: Inside;
  readonly #staleness: Staleness;
  /** The epoch whose leader is followed, and who that is, once it has spoken. */
  #epoch = epoch(0);
  #leader: MemberId | undefined;
  /** Who holds that epoch: the first who said so. */
  #holder: MemberId | undefined;
  /** Up to here this log is that leader's log; some of it may still be on its way to the disk. */
  #agreedSeq = logSeq(0);
  #commitSeq = logSeq(0);
  #heardAtMs: number | undefined;
  #leaderClock: LeaderClock | undefined;
  #owed: OwedAnswer | undefined;
  /** Who asked for the promise of that epoch and has no answer yet. */
  #owedPromise: MemberId | undefined;

  constructor(inside: Inside) {
    this.#inside = inside;
    this.#staleness = new Staleness(inside.context);
  }

  get leader(): MemberId | undefined {
    return this.#leader;
  }

  /** False if another one holds this epoch: a coordinator that forgot epochs has minted it twice. */
  isHeldBy(member: MemberId, of: Epoch): boolean {
    return of !== this.#epoch || this.#holder === undefined || this.#holder === member;
  }

  get commitSeq(): LogSeq {
    return this.#commitSeq;
  }

  get stalenessMs(): number | undefined {
    return this.#staleness.boundMs();
  }

  /** The last leader's time less this member's, as far as elapsed time tells; undefined when that was too long ago. */
  leaderClockOffset(): { readonly id: MemberId; readonly offsetMs: number } | undefined {
    const { context } = this.#inside;
    const clock = this.#leaderClock;
    if (clock === undefined) return undefined;
    const elapsedMs = context.nowMs() - clock.atMs;
    if (elapsedMs > leaderClockMsMax) return undefined;
    return { id: clock.id, offsetMs: clock.leaderMs + elapsedMs - context.wallMs() };
  }

  /** Whether the leader spoke within the time. */
  hasHeardWithin(ms: number): boolean {
    return this.#heardAtMs !== undefined && this.#inside.context.nowMs() - this.#heardAtMs <= ms;
  }

  /** Another epoch is followed: what was owed to the last one is not. */
  turnTo(of: Epoch, holder: MemberId): void {
    if (of === this.#epoch) {
      this.#holder = holder;
      return;
    }
    this.#epoch = of;
    this.#holder = holder;
    this.#leader = undefined;
    this.#agreedSeq = logSeq(0);
    this.#owed = undefined;
    this.#owedPromise = undefined;
  }

  hello(from: MemberId): void {
    this.#owedPromise = from;
    this.stored();
  }

  /** Records from the leader. `isTakingCopy`: the log is about to be replaced, so none of them can be used. */
  append(from: MemberId, message: AppendMessage, isTakingCopy: boolean): void {
    this.#leader = from;
    this.#heardAtMs = this.#inside.context.nowMs();
    this.#leaderClock = { id: from, leaderMs: message.leaderTime, atMs: this.#heardAtMs };
    const fits = !isTakingCopy && !this.#isCopyTorn(message) && this.#take(message);
    this.#owed = { kind: fits ? "ack" : "nack", sentAt: message.sentAt, round: message.round };
    if (fits) this.#learnCommit(message);
    this.#staleness.heard(message.memberSentAt, message.commitSeq);
    // A heartbeat is answered at once: a slow disk is no silent member. New records are answered when they are stored.
    const hasNew = this.#agreedSeq > this.#inside.durable.durableSeq;
    if (message.entries.length === 0 || !fits || !hasNew) this.stored();
  }

  /** The leader's copy is in place: the log begins where the copy began, and there it agrees. */
  copied(startSeq: LogSeq): void {
    this.#agreedSeq = startSeq;
    // What an earlier leader confirmed alone, and lost, is not committed any more.
    this.#commitSeq = startSeq;
    this.#owed = { kind: "ack", sentAt: this.#inside.context.nowMs(), round: 0 };
    this.stored();
  }

  /** Gives what is owed, as far as what is on disk allows. */
  stored(): void {
    const { durable } = this.#inside;
    this.#staleness.applied(durable.stored.appliedSeq);
    const { rules } = this.#inside.context;
    if (!rules.mayAnswer(this.#epoch, durable.stored.promisedEpoch)) return;
    this.#answerHello();
    if (this.#leader === undefined) return;
    if (this.#owed?.kind === "nack") this.#nack(this.#leader, this.#owed);
    else this.#ack(this.#leader);
  }

  #answerHello(): void {
    const to = this.#owedPromise;
    if (to === undefined) return;
    this.#owedPromise = undefined;
    this.#inside.context.send(to, {
      kind: "hello_ack",
      epoch: this.#epoch,
      position: this.#inside.position(),
    });
  }

  #nack(to: MemberId, { round }: OwedAnswer): void {
    this.#owed = undefined;
    this.#inside.context.send(to, {
      kind: "nack",
      epoch: this.#epoch,
      position: this.#inside.position(),
      round,
      memberSentAt: this.#staleness.sendingMs(),
    });
  }

  #ack(to: MemberId): void {
    const { durable, context } = this.#inside;
    const durableSeq = context.rules.confirmedSeq(this.#agreedSeq, durable.durableSeq);
    if (this.#owed === undefined) return;
    const { sentAt, round } = this.#owed;
    // Owed until all that agrees is on disk, and sent again whenever more of it is.
    if (durableSeq >= this.#agreedSeq) this.#owed = undefined;
    context.send(to, {
      kind: "ack",
      epoch: this.#epoch,
      durableSeq,
      appliedSeq: durable.stored.appliedSeq,
      sentAt,
      round,
      diskFreeBytes: context.parts.disk.freeBytes(),
      wallMs: context.wallMs(),
      memberSentAt: this.#staleness.sendingMs(),
    });
  }

  /** Whether this leader's log may lack what shows in a copy that another one gave. */
  #isCopyTorn({ epoch: of, prevSeq }: AppendMessage): boolean {
    return this.#inside.isCopyTorn(of) && prevSeq < this.#inside.durable.planned.wholeFrom;
  }

  /** Puts what is new of a message behind the log. False when it does not fit there. */
  #take(message: AppendMessage): boolean {
    if (!this.#hasPlace(message)) return false;
    let seq = message.prevSeq;
    for (const sealed of message.entries) {
      const next = logSeq(seq + 1);
      if (!this.#takeOne(next, sealed, message.epoch)) return false;
      seq = next;
    }
    if (seq > this.#agreedSeq) this.#agreedSeq = seq;
    return true;
  }

  /** Whether this log has the record that the message's records stand behind. */
  #hasPlace({ prevSeq, prevEpoch, prevChain }: AppendMessage): boolean {
    const own = this.#inside.durable.positionAt(prevSeq);
    if (own === undefined || own.epoch !== prevEpoch) return false;
    if (own.chain.equals(prevChain)) return true;
    this.#inside.quarantine(
      `Its record ${prevSeq} is of epoch ${prevEpoch} as the leader's is, but another one: one of the two is corrupt.`,
    );
    return false;
  }

  #takeOne(seq: LogSeq, sealed: SealedRecord, leaderEpoch: Epoch): boolean {
    const { durable, context } = this.#inside;
    const own = durable.positionAt(seq);
    if (own?.chain.equals(sealed.chain)) return true;
    const record = openArrived(sealed, durable.planned.groupId);
    if (record === undefined || record.entry.seq !== seq) return false;
    if (record.entry.epoch > leaderEpoch) return false;
    if (own !== undefined && !this.#cutFor(record, own.epoch)) return false;
    if (!standsBehind(record, durable.planned.logEnd)) return false;
    if (!context.rules.mayFollow(record.entry.epoch, durable.planned.logEnd.epoch)) return false;
    durable.append(record);
    return true;
  }

  /** Rule E6: makes room for a record where another one stands. */
  #cutFor({ entry }: LogRecord, ownEpoch: Epoch): boolean {
    const { durable, context } = this.#inside;
    const keep = logSeq(entry.seq - 1);
    if (ownEpoch === entry.epoch) {
      this.#inside.quarantine(`Two records of epoch ${entry.epoch} stand at ${entry.seq}.`);
      return false;
    }
    if (context.rules.mayTruncate(keep, durable.shownSeq)) {
      durable.truncate(keep);
      return true;
    }
    // Applied without a majority: the leader sees it in the answer and offers a copy of its state.
    if (durable.planned.configuration.acks === "async") return false;
    this.#inside.quarantine(
      `The leader has another record at ${entry.seq}, which is applied here (up to ${durable.shownSeq}).`,
    );
    return false;
  }

  #learnCommit({ commitSeq }: AppendMessage): void {
    const known = logSeq(Math.min(commitSeq, this.#agreedSeq));
    if (known <= this.#commitSeq) return;
    this.#commitSeq = known;
    this.#inside.durable.applyThrough(known);
  }
}

/** A record from another member that is spoilt is as good as lost; only one of this member's own disk is corruption here. */
function openArrived(sealed: SealedRecord, group: GroupId): LogRecord | undefined {
  try {
    return openRecord(sealed, group);
  } catch (error) {
    if (error instanceof RecordCorrupt) return undefined;
    throw error;
  }
}
