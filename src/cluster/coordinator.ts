// The coordinator over etcd: epochs, the lease of whoever holds one, and the group's configuration.
//
// An epoch is minted by one transaction and no other (rule E1): if nobody holds one and the last is the one expected, the caller
// does, under a lease granted before. What etcd says is read anew whenever it may have changed: a watch hints at that at once,
// and once a second somebody looks, hinted or not. Nothing is ever concluded from an event of a watch.
//
// A transaction may have happened although nobody heard so. Each attempt carries a lease of its own, so a holder with that lease
// is we; and where even that cannot be found out, the lease is given back and, at worst, an epoch is never used.

import type { Epoch, GroupId, MemberId } from "../base/brands.js";
import { epoch as epochOf } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { Random } from "../base/ids.js";
import type { Log } from "../base/log.js";
import type {
  CampaignResult,
  Coordinator,
  CoordinatorView,
  MemberClock,
} from "../replication/ports.js";
import type { Configuration } from "../store/replica-disk.js";
import { type ClusterFacts, factsOf, viewOf } from "./cluster-facts.js";
import { configurationChange } from "./configuration-change.js";
import { configurationText, epochText, groupText, leaderText } from "./documents.js";
import type { Condition, EtcdClient, StoredKeys } from "./etcd-client.js";
import { asEtcdFault, type EtcdFault } from "./etcd-fault.js";
import { HeldEpoch } from "./held-epoch.js";
import type { ClusterKeys } from "./keys.js";
import { momentOf } from "./lease.js";
import { ViewOrder } from "./view-order.js";

export interface CoordinatorTimes {
  readonly leaseTtlSeconds: number;
  readonly renewMs: number;
  readonly leaseMarginMs: number;
  /** A process that stood still for longer does not trust its lease until it is renewed. */
  readonly gapMsMax: number;
  /** How often to look at etcd unasked. */
  readonly lookMs: number;
}

/** For leases of this length; at least 2 s, which etcd grants at the least with its own defaults. */
export const coordinatorTimes = (leaseTtlSeconds: number): CoordinatorTimes => ({
  leaseTtlSeconds,
  // So that a renewal or two may be lost; once a second for the 5 s of the default.
  renewMs: Math.min(1_000, leaseTtlSeconds * 200),
  leaseMarginMs: 1_000,
  gapMsMax: 500,
  lookMs: 1_000,
});

export interface CoordinatorParts {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly groupId: GroupId;
  readonly self: {
    readonly id: MemberId;
    readonly node: string;
    readonly dataEndpoint: string;
  };
  readonly clock: MemberClock;
  readonly random: Random;
  readonly log: Log;
  readonly times: CoordinatorTimes;
  /** Told of every view that differs from the one before; `Member.coordinatorChanged`. */
  readonly viewChanged: (view: CoordinatorView) => void;
}

