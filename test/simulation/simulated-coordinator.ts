// One process's client of the simulated etcd. A question takes its time there and its answer the time back; either may be lost,
// and after some silence the client says "unavailable", whatever etcd did. Views arrive late, but never an older one
// after a newer one, as revisions let a real client see to it.

import type { Epoch, MemberId } from "../../src/base/brands.js";
import type {
  CampaignResult,
  Coordinator,
  CoordinatorView,
  MemberClock,
} from "../../src/replication/ports.js";
import type { Configuration } from "../../src/store/replica-disk.js";
import type { EventQueue } from "./event-queue.js";
import type { Prng } from "./prng.js";
import type { SimulatedEtcd } from "./simulated-etcd.js";

/** The way between a node and etcd; changed by whoever breaks things, and outlives processes. */
export interface EtcdPath {
  delayMsMean: number;
  questionLoss: number;
  answerLoss: number;
}

export interface CoordinatorParts {
  readonly memberId: MemberId;
  readonly etcd: SimulatedEtcd;
  readonly path: EtcdPath;
  readonly events: EventQueue;
  readonly prng: Prng;
  readonly clock: MemberClock;
  readonly marginMs: number;
  /** Runs what comes back as the process, or not at all. */
  readonly enter: (fire: () => void) => void;
  readonly isRunning: () => boolean;
  readonly changed: (view: CoordinatorView) => void;
  /** The mutation "lease check missing". */
  readonly leaseNeverEnds: boolean;
}

/** Parts of a lease's time: how long an answer is waited for, and how often it is renewed. */
const answerPart = 0.3;
const renewPart = 0.2;
/** A client that heard of no change looks for itself. */
const listMs = 1_000;

