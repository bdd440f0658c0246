// Leads one epoch: writes its records, streams them to every member, and counts who has them on disk.
//
// Begins as a candidate that has its promises: the first record of the epoch carries the configuration, and once it is committed,
// so is all before it (rule E5). Only then, and when all that is applied, the rest of the node hears of a leader.

import { assert } from "../base/assert.js";
import {
  type Epoch,
  type EpochMs,
  epochMs,
  type LogSeq,
  logSeq,
  type MemberId,
} from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import { LeadershipLost } from "../base/leadership-lost.js";
import type { StateChange } from "../store/replica-disk.js";
import { type Inside, votersOf } from "./inside.js";
import { LagSamples } from "./lag-samples.js";
import { LeaderWaiters } from "./leader-waiters.js";
import { type LeaderSide, MemberStream } from "./member-stream.js";
import type { AckMessage, AskSliceMessage, NackMessage, Position } from "./message.js";
import { PendingRecords } from "./pending-records.js";
import type { AppendProgress, Leadership } from "./ports.js";
import { makeRecord, type RecordPurpose } from "./record.js";
import { SnapshotSender } from "./snapshot-sender.js";

export class Leader implements Leadership, LeaderSide {
  readonly inside: Inside;
  readonly epoch: Epoch;
  readonly #streams = new Map<MemberId, MemberStream>();
  readonly #pending: PendingRecords;
  readonly #waiters: LeaderWaiters;
  readonly lag: LagSamples;
  #firstSeq = logSeq(0);
  #commitSeq: LogSeq;
  #round = 1;
  #snapshotId: number;
  #isAnnounced = false;
  #isOver = false;
  /** Takes no more records: another is about to lead. */
  #isClosing = false;
  /** Answers nothing on its own any more: another may lead by now. */
  #isYielded = false;
  #tick: Timer | undefined;

  constructor(inside: Inside, epoch: Epoch) {
    this.inside = inside;
    this.epoch = epoch;
    this.#commitSeq = inside.durable.stored.appliedSeq;
    this.#pending = new PendingRecords(inside.context);
    this.#waiters = new LeaderWaiters(inside.context);
    this.lag = new LagSamples(inside.context);
    this.#snapshotId = Math.floor(inside.context.parts.random() * 2 ** 48);
  }

  /** The first record of the epoch. */
  get firstSeq(): LogSeq {
    return this.#firstSeq;
  }

  get commitSeq(): LogSeq {
    return this.#commitSeq;
  }

  get round(): number {
    return this.#round;
  }

  get isAnnounced(): boolean {
    return this.#isAnnounced;
  }

  get streams(): ReadonlyMap<MemberId, MemberStream> {
    return this.#streams;
  }

  /** Everything this leader ever took is committed. */
  get isSettled(): boolean {
    return this.#commitSeq >= this.inside.durable.planned.logEnd.seq;
  }

  /** Writes the first record. `positions`: where those stand who gave their promise. */
  begin(positions: ReadonlyMap<MemberId, Position>): void {
    const configuration = this.inside.configuration();
    this.#firstSeq = this.#write({ kind: "epoch_start", configuration }, [], this.#lastTime);
    this.#openStreams();
    for (const [id, position] of positions) this.#streams.get(id)?.placed(position);
    this.#pumpAll();
    this.#beat();
  }

  nextRound(): number {
    this.#round += 1;
    return this.#round;
  }

  leaderTime(): EpochMs {
    return epochMs(Math.max(this.inside.durable.planned.leaderTime, this.inside.context.wallMs()));
  }

  append(changes: readonly StateChange[], leaderTime: EpochMs, progress: AppendProgress): LogSeq {
    if (this.#isClosing || this.#isOver || !this.#holdsLease()) {
      throw new LeadershipLost(`This node does not lead epoch ${this.epoch} any more.`);
    }
    let seq = logSeq(0);
    this.inside.context.guarded(() => {
      const notBefore = this.inside.durable.planned.leaderTime;
      seq = this.#write({ kind: "batch" }, changes, epochMs(Math.max(notBefore, leaderTime)));
      this.#pending.add(seq, progress);
    });
    return seq;
  }

  /** A new configuration that the coordinator has stored. */
  appendConfiguration(
    configuration: Extract<RecordPurpose, { kind: "config" }>["configuration"],
  ): LogSeq {
    const seq = this.#write({ kind: "config", configuration }, [], this.#lastTime);
    this.#openStreams();
    return seq;
  }

