// Delivers the backlog of one subscription: leases as many messages as may be sent now, sends them, settles what came of them, and
// goes on until nothing is left; then it waits for the next that is due. A target that is slow or dead holds up its own worker alone.

import { after, type DurationMs, type EpochMs, milliseconds } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { Engine } from "../engine/engine.js";
import type { Unsigned } from "../topic/fan-out.js";
import { functionDefaults } from "../topic/limits.js";
import { decideLeasePushes, type LeasedPush } from "../topic/push-lease.js";
import { pushLimits } from "../topic/push-limits.js";
import { decideSettlePushes, type PushSettlement } from "../topic/push-settle.js";
import { deliveryLimits } from "./limits.js";
import { attemptMsMax, type PushTarget, policyOf } from "./push-requests.js";
import type { PushRoom, Waiting } from "./push-room.js";
import type { PushSender } from "./push-sender.js";
import { fullBucket, type TokenBucket, takeToken } from "./throttle.js";

/** Until the next try when the engine had no room. */
const retryMs = 200;
/** Until the next try after a fault, which is logged each time. */
const faultRetryMs = 10_000;
/** Messages that are delivered before those that nobody needs any more are removed from the topic. */
const settledPerTrim = 64;

export interface PushWorkerParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  readonly room: PushRoom;
  readonly sender: PushSender;
  /** What limits of fairness hold for; undefined: none. */
  readonly destinationOf: (target: PushTarget) => string | undefined;
  /** A topic may have messages that nobody needs any more. */
  readonly moved: (target: PushTarget) => void;
  readonly disabled: (target: PushTarget) => void;
  /** Has signatures made, which the next command finds. */
  readonly sign: (unsigned: Unsigned["unsigned"]) => Promise<void>;
  /** It has nothing to do and waits for nothing. */
  readonly idle: (worker: PushWorker) => void;
  readonly failed: (error: unknown) => void;
}

/** A claim for each message that is about to be leased. */
type Claims = (() => void)[];

export class PushWorker implements Waiting {
  readonly id: Buffer;
  readonly #parts: PushWorkerParts;
  #target: PushTarget | undefined;
  /** About how many messages could be leased. */
  #ready = 0;
  #inFlight = 0;
  #bucket: TokenBucket | undefined;
  #timer: Timer | undefined;
  #timerAt: EpochMs | undefined;
  #nextDueAt: EpochMs | undefined;
  #isLeasing = false;
  #isSettling = false;
  #isStopped = false;
  #settled = 0;
  #endPause: (() => void) | undefined;
  #results: PushSettlement[] = [];
  /** What is under way; each never fails. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(id: Buffer, parts: PushWorkerParts) {
    this.id = id;
    this.#parts = parts;
  }

  /** There may be so many to deliver, and the next is due then. */
  wake(readyCount: number, nextDueAt: EpochMs | undefined): void {
    this.#ready = Math.max(this.#ready, readyCount);
    if (nextDueAt !== undefined) this.#nextDueAt = earlier(this.#nextDueAt, nextDueAt);
    this.#goOn();
  }

  roomIsThere(): void {
    this.#goOn();
  }

