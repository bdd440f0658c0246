// Watches a simulated group from the outside and ends the run when it breaks a promise. It sees what is on disks, what is sent
// and what clients are told, and believes none of it: what is committed is what enough disks held when somebody first said so.
//
//   I1  at most one record is ever committed at a place, and one leader writes one record at a place of its epoch
//   I2  what was acknowledged is in the log of every later leader
//   I3  states hold committed records only, in order, without gaps
//   I4  promise, applied place and log end of a disk never go back (save the cut of what is not applied)
//   I5  nothing is told before enough disks have it
//   reads, leases, whenDurable, staleness: see judge-reads.ts

import type { LogEntry, MemberState } from "../../src/store/replica-disk.js";
import {
  acksNeeded,
  type CommittedLog,
  type CommittedRecord,
  decodeRecord,
  type Membership,
  majorityOf,
  membershipIn,
  verifyEntry,
} from "./committed-log.js";
import type { DiskImage, DiskWrite } from "./disk-image.js";
import { type Trace, Violation } from "./trace.js";

/** What the judge can look up of the world. */
export interface JudgedWorld {
  /** What is safely on the disk of a member; undefined when there is no such disk any more. */
  flushedOf(memberId: string): DiskImage | undefined;
  /** What its disk held before somebody wiped it or put an older copy there: it had confirmed that, and meant it. */
  forgottenOf(memberId: string): readonly DiskImage[];
  /** Whether the coordinator ever minted an epoch for a member. */
  wasMintedFor(memberId: string, epoch: number): boolean;
  /** The last epoch up to `through` that was minted for a member; 0 when none was. */
  lastEpochOf(memberId: string, through: number): number;
  /** Stored before its record is in any log, and counted with from then on. */
  membershipInCoordinator(): Membership;
}

export interface Claim {
  /** A short name, for people. */
  readonly by: string;
  readonly memberId: string;
  /** The epoch in which the one who says so leads. */
  readonly epoch: number;
  readonly seq: number;
}

export class Judge {
  readonly committed: CommittedLog;
  readonly #world: JudgedWorld;
  readonly #trace: Trace;
  /** The chain hash of every record ever written, by epoch and place. */
  readonly #written = new Map<string, Buffer>();
  readonly #leaders = new Map<number, string>();
  #lostCount = 0;

  constructor(world: JudgedWorld, committed: CommittedLog, trace: Trace) {
    this.#world = world;
    this.committed = committed;
    this.#trace = trace;
  }

  /** Records that the `async` mode lost. */
  get lostCount(): number {
    return this.#lostCount;
  }

  get leaderEpochs(): readonly number[] {
    return [...this.#leaders.keys()];
  }

  /** A write was flushed on a member's disk. */
  written(
    who: { name: string; memberId: string },
    before: MemberState | undefined,
    write: DiskWrite,
  ) {
    const image = this.#world.flushedOf(who.memberId);
    const after = image?.member;
    if (image === undefined || after === undefined) return;
    if (write.kind !== "batch" && write.kind !== "finish_copy") return;
    if (before !== undefined) this.#neverBack(who.name, before, after, write);
    if (write.kind === "batch") {
      for (const entry of write.batch.append ?? []) this.#entryWritten(who.name, image, entry);
      if (write.batch.truncateAbove !== undefined && before !== undefined) {
        const { truncateAbove } = write.batch;
        this.#require(
          truncateAbove >= before.appliedSeq,
          "E6",
          () =>
            `${who.name} cut its log above ${truncateAbove}, and had applied ${before.appliedSeq}`,
        );
      }
    }
    this.#consistent(who.name, image, after);
    if (before === undefined || after.appliedSeq !== before.appliedSeq || write.kind !== "batch") {
      this.#applied(who, image, after);
    }
  }