export class EtcdCoordinator implements Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #order = new ViewOrder();
  #facts: ClusterFacts | undefined;
  #view: CoordinatorView | undefined;
  #held: HeldEpoch | undefined;
  #endWatch: (() => void) | undefined;
  #lookTimer: Timer | undefined;
  #isLooking = false;
  #mustLookAgain = false;
  #isStopped = false;
  /** What was last complained about, so that an outage is one line and not a thousand. */
  #complaint: string | undefined;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
  }

  /** Begins to watch and to look. */
  start(): void {
    const { client, keys, clock } = this.#parts;
    this.#endWatch = client.watch(keys.prefix, clock, () => this.#lookSoon());
    this.#lookSoon();
  }

  /** Gives back what is held, and calls nobody back any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endWatch?.();
    this.#lookTimer?.cancel();
    const held = this.#letGo();
    if (held !== undefined) await this.#giveBack(held.lease, undefined);
  }

  view(): CoordinatorView | undefined {
    return this.#view;
  }

  confirm(done: (view: CoordinatorView | undefined) => void): void {
    this.#answer(
      this.#read().then((facts) => facts && viewOf(facts)),
      done,
    );
  }

  campaign(after: Epoch, done: (result: CampaignResult) => void): void {
    const { keys } = this.#parts;
    const isFree: Condition = { kind: "absent", key: keys.leader };
    this.#answer(this.#mint(after, [isFree]), done);
  }

  takeOver(from: Epoch, done: (result: CampaignResult) => void): void {
    this.#answer(this.#mint(from, []), done);
  }

  leaseDeadlineMs(): number {
    return this.#held?.term.deadlineMs() ?? Number.NEGATIVE_INFINITY;
  }

  isLeaseProven(): boolean {
    return this.#held?.term.isProven() ?? false;
  }

  resign(hint: MemberId | undefined): void {
    const held = this.#letGo();
    if (held !== undefined) void this.#giveBack(held.lease, hint);
  }

  changeConfiguration(
    epoch: Epoch,
    configuration: Configuration,
    done: (result: "stored" | "refused" | "unavailable") => void,
  ): void {
    this.#answer(this.#storeConfiguration(epoch, configuration), done);
  }

  /** Everything etcd said last. */
  get facts(): ClusterFacts | undefined {
    return this.#facts;
  }

  /** Rule E1, or with no condition that the last holder is gone, its variant for a handover. */
  async #mint(after: Epoch, conditions: readonly Condition[]): Promise<CampaignResult> {
    const { client, keys, groupId, clock, self, times } = this.#parts;
    const former = this.#letGo();
    if (former !== undefined) void this.#giveBack(former.lease, undefined);
    const lease = this.#newLeaseId();
    const minted = epochOf(after + 1);
    const sent = momentOf(clock);
    try {
      const { ttlMs } = await client.grantLease(lease, times.leaseTtlSeconds);
      const leader = leaderText({
        epoch: minted,
        memberId: self.id,
        node: self.node,
        dataEndpoint: self.dataEndpoint,
      });
      const { isDone, read } = await client.transact(
        [
          ...conditions,
          { kind: "value", key: keys.epoch, value: epochText(after) },
          // Of our group, and not of another one that was begun under its name in an etcd that lost it.
          { kind: "value", key: keys.group, value: groupText(groupId) },
        ],
        [
          { kind: "put", key: keys.leader, value: leader, lease },
          { kind: "put", key: keys.epoch, value: epochText(minted) },
        ],
        [{ kind: "read_all", prefix: keys.prefix }],
      );
      // The transaction may have been asked twice, and have happened the first time.
      const isWon = isDone || read.keys.get(keys.leader)?.lease === lease;
      if (!isWon) return this.#lost(lease, read);
      return this.#won(new HeldEpoch(this.#parts, { epoch: minted, lease, sent, ttlMs }));
    } catch (error) {
      this.#complain(asEtcdFault(error));
      void this.#giveBack(lease, undefined);
      return { kind: "unavailable" };
    }
  }

  #lost(lease: bigint, read: StoredKeys): CampaignResult {
    void this.#giveBack(lease, undefined);
    this.#lookSoon();
    const facts = factsOf(this.#parts.keys, read);
    const view = facts.groupId === this.#parts.groupId ? viewOf(facts) : undefined;
    return view === undefined ? { kind: "unavailable" } : { kind: "lost", view };
  }

  #won(held: HeldEpoch): CampaignResult {
    if (this.#isStopped || held.term.isOver) {
      void this.#giveBack(held.lease, undefined);
      return { kind: "unavailable" };
    }
    this.#held = held;
    held.keep(() => {
      if (this.#held !== held) return;
      this.#parts.log.warn({ epoch: held.epoch }, "the lease ended");
      this.resign(undefined);
      this.#lookSoon();
    });
    this.#lookSoon();
    return { kind: "won", epoch: held.epoch };
  }

  /** From here on nothing is held, whatever etcd still thinks. */
  #letGo(): HeldEpoch | undefined {
    const held = this.#held;
    this.#held = undefined;
    held?.stop();
    return held;
  }

  /** Best effort: a lease that cannot be given back ends by itself. */
  async #giveBack(lease: bigint, hint: MemberId | undefined): Promise<void> {
    const { client, log } = this.#parts;
    const told = (error: unknown): void => {
      log.debug({ err: asEtcdFault(error) }, "a lease could not be given back");
    };
    if (hint !== undefined) await this.#makeWay(lease, hint).catch(told);
    await client.revokeLease(lease).catch(told);
  }

  /** Frees the leader's key and puts the hint in one step: nobody sees the way free without seeing whom to let go first. */
  async #makeWay(lease: bigint, hint: MemberId): Promise<void> {
    const { client, keys, times } = this.#parts;
    const hintLease = this.#newLeaseId();
    await client.grantLease(hintLease, times.leaseTtlSeconds);
    await client.transact(
      [{ kind: "held_by", key: keys.leader, lease }],
      [
        { kind: "delete", key: keys.leader },
        { kind: "put", key: keys.hint, value: hint, lease: hintLease },
      ],
    );
  }

  async #storeConfiguration(
    epoch: Epoch,
    configuration: Configuration,
  ): Promise<"stored" | "refused" | "unavailable"> {
    const { client, keys } = this.#parts;
    const held = this.#held;
    if (held === undefined || held.epoch !== epoch) return "refused";
    // The second round finds out what became of the first, when that could not tell.
    for (let round = 1; ; round += 1) {
      try {
        const stored = await client.readAll(keys.prefix);
        if (stored.keys.get(keys.configuration)?.value === configurationText(configuration)) {
          return "stored";
        }
        const change = configurationChange(keys, stored, { configuration, held });
        if (change === undefined) return "refused";
        const { isDone } = await client.transact(change.conditions, change.operations);
        if (isDone) return "stored";
        if (round === 2) return "refused";
      } catch (error) {
        const fault = asEtcdFault(error);
        this.#complain(fault);
        if (round === 2) return "unavailable";
      }
    }
  }

  /** Looks now, or once more when somebody is looking already. */
  #lookSoon(): void {
    if (this.#isStopped) return;
    if (this.#isLooking) {
      this.#mustLookAgain = true;
      return;
    }
    this.#isLooking = true;
    this.#mustLookAgain = false;
    this.#lookTimer?.cancel();
    void this.#read().then(() => {
      this.#isLooking = false;
      if (this.#isStopped) return;
      if (this.#mustLookAgain) this.#lookSoon();
      else {
        this.#lookTimer = this.#parts.clock.setTimer(this.#parts.times.lookMs, () =>
          this.#lookSoon(),
        );
      }
    });
  }

  /** A linearizable read; undefined when etcd does not answer, or answers for another group. */
  async #read(): Promise<ClusterFacts | undefined> {
    const { client, keys, groupId } = this.#parts;
    const began = this.#order.begin();
    try {
      const facts = factsOf(keys, await client.readAll(keys.prefix));
      if (facts.groupId !== groupId) {
        this.#complainOnce(
          `etcd has group ${facts.groupId ?? "(none)"} under ${keys.prefix}, and this node belongs to ${groupId}`,
        );
        return undefined;
      }
      if (this.#complaint !== undefined) this.#parts.log.info({}, "etcd answers again");
      this.#complaint = undefined;
      if (this.#order.mayFollow(began, facts.revision)) this.#publish(facts);
      return facts;
    } catch (error) {
      this.#complain(asEtcdFault(error));
      return undefined;
    }
  }

  #publish(facts: ClusterFacts): void {
    this.#facts = facts;
    const view = viewOf(facts);
    const isSame = JSON.stringify(view) === JSON.stringify(this.#view);
    if (view === undefined || isSame || this.#isStopped) return;
    this.#view = view;
    this.#parts.viewChanged(view);
  }

  #complain(fault: EtcdFault): void {
    // The members of an etcd that does not answer do so in many words.
    const complaint = fault.kind === "unavailable" ? "etcd does not answer" : fault.message;
    this.#complainOnce(complaint, fault.message);
  }

  #complainOnce(complaint: string, detail?: string): void {
    if (this.#complaint === complaint) return;
    this.#complaint = complaint;
    this.#parts.log.warn({ complaint, detail }, "etcd cannot be relied on now");
  }

  /** Any number that no lease has. */
  #newLeaseId(): bigint {
    const bytes = Buffer.alloc(8);
    this.#parts.random.fill(bytes);
    return (bytes.readBigUInt64BE() >> 1n) | 1n;
  }

  #answer<Result>(answered: Promise<Result>, done: (result: Result) => void): void {
    void answered.then((result) => {
      if (!this.#isStopped) done(result);
    });
  }
}