  /** Resolves when nothing of it is under way; what was not delivered is given out again. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#endPause?.();
    this.#parts.room.leaveLine(this);
    while (this.#underWay.size > 0) await Promise.all([...this.#underWay]);
  }

  #run(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => {
        this.#parts.failed(error);
        this.#setTimer(after(this.#parts.clock.now(), milliseconds(faultRetryMs)));
      })
      .finally(() => this.#underWay.delete(guarded));
    this.#underWay.add(guarded);
  }

  #goOn(): void {
    if (this.#isStopped || this.#isLeasing) return;
    const { clock, idle } = this.#parts;
    if (this.#nextDueAt !== undefined && this.#nextDueAt <= clock.now()) {
      this.#nextDueAt = undefined;
      this.#ready = Math.max(this.#ready, 1);
    }
    if (this.#ready > 0) {
      const claims = this.#target === undefined ? [] : this.#claim(this.#target);
      if (this.#target === undefined || claims.length > 0) {
        this.#isLeasing = true;
        this.#run(
          this.#lease(claims)
            .finally(() => {
              this.#isLeasing = false;
            })
            .then(() => this.#goOn()),
        );
      }
      return;
    }
    if (this.#nextDueAt !== undefined) this.#setTimer(this.#nextDueAt);
    else if (this.#inFlight === 0 && this.#results.length === 0) idle(this);
  }

  #setTimer(at: EpochMs): void {
    if (this.#isStopped || (this.#timerAt !== undefined && this.#timerAt <= at)) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const { clock } = this.#parts;
    this.#timer = clock.setTimer(Math.max(0, at - clock.now()), () => {
      this.#timerAt = undefined;
      this.#goOn();
    });
  }

  /** As many messages as may be sent now. */
  #claim(target: PushTarget): Claims {
    const claims: Claims = [];
    const { room, clock, destinationOf } = this.#parts;
    const now = clock.now();
    const { receivesPerSecondMax } = policyOf(target);
    const destination = destinationOf(target);
    const countMax = Math.min(this.#ready, concurrencyOf(target, destination) - this.#inFlight);
    while (claims.length < countMax) {
      const waitMs = this.#throttleMs(receivesPerSecondMax, now);
      if (waitMs > 0) {
        if (claims.length === 0) this.#setTimer(after(now, waitMs));
        break;
      }
      const claim = room.claim(destination, now, this);
      if (claim.kind === "too_fast" && claims.length === 0)
        this.#setTimer(after(now, claim.waitMs));
      if (claim.kind !== "claimed") break;
      if (receivesPerSecondMax !== undefined) this.#takeToken(receivesPerSecondMax, now);
      claims.push(claim.leave);
    }
    return claims;
  }

  #throttleMs(perSecond: number | undefined, now: EpochMs): DurationMs {
    if (perSecond === undefined) return milliseconds(0);
    this.#bucket ??= fullBucket(perSecond, now);
    const taken = takeToken(this.#bucket, perSecond, now);
    return taken.kind === "empty" ? taken.waitMs : milliseconds(0);
  }