  /** Somebody holds records up to `seq` for committed: it told a client, or another member, or applied them. */
  claimed(claim: Claim): void {
    const image = this.#world.flushedOf(claim.memberId);
    if (image === undefined) return;
    if (this.#hasLost(image)) {
      this.#lostCount += 1;
      return;
    }
    if (claim.seq > this.committed.endSeq) this.#commit(claim);
    const own = image.chainAt(claim.seq);
    const known = this.committed.chainAt(claim.seq);
    if (own === undefined || known === undefined || own.equals(known)) return;
    this.#fork(claim.by, image);
    if (claim.seq > this.committed.endSeq) this.#commit(claim);
  }

  becameLeader(name: string, memberId: string, epoch: number): void {
    const other = this.#leaders.get(epoch);
    this.#require(
      other === undefined || other === memberId,
      "E1",
      () => `${name} leads in epoch ${epoch}, and so did another member`,
    );
    this.#leaders.set(epoch, memberId);
    this.#require(
      this.#world.wasMintedFor(memberId, epoch),
      "E1",
      () => `${name} leads in epoch ${epoch}, which was not minted for it`,
    );
    const image = this.#world.flushedOf(memberId);
    const state = image?.member;
    if (image === undefined || state === undefined)
      throw new Violation("I2", `${name} leads without a disk`);
    // One who stood still may begin to lead when a later epoch has long begun: what that one committed it need not have.
    const requiredSeq = this.committed.lastSeqThrough(epoch);
    const own = image.chainAt(requiredSeq);
    const known = this.committed.chainAt(requiredSeq);
    if (own === undefined || known === undefined || !own.equals(known)) this.#fork(name, image);
    const applied = image.entryAt(state.appliedSeq);
    this.#require(
      applied?.epoch === epoch,
      "2.8",
      () => `${name} leads in epoch ${epoch} and has applied only records of ${applied?.epoch}`,
    );
    this.#require(
      state.appliedSeq >= state.wholeFrom,
      "2.8",
      () => `${name} leads with half a copy`,
    );
  }

  /** A promise was told: it must be on disk. */
  promised(name: string, memberId: string, epoch: number): void {
    const onDisk = this.#world.flushedOf(memberId)?.member?.promisedEpoch ?? 0;
    this.#require(
      onDisk >= epoch,
      "E2",
      () => `${name} answers in epoch ${epoch}, and its disk says ${onDisk}`,
    );
  }

  /** A member told its leader how much it has: it must be on disk. */
  confirmed(name: string, memberId: string, seq: number): void {
    const onDisk = this.#world.flushedOf(memberId)?.member?.logEnd.seq ?? 0;
    this.#require(
      onDisk >= seq,
      "I5",
      () => `${name} confirms ${seq}, and its disk ends at ${onDisk}`,
    );
  }

  /** How many voters have a record on disk. */
  durableCount(membership: Membership, seq: number, chain: Buffer): number {
    return membership.voters.filter((voter) => this.#has(voter, seq, chain)).length;
  }

  #has(memberId: string, seq: number, chain: Buffer): boolean {
    const present = this.#world.flushedOf(memberId);
    const images = present === undefined ? [] : [present];
    return [...images, ...this.#world.forgottenOf(memberId)].some((image) => {
      if (image.member === undefined) return false;
      return image.member.logBase.seq > seq || (image.chainAt(seq)?.equals(chain) ?? false);
    });
  }

  /** Records beyond what was known as committed: enough disks must have them at this moment. */
  #commit({ by, memberId, epoch, seq }: Claim): void {
    const holder = this.#holderOf(epoch, seq, memberId);
    const entry = holder?.entryAt(seq);
    if (holder === undefined || entry === undefined) {
      throw new Violation(
        "E5",
        `${by} holds ${seq} for committed in epoch ${epoch}, and no disk has it`,
      );
    }
    const known = this.committed.chainAt(this.committed.endSeq);
    const below = holder.chainAt(this.committed.endSeq);
    if (below !== undefined && known !== undefined && !below.equals(known)) this.#fork(by, holder);
    const pending: LogEntry[] = [];
    for (let each = this.committed.endSeq + 1; each <= seq; each += 1) {
      const at = holder.entryAt(each);
      if (at === undefined) throw new Violation("E5", `${by} commits ${each}, which is nowhere`);
      pending.push(at);
    }
    const inForce = this.#membershipsFor(pending, holder);
    const { needed, have } = this.#bestCount(inForce, seq, entry.chain);
    this.#require(
      have >= needed,
      "I5",
      () => `${by} holds ${epoch}/${seq} for committed: on ${have} disks, ${needed} needed`,
    );
    const atSeq = inForce[0] as Membership;
    const isSafe =
      this.durableCount(atSeq, seq, entry.chain) >= majorityOf(atSeq.voters.length) &&
      atSeq.acks !== "async";
    for (const each of pending) this.committed.push(each, isSafe);
    this.#trace.note(() => `    committed up to ${epoch}/${seq}`);
  }

  /** A disk with the record of that very epoch: an older record never counts by itself. */
  #holderOf(epoch: number, seq: number, leaderId: string): DiskImage | undefined {
    const { voters, learners } = this.committed.membershipAt(this.committed.endSeq);
    for (const id of [leaderId, ...voters, ...learners]) {
      const image = this.#world.flushedOf(id);
      if (image?.entryAt(seq)?.epoch === epoch) return image;
    }
    return undefined;
  }

  /** The membership at the record, and later ones that its leader may already count with. */
  #membershipsFor(pending: readonly LogEntry[], holder: DiskImage): readonly Membership[] {
    let membership = this.committed.membershipAt(this.committed.endSeq);
    for (const entry of pending) membership = membershipIn(decodeRecord(entry)) ?? membership;
    const memberships = [membership];
    for (let seq = (pending.at(-1)?.seq ?? 0) + 1; ; seq += 1) {
      const entry = holder.entryAt(seq);
      if (entry === undefined) break;
      const stated = membershipIn(decodeRecord(entry));
      if (stated !== undefined) memberships.push(stated);
    }
    const latest = memberships.at(-1) ?? membership;
    const stored = this.#world.membershipInCoordinator();
    return stored.version === latest.version + 1 ? [...memberships, stored] : memberships;
  }

  #bestCount(memberships: readonly Membership[], seq: number, chain: Buffer) {
    const counts = memberships.map((membership) => ({
      needed: acksNeeded(membership),
      have: this.durableCount(membership, seq, chain),
    }));
    return (
      counts.find(({ needed, have }) => have >= needed) ??
      (counts[0] as { needed: number; have: number })
    );
  }

  /** A member that holds what `async` mode lost, and has not heard of it: what came later is what counts. */
  #hasLost(image: DiskImage): boolean {
    if (this.committed.membershipAt(this.committed.endSeq).acks !== "async") return false;
    const seq = this.#commonWith(image) + 1;
    const own = image.entryAt(seq)?.epoch ?? 0;
    return own < (this.committed.at(seq)?.epoch ?? 0);
  }

  /** Up to where a log is the committed one. */
  #commonWith(image: DiskImage): number {
    const isShared = (seq: number): boolean => {
      const own = image.chainAt(seq);
      return own !== undefined && (this.committed.chainAt(seq)?.equals(own) ?? false);
    };
    let common = this.committed.endSeq;
    while (common > this.committed.base.seq && !isShared(common)) common -= 1;
    return common;
  }

  /** A log lacks or contradicts what was committed: allowed of what `async` may lose, and only of that. */
  #fork(name: string, image: DiskImage): void {
    const common = this.#commonWith(image);
    const missing: CommittedRecord[] = [];
    for (let seq = common + 1; seq <= this.committed.endSeq; seq += 1) {
      missing.push(this.committed.at(seq) as CommittedRecord);
    }
    const safe = missing.find(({ isSafe }) => isSafe);
    if (safe !== undefined) {
      const own = image.entryAt(safe.seq);
      const what = own === undefined ? "lacks it" : `has one of epoch ${own.epoch} there`;
      throw new Violation(
        own === undefined ? "I2" : "I1",
        `${safe.epoch}/${safe.seq} is committed, and ${name} ${what}`,
      );
    }
    this.#lostCount += missing.length;
    this.committed.truncateTo(common);
    this.#trace.note(() => `    lost: all above ${common}`);
  }

  #applied(who: { name: string; memberId: string }, image: DiskImage, after: MemberState): void {
    const { appliedSeq } = after;
    const { name, memberId } = who;
    // A leader may be the first to show what it committed, in the epoch it led before the last promise.
    const epoch = this.#world.lastEpochOf(memberId, after.promisedEpoch);
    this.claimed({ by: name, memberId, epoch, seq: appliedSeq });
    if (appliedSeq < after.wholeFrom || this.#hasLost(image)) return;
    const expected = this.committed.stateHashAt(appliedSeq);
    this.#require(
      expected === undefined || image.rows.hash === expected,
      "I3",
      () => `the state of ${name} at ${appliedSeq} is not what the committed records make`,
    );
  }

  #neverBack(name: string, before: MemberState, after: MemberState, write: DiskWrite): void {
    const require = (isSo: boolean, what: () => string): void =>
      this.#require(isSo, "I4", () => `on the disk of ${name} ${what()}`);
    require(after.memberId === before.memberId, () => "the member became another one");
    require(after.promisedEpoch >= before.promisedEpoch, () =>
      `the promise went from ${before.promisedEpoch} to ${after.promisedEpoch}`);
    // A member that applied what `async` mode lost takes a copy of an earlier state.
    const mayLose = write.kind === "finish_copy" && this.#lostCount > 0;
    require(after.appliedSeq >= before.appliedSeq || mayLose, () =>
      `the applied place went from ${before.appliedSeq} to ${after.appliedSeq}`);
    require(after.logBase.seq >= before.logBase.seq || mayLose, () =>
      "the log begins earlier than before");
    if (write.kind === "batch" && write.batch.truncateAbove === undefined) {
      require(after.logEnd.seq >= before.logEnd.seq, () =>
        `the log end went from ${before.logEnd.seq} to ${after.logEnd.seq}`);
    }
  }

  #entryWritten(name: string, image: DiskImage, entry: LogEntry): void {
    if (image.member !== undefined && image.member.logBase.seq >= entry.seq) return;
    const previous = image.chainAt(entry.seq - 1);
    this.#require(
      previous !== undefined,
      "I3",
      () => `the log of ${name} has a gap before ${entry.seq}`,
    );
    if (previous !== undefined) verifyEntry(entry, previous);
    const key = `${entry.epoch}/${entry.seq}`;
    const known = this.#written.get(key);
    if (known === undefined) this.#written.set(key, entry.chain);
    this.#require(
      known === undefined || known.equals(entry.chain),
      "I1",
      () => `there are two records ${key}`,
    );
  }

  /** What a member says of its log is what is in it. */
  #consistent(name: string, image: DiskImage, after: MemberState): void {
    const last = image.lastEntry();
    const end = last ?? after.logBase;
    const isSame =
      end.seq === after.logEnd.seq &&
      end.epoch === after.logEnd.epoch &&
      end.chain.equals(after.logEnd.chain);
    this.#require(
      isSame,
      "I4",
      () =>
        `the log of ${name} ends at ${end.epoch}/${end.seq}, not at ${after.logEnd.epoch}/${after.logEnd.seq}`,
    );
    const first = last === undefined ? undefined : last.seq - image.entryCount + 1;
    this.#require(
      first === undefined || first === after.logBase.seq + 1,
      "I3",
      () => `the log of ${name} begins at ${first}, not after ${after.logBase.seq}`,
    );
    this.#require(
      after.logBase.seq <= after.appliedSeq,
      "I3",
      () => `${name} trimmed what it has not applied`,
    );
    this.#require(
      after.appliedSeq <= after.logEnd.seq,
      "I3",
      () => `${name} applied beyond its log`,
    );
    const begin = after.epochBegins.findLast(({ firstSeq }) => firstSeq <= end.seq);
    this.#require(
      last === undefined || begin?.epoch === last.epoch,
      "2.6",
      () => `the epochs of ${name} end with ${begin?.epoch}, its log with ${last?.epoch}`,
    );
  }

  #require(isSo: boolean, rule: string, what: () => string): void {
    if (!isSo) throw new Violation(rule, what());
  }
}