  mayAnswer(): boolean {
    if (this.#isOver || this.#isYielded || !this.#isAnnounced) return false;
    return this.#holdsLease() && this.inside.context.parts.coordinator.isLeaseProven();
  }

  confirm(done: (isConfirmed: boolean) => void): void {
    this.inside.context.guarded(() => {
      if (this.#isOver) {
        this.inside.context.tell(() => done(false));
        return;
      }
      this.#waiters.addRound({ round: this.nextRound(), done });
      for (const stream of this.#streams.values()) stream.heartbeat();
      this.#settleRounds();
    });
  }

  whenDurable(seq: LogSeq, count: number, done: (isDurable: boolean) => void): void {
    this.inside.context.guarded(() => {
      this.#waiters.addDurable({ seq, count, done });
      if (this.#isOver) this.#waiters.end();
      else this.#settleDurable();
    });
  }

  durableCount(seq: LogSeq): number {
    return this.#voterSeqs().filter((durable) => durable >= seq).length;
  }

  ack(from: MemberId, message: AckMessage): void {
    const stream = this.#streams.get(from);
    if (stream === undefined) return;
    stream.ack(message);
    this.#advance();
    this.#settleRounds();
  }

  nack(from: MemberId, message: NackMessage): void {
    this.#streams.get(from)?.nack(message);
    this.#settleRounds();
  }

  askSlice(from: MemberId, message: AskSliceMessage): void {
    this.#streams.get(from)?.copy?.ask(message);
  }

  /** Something became durable here. */
  stored(): void {
    for (const { copy } of this.#streams.values()) copy?.stored();
    this.#advance();
    this.#announce();
  }

  networkReady(to: MemberId): void {
    const stream = this.#streams.get(to);
    if (stream !== undefined) this.#talkTo(stream);
  }

  /** Takes no more records. */
  close(): void {
    this.#isClosing = true;
  }

  reopen(): void {
    assert(!this.#isYielded, "a leader that let another take over never resumes");
    this.#isClosing = false;
  }

  /** From now on another may take over at any moment. */
  yieldTo(): void {
    this.#isClosing = true;
    this.#isYielded = true;
  }

  /** The log is needed from after this place by who is being given a copy, and by the slowest voter. */
  neededFrom(): { readonly copies: LogSeq | undefined; readonly voters: LogSeq } {
    const copies = [...this.#streams.values()].flatMap(({ copy }) =>
      copy === undefined ? [] : [copy.startSeq],
    );
    const voters = votersOf(this.inside.durable.planned.configuration).map(({ id }) =>
      this.#seqOf(id),
    );
    return {
      copies: copies.length === 0 ? undefined : logSeq(Math.min(...copies)),
      voters: logSeq(Math.min(...voters, this.inside.durable.durableSeq)),
    };
  }

  /** The voter whose log is furthest, and which answers. */
  mostAdvancedVoter(): MemberId | undefined {
    const { voterSilenceMsMax } = this.inside.context.parts.settings;
    const voters = votersOf(this.inside.durable.planned.configuration)
      .map(({ id }) => this.#streams.get(id))
      .filter((stream) => stream?.hasAnsweredWithin(voterSilenceMsMax) === true);
    return voters.sort((a, b) => (b?.matchedSeq ?? 0) - (a?.matchedSeq ?? 0))[0]?.id;
  }

  end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tick?.cancel();
    for (const stream of this.#streams.values()) stream.end();
    this.inside.durable.applyOnlyThrough(this.#commitSeq);
    this.#pending.fail(new LeadershipLost(why));
    this.#waiters.end();
  }

  /**
   * Of records that no call made. They must not bring this node's wall clock into the log, which somebody may have set: the group's
   * time goes on from the latest that stands there.
   */
  get #lastTime(): EpochMs {
    return this.inside.durable.planned.leaderTime;
  }

  #write(purpose: RecordPurpose, changes: readonly StateChange[], leaderTime: EpochMs): LogSeq {
    const { durable, context } = this.inside;
    const { logEnd, groupId, promisedEpoch, configuration } = durable.planned;
    assert(context.rules.mayAppend(this.epoch, promisedEpoch), "E3: a leader writes its own epoch");
    const configVersion =
      purpose.kind === "batch" ? configuration.version : purpose.configuration.version;
    const { epoch } = this;
    const record = makeRecord(logEnd, {
      groupId,
      epoch,
      leaderTime,
      configVersion,
      purpose,
      changes,
    });
    durable.append(record);
    // Where this disk alone counts, what is on it is committed: the batch that stores the record may apply it.
    if (this.#acksNeeded() === 1 && context.rules.countsByItself(epoch, this.epoch)) {
      durable.applyThrough(record.entry.seq);
    }
    this.#pumpAll();
    return record.entry.seq;
  }

  #openStreams(): void {
    const ids = new Set(this.inside.durable.planned.configuration.members.map(({ id }) => id));
    for (const [id, stream] of this.#streams) {
      if (ids.has(id)) continue;
      stream.end();
      this.#streams.delete(id);
    }
    for (const id of ids) {
      if (id === this.inside.context.id || this.#streams.has(id)) continue;
      this.#streams.set(id, new MemberStream(id, this, (to) => this.#offerCopy(to)));
    }
  }

  #offerCopy(to: MemberId): SnapshotSender {
    this.#snapshotId += 1;
    return new SnapshotSender(this.inside, to, this.epoch, this.#snapshotId);
  }

  #pumpAll(): void {
    for (const stream of this.#streams.values()) stream.pump();
  }

  /** Every heartbeat: is this still the leader, and do all still hear it? */
  #beat(): void {
    const { context } = this.inside;
    const { heartbeatMs } = context.parts.settings;
    const why = this.#whyNot();
    if (why !== undefined) {
      this.inside.resign(why, this.mostAdvancedVoter());
      return;
    }
    this.lag.note(this.inside.durable.planned.logEnd.seq);
    this.nextRound();
    for (const stream of this.#streams.values()) this.#talkTo(stream);
    this.#tick = context.timer(heartbeatMs, () => this.#beat());
  }

  /** Sends what there is, or a heartbeat if that was nothing for a while. */
  #talkTo(stream: MemberStream): void {
    stream.pump();
    if (stream.isQuietFor(this.inside.context.parts.settings.heartbeatMs / 2)) stream.heartbeat();
  }

  /** Why this leader must not go on; undefined while it may. */
  #whyNot(): string | undefined {
    if (!this.#holdsLease()) return "its lease ran out";
    const { context, durable } = this.inside;
    const { voterSilenceMsMax } = context.parts.settings;
    const voters = votersOf(this.inside.durable.planned.configuration);
    const answering = voters.filter(
      ({ id }) =>
        id === context.id || this.#streams.get(id)?.hasAnsweredWithin(voterSilenceMsMax) === true,
    );
    if (answering.length < context.rules.promisesNeeded(voters.length)) {
      return "a majority of voters does not answer";
    }
    const fullForMs = context.nowMs() - (durable.fullSinceMs ?? context.nowMs());
    if (fullForMs > voterSilenceMsMax && voters.length > 1) return "its disk is full";
    return undefined;
  }

  #holdsLease(): boolean {
    const { context } = this.inside;
    return context.nowMs() < context.parts.coordinator.leaseDeadlineMs();
  }

  #seqOf(id: MemberId): LogSeq {
    if (id === this.inside.context.id) return this.inside.durable.durableSeq;
    return this.#streams.get(id)?.matchedSeq ?? logSeq(0);
  }

  /** What every voter has on disk, the furthest first. */
  #voterSeqs(): LogSeq[] {
    return votersOf(this.inside.durable.planned.configuration)
      .map(({ id }) => this.#seqOf(id))
      .sort((a, b) => b - a);
  }

  #acksNeeded(): number {
    const configuration = this.inside.durable.planned.configuration;
    const voterCount = votersOf(configuration).length;
    return this.inside.context.rules.acksNeeded(configuration.acks, voterCount);
  }

  /** Rule E5: commits what enough voters have. */
  #advance(): void {
    if (this.#isOver) return;
    const { durable, context } = this.inside;
    const seq = this.#voterSeqs()[this.#acksNeeded() - 1];
    if (seq !== undefined && seq > this.#commitSeq) {
      const recordEpoch = durable.epochAt(seq);
      if (recordEpoch !== undefined && context.rules.countsByItself(recordEpoch, this.epoch)) {
        this.#commitSeq = seq;
        durable.applyThrough(seq);
        this.inside.committed(seq);
      }
    }
    this.#pending.advance({
      durableSeq: durable.durableSeq,
      commitSeq: this.#commitSeq,
      appliedSeq: durable.stored.appliedSeq,
    });
    this.#settleDurable();
  }

  #announce(): void {
    if (this.#isAnnounced || this.#isOver) return;
    const { appliedSeq } = this.inside.durable.stored;
    if (this.#commitSeq < this.#firstSeq || appliedSeq < this.#firstSeq) return;
    this.#isAnnounced = true;
    this.inside.leads(this.epoch);
  }

  #settleDurable(): void {
    this.#waiters.settleDurable((seq) => this.durableCount(seq));
  }

  #settleRounds(): void {
    this.#waiters.settleRounds((round) => {
      const voters = votersOf(this.inside.durable.planned.configuration);
      const answered = voters.filter(
        ({ id }) =>
          id === this.inside.context.id || (this.#streams.get(id)?.answeredRound ?? -1) >= round,
      );
      return answered.length >= this.inside.context.rules.promisesNeeded(voters.length);
    });
  }
}