export class SimulatedCoordinator implements Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #endWatch: () => void;
  #view: CoordinatorView | undefined;
  #seenRevision = 0;
  /** Of the epoch this process holds. */
  #leaseId: number | undefined;
  #deadlineMs = Number.NEGATIVE_INFINITY;
  /** Renewals sent before this prove nothing. */
  #provenAfterMs = Number.NEGATIVE_INFINITY;
  #renewalSentMs = Number.NEGATIVE_INFINITY;
  #isCampaigning = false;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.#endWatch = parts.etcd.watch(() => this.#look());
    this.#lookAgain();
  }

  view(): CoordinatorView | undefined {
    return this.#view;
  }

  confirm(done: (view: CoordinatorView | undefined) => void): void {
    this.#ask(
      () => ({ view: this.#parts.etcd.view(), revision: this.#parts.etcd.revision }),
      (answer) => {
        if (answer !== undefined) this.#see(answer.view, answer.revision);
        done(answer?.view);
      },
    );
  }

  campaign(after: Epoch, done: (result: CampaignResult) => void): void {
    this.#take((leaseId) => this.#parts.etcd.mint(this.#parts.memberId, after, leaseId), done);
  }

  takeOver(from: Epoch, done: (result: CampaignResult) => void): void {
    this.#take((leaseId) => this.#parts.etcd.takeOver(this.#parts.memberId, from, leaseId), done);
  }

  leaseDeadlineMs(): number {
    if (this.#parts.leaseNeverEnds && this.#leaseId !== undefined) return Number.MAX_SAFE_INTEGER;
    return this.#deadlineMs;
  }

  isLeaseProven(): boolean {
    return this.#parts.leaseNeverEnds || this.#renewalSentMs >= this.#provenAfterMs;
  }

  resign(hint: MemberId | undefined): void {
    const leaseId = this.#leaseId;
    if (leaseId === undefined) return;
    this.#loseLease();
    this.#revoke(leaseId, hint);
  }

  changeConfiguration(
    epoch: Epoch,
    configuration: Configuration,
    done: (result: "stored" | "refused" | "unavailable") => void,
  ): void {
    const { etcd, memberId } = this.#parts;
    this.#ask(
      () => etcd.changeConfiguration(memberId, epoch, configuration),
      (isStored) => done(isStored === undefined ? "unavailable" : isStored ? "stored" : "refused"),
    );
  }

  /** The process stood still. */
  stoodStill(): void {
    this.#provenAfterMs = this.#parts.clock.monotonicMs();
  }

  /** The process is gone. */
  close(): void {
    this.#endWatch();
  }

  #take(mint: (leaseId: number) => boolean, done: (result: CampaignResult) => void): void {
    if (this.#isCampaigning) throw new Error("Two campaigns of one member at once.");
    // The lease of an epoch that is over, if the member kept it: another campaign says that it needs it no more.
    this.resign(undefined);
    this.#isCampaigning = true;
    const { etcd, prng, clock } = this.#parts;
    const leaseId = prng.integer(1, 2 ** 47);
    const sentMs = clock.monotonicMs();
    this.#ask(
      () => ({ isWon: mint(leaseId), view: etcd.view() }),
      (answer) => {
        this.#isCampaigning = false;
        if (answer === undefined) {
          this.#revoke(leaseId, undefined);
          done({ kind: "unavailable" });
          return;
        }
        if (!answer.isWon) return done({ kind: "lost", view: answer.view });
        this.#leaseId = leaseId;
        this.#renewed(sentMs);
        this.#renewLater(leaseId);
        done({ kind: "won", epoch: answer.view.epoch });
      },
    );
  }

  #renewed(sentMs: number): void {
    const { etcd, marginMs } = this.#parts;
    this.#deadlineMs = Math.max(this.#deadlineMs, sentMs + etcd.leaseMs - marginMs);
    this.#renewalSentMs = Math.max(this.#renewalSentMs, sentMs);
  }

  #renewLater(leaseId: number): void {
    const { clock, etcd } = this.#parts;
    clock.setTimer(etcd.leaseMs * renewPart, () => {
      if (this.#leaseId !== leaseId) return;
      const sentMs = clock.monotonicMs();
      this.#ask(
        () => etcd.renew(leaseId),
        (isAlive) => {
          if (this.#leaseId !== leaseId) return;
          if (isAlive === true) this.#renewed(sentMs);
          if (isAlive === false) this.#loseLease();
        },
      );
      this.#renewLater(leaseId);
    });
  }

  #loseLease(): void {
    this.#leaseId = undefined;
    this.#deadlineMs = Number.NEGATIVE_INFINITY;
  }

  #revoke(leaseId: number, hint: MemberId | undefined): void {
    this.#ask(
      () => this.#parts.etcd.revoke(leaseId, hint),
      () => undefined,
    );
  }

  #lookAgain(): void {
    this.#parts.clock.setTimer(listMs, () => {
      this.#look();
      this.#lookAgain();
    });
    this.#look();
  }

  #look(): void {
    const { etcd } = this.#parts;
    this.#ask(
      () => ({ view: etcd.view(), revision: etcd.revision }),
      (answer) => {
        if (answer !== undefined) this.#see(answer.view, answer.revision);
      },
    );
  }

  #see(view: CoordinatorView, revision: number): void {
    if (revision <= this.#seenRevision) return;
    this.#seenRevision = revision;
    this.#view = view;
    // Not within the call that asked for something else.
    this.#parts.events.after(0, () => this.#parts.enter(() => this.#parts.changed(view)));
  }

  #ask<Answer>(act: () => Answer, done: (answer: Answer | undefined) => void): void {
    const { events, prng, path, etcd, enter, isRunning } = this.#parts;
    if (!isRunning()) return;
    let isOver = false;
    const end = (answer: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      enter(() => done(answer));
    };
    events.after(etcd.leaseMs * answerPart, () => end(undefined));
    if (prng.chance(path.questionLoss)) return;
    events.after(prng.span(path.delayMsMean), () => {
      if (etcd.isDown) return;
      const answer = act();
      if (prng.chance(path.answerLoss)) return;
      events.after(prng.span(path.delayMsMean), () => end(answer));
    });
  }
}