  #takeToken(perSecond: number, now: EpochMs): void {
    this.#bucket = takeToken(this.#bucket ?? fullBucket(perSecond, now), perSecond, now).bucket;
  }

  /** Without claims it only learns who the target is. */
  async #lease(claims: Claims): Promise<void> {
    const { engine, clock } = this.#parts;
    const target = this.#target;
    const attemptMs = target === undefined ? 0 : attemptMsMax(target);
    const leaseMs = milliseconds(attemptMs + pushLimits.leaseSlackMs);
    const command = { id: this.id, countMax: claims.length, leaseMs };
    const decision = await engine
      .executeIfIdle({
        name: "LeasePushes",
        bytes: 300 * claims.length,
        isGrowing: false,
        decide: (transaction, stamp) => decideLeasePushes(transaction, command, stamp),
      })
      .catch((error: unknown) => {
        giveBack(claims);
        throw error;
      });
    if (decision?.kind === "rejected") {
      await this.#sign(decision.rejection, claims);
      return await this.#lease(claims);
    }
    if (decision === undefined) {
      giveBack(claims);
      this.#ready = 0;
      this.#nextDueAt = after(clock.now(), milliseconds(retryMs));
      return;
    }
    const { outcome } = decision;
    if (outcome.kind === "stopped") {
      giveBack(claims);
      this.#ready = 0;
      this.#nextDueAt = undefined;
      return;
    }
    this.#target = { topic: outcome.topic, subscription: outcome.subscription };
    this.#ready = outcome.readyCount;
    this.#nextDueAt = outcome.nextDueAt;
    this.#send(this.#target, outcome.leased, claims);
  }

  #send(target: PushTarget, leased: readonly LeasedPush[], claims: Claims): void {
    giveBack(claims.splice(leased.length));
    const size = batchSizeOf(target);
    for (let from = 0; from < leased.length; from += size) {
      const batch = leased.slice(from, from + size);
      this.#inFlight += batch.length;
      this.#run(this.#deliver(target, batch, claims.splice(0, batch.length)));
    }
  }

  async #deliver(target: PushTarget, batch: readonly LeasedPush[], claims: Claims): Promise<void> {
    const { room, sender } = this.#parts;
    const bytes = batch.reduce((sum, { message }) => sum + message.sizeBytes, 0);
    room.hold(bytes);
    try {
      const attempts = await sender.deliver(target, batch);
      batch.forEach(({ sequence, until }, index) => {
        const attempt = attempts[index];
        if (attempt !== undefined) this.#results.push({ sequence, until, ...attempt });
      });
    } finally {
      room.hold(-bytes);
      giveBack(claims);
      this.#inFlight -= batch.length;
    }
    await this.#settle(target);
    this.#goOn();
  }

  /** What came while the command before was under way goes with the next. */
  async #settle(target: PushTarget): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      while (this.#results.length > 0) {
        const settlements = this.#results;
        this.#results = [];
        if (!(await this.#settleOnce(target, settlements))) {
          // Not if it stops: the leases end, and somebody else goes on.
          if (this.#isStopped) return;
          this.#results = [...settlements, ...this.#results];
          await this.#pause();
        }
      }
    } finally {
      this.#isSettling = false;
    }
  }

  async #settleOnce(target: PushTarget, settlements: readonly PushSettlement[]): Promise<boolean> {
    const decision = await this.#parts.engine.executeIfIdle({
      name: "SettlePushes",
      bytes: 2_000 * settlements.length,
      isGrowing: false,
      decide: (transaction, stamp) =>
        decideSettlePushes(transaction, { id: this.id, settlements }, stamp),
    });
    if (decision === undefined) return false;
    if (decision.kind === "rejected") {
      await this.#sign(decision.rejection, []);
      return await this.#settleOnce(target, settlements);
    }
    const { hasMoved, nextDueAt, isDisabled } = decision.outcome;
    if (isDisabled) this.#parts.disabled(target);
    this.#nextDueAt = nextDueAt;
    this.#settled += settlements.length;
    const isLast = this.#ready === 0 && this.#inFlight === 0;
    if (hasMoved && (isLast || this.#settled >= settledPerTrim)) {
      this.#settled = 0;
      this.#parts.moved(target);
    }
    return true;
  }

  /** What goes to dead-letter queues; the command is tried again then, and finds it signed. */
  async #sign({ unsigned }: Unsigned, claims: Claims): Promise<void> {
    try {
      await this.#parts.sign(unsigned);
    } catch (error) {
      giveBack(claims);
      throw error;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.setTimer(retryMs, resolve);
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

const earlier = (one: EpochMs | undefined, other: EpochMs): EpochMs =>
  one === undefined || other < one ? other : one;

function giveBack(claims: Claims): void {
  for (const leave of claims) leave();
}

/** Messages in delivery at once. Without a destination nothing else bounds them. */
function concurrencyOf({ subscription }: PushTarget, destination: string | undefined): number {
  if (subscription.kind !== "function") {
    const { inFlightPerDestinationMax, inFlightToOpenedMax } = deliveryLimits;
    return destination === undefined ? inFlightToOpenedMax : inFlightPerDestinationMax;
  }
  const { batchMax = functionDefaults.batchMax, concurrencyMax = functionDefaults.concurrencyMax } =
    subscription.settings.function ?? {};
  return batchMax * concurrencyMax;
}

/** Messages that go in one call. */
const batchSizeOf = ({ subscription }: PushTarget): number =>
  subscription.kind === "function"
    ? (subscription.settings.function?.batchMax ?? functionDefaults.batchMax)
    : 1;
