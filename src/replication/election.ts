// When to campaign. A follower whose group has no leader asks the others where they stand, lets a more advanced voter go first for
// a moment, and then asks the coordinator for the next epoch. All of this is about who had better lead; that only one does, and
// with every confirmed record, is the coordinator's and the candidate's care.

import { type Epoch, epoch, type MemberId } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import { OperatorFault } from "../base/operator-fault.js";
import { type Inside, isVoter, votersOf } from "./inside.js";
import type { Position } from "./message.js";
import type { CampaignResult, CoordinatorView } from "./ports.js";
import { staleViewCountMax } from "./settings.js";

type Step =
  | { readonly kind: "idle" }
  /** Is there really no leader? */
  | { readonly kind: "confirming" }
  /** Where do the others stand? */
  | { readonly kind: "asking"; readonly view: CoordinatorView }
  | { readonly kind: "campaigning" };

interface Answer {
  readonly position: Position;
  /** Its wall clock less this one's. */
  readonly clockOffsetMs: number;
}

/** What an election asks and tells. */
interface Electorate {
  /** Whether this member follows, and nobody whom it hears. */
  isLeaderless(): boolean;
  /** The clock of who led last less this one, while elapsed time still tells. */
  leaderClockOffset(): { readonly id: MemberId; readonly offsetMs: number } | undefined;
  won(epoch: Epoch): void;
}

export class Election {
  readonly #inside: Inside;
  readonly #electorate: Electorate;
  #step: Step = { kind: "idle" };
  #answers = new Map<MemberId, Answer>();
  #hasYielded = false;
  #notBeforeMs = 0;
  #timer: Timer | undefined;
  #staleViewCount = 0;
  /** The last epoch heard of, from anyone. */
  #heardOf = epoch(0);

  constructor(inside: Inside, electorate: Electorate) {
    this.#inside = inside;
    this.#electorate = electorate;
  }

  heardOf(of: Epoch): void {
    if (of > this.#heardOf) this.#heardOf = of;
  }

  get isCampaigning(): boolean {
    return this.#step.kind === "campaigning";
  }

  /** Not again before this time has passed. */
  backOff(delayMs: number): void {
    this.#notBeforeMs = this.#inside.context.nowMs() + delayMs;
    this.#pause();
    this.#wait(delayMs);
  }

  /** Looks whether it is time to campaign, now and from time to time. */
  consider(): void {
    if (this.#step.kind !== "idle") return;
    const { context } = this.#inside;
    const waitMs = this.#notBeforeMs - context.nowMs();
    if (waitMs > 0) {
      this.#wait(waitMs);
      return;
    }
    this.#wait(context.parts.settings.backoffMaxMs);
    if (!this.#electorate.isLeaderless() || !this.#mayLead()) return;
    this.#confirm();
  }

  position(from: MemberId, position: Position): void {
    this.heardOf(position.promisedEpoch);
    if (this.#step.kind !== "asking") return;
    const clockOffsetMs = position.wallMs - this.#inside.context.wallMs();
    this.#answers.set(from, { position, clockOffsetMs });
    if (!this.#isAnswered() || this.#shouldYield(this.#step.view)) return;
    // Clocks that differ: the others' answers, which may be on their way, tell whose is off.
    if (this.#clockOffsets().every((offsetMs) => this.#isWithinSkew(offsetMs))) {
      this.#campaign(this.#step.view);
    }
  }

  /** The old leader asked this member to follow it at once. */
  takeOver(from: Epoch): void {
    if (this.#step.kind === "campaigning" || !this.#mayLead()) return;
    // Two clocks that differ, its own and this one: the old leader gives up waiting, and then the others tell whose is off.
    const { offsetMs } = this.#electorate.leaderClockOffset() ?? { offsetMs: 0 };
    if (!this.#isWithinSkew(offsetMs)) return;
    const { context } = this.#inside;
    this.#pause();
    this.#step = { kind: "campaigning" };
    const known = this.#known();
    context.parts.coordinator.takeOver(from, (result) =>
      context.guarded(() => this.#decided(result, known)),
    );
  }

  #pause(): void {
    this.#timer?.cancel();
    // An answer of the coordinator is still to come while campaigning: it ends that step itself.
    if (this.#step.kind !== "campaigning") this.#step = { kind: "idle" };
  }

  #wait(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#inside.context.timer(delayMs, () => {
      if (this.#step.kind === "asking") this.#asked(this.#step.view);
      else this.consider();
    });
  }

  #mayLead(): boolean {
    const { context } = this.#inside;
    return isVoter(this.#inside.configuration(), context.id) && this.#inside.position().mayLead;
  }

  /** The last epoch that surely was minted. */
  #known(): Epoch {
    return epoch(Math.max(this.#inside.durable.planned.promisedEpoch, this.#heardOf));
  }

  #confirm(): void {
    const { context } = this.#inside;
    const promised = this.#known();
    this.#step = { kind: "confirming" };
    context.parts.coordinator.confirm((view) =>
      context.guarded(() => {
        if (this.#step.kind !== "confirming") return;
        this.#step = { kind: "idle" };
        if (view === undefined) this.backOff(context.parts.settings.backoffMinMs);
        else this.#confirmed(view, promised);
      }),
    );
  }

  #confirmed(view: CoordinatorView, promised: Epoch): void {
    const { context } = this.#inside;
    if (!context.rules.mayTrust(view.epoch, promised)) {
      this.#distrust(view.epoch, promised);
      return;
    }
    this.#staleViewCount = 0;
    this.heardOf(view.epoch);
    if (view.leader !== undefined || !this.#electorate.isLeaderless()) {
      this.#wait(context.parts.settings.backoffMaxMs);
      return;
    }
    this.#ask(view);
  }

  /** Rule E7: the coordinator has lost epochs that were minted. */
  #distrust(named: Epoch, promised: Epoch): void {
    this.#staleViewCount += 1;
    if (this.#staleViewCount >= staleViewCountMax) {
      throw new OperatorFault(
        `The coordinator names epoch ${named} as the last one, but this member knows of epoch ${promised}: it was restored ` +
          "from an older backup, or is another group's. Raise the group's epoch above that of all its members.",
      );
    }
    this.backOff(this.#inside.context.parts.settings.backoffMaxMs);
  }

  #ask(view: CoordinatorView): void {
    const { context } = this.#inside;
    this.#step = { kind: "asking", view };
    this.#answers = new Map();
    for (const { id } of votersOf(this.#inside.configuration())) {
      if (id !== context.id) context.send(id, { kind: "ask_position" });
    }
    if (this.#isAnswered()) this.#campaign(view);
    else this.#wait(context.parts.settings.yieldMs);
  }

  /** Whether a majority is there, this member among it. */
  #isAnswered(): boolean {
    const voters = votersOf(this.#inside.configuration());
    return this.#answers.size + 1 >= this.#inside.context.rules.promisesNeeded(voters.length);
  }

  /** Time is up. Without a majority a campaign could only be in the way of others. */
  #asked(view: CoordinatorView): void {
    const { context } = this.#inside;
    const shouldYield = this.#shouldYield(view);
    this.#step = { kind: "idle" };
    if (!this.#isAnswered() || this.#isClockOff()) {
      this.#hasYielded = false;
      this.backOff(context.backoffMs());
      return;
    }
    if (shouldYield) {
      this.#hasYielded = true;
      this.#wait(context.parts.settings.yieldMs);
      return;
    }
    this.#campaign(view);
  }

  /** Once, for a moment: whoever is more advanced would have to fetch less. */
  #shouldYield(view: CoordinatorView): boolean {
    const { context } = this.#inside;
    if (this.#hasYielded || view.hint === context.id) return false;
    if (view.hint !== undefined && this.#answers.has(view.hint)) return true;
    const { lastEpoch, lastSeq } = this.#inside.position();
    return [...this.#answers.values()].some(
      ({ position }) =>
        position.mayLead &&
        context.rules.isMoreAdvanced(
          { epoch: position.lastEpoch, seq: position.lastSeq },
          { epoch: lastEpoch, seq: lastSeq },
        ),
    );
  }

  /** Group time would jump by as much as the clocks differ, so whose clock stands alone does not lead. */
  #isClockOff(): boolean {
    return !this.#isWithinSkew(medianOf([0, ...this.#clockOffsets()]));
  }

  /** Of the others that answer, and of who led last: where it is gone, two that are left could not say whose clock is off. */
  #clockOffsets(): number[] {
    const offsets = [...this.#answers.values()].map(({ clockOffsetMs }) => clockOffsetMs);
    const last = this.#electorate.leaderClockOffset();
    return last === undefined || this.#answers.has(last.id) ? offsets : [...offsets, last.offsetMs];
  }

  #isWithinSkew(offsetMs: number): boolean {
    return Math.abs(offsetMs) <= this.#inside.context.parts.settings.clockSkewMsMax;
  }

  #campaign(view: CoordinatorView): void {
    const { context } = this.#inside;
    if (this.#isClockOff()) {
      this.#step = { kind: "idle" };
      this.backOff(context.backoffMs());
      return;
    }
    this.#hasYielded = false;
    this.#timer?.cancel();
    this.#step = { kind: "campaigning" };
    const known = this.#known();
    context.parts.coordinator.campaign(view.epoch, (result) =>
      context.guarded(() => this.#decided(result, known)),
    );
  }

  #decided(result: CampaignResult, knownBefore: Epoch): void {
    const { context, durable } = this.#inside;
    this.#step = { kind: "idle" };
    switch (result.kind) {
      case "won": {
        // The epoch before the one minted is what the coordinator took for the last (rule E7).
        const known = epoch(Math.max(knownBefore, durable.planned.promisedEpoch));
        const isNew = context.rules.mayTrust(epoch(result.epoch - 1), known);
        if (isNew && this.#mayLead()) this.#electorate.won(result.epoch);
        else this.#inside.resign("the epoch it won is over already", undefined);
        return;
      }
      case "lost":
        this.heardOf(result.view.epoch);
        this.#wait(context.parts.settings.backoffMaxMs);
        return;
      case "unavailable":
        this.backOff(context.backoffMs());
        return;
    }
  }
}

/** Of an even count the one of the middle two that is nearer to zero: two clocks that differ cannot say which is off. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  if (sorted.length % 2 === 1) return upper;
  const lower = sorted[sorted.length / 2 - 1] ?? 0;
  return Math.abs(lower) < Math.abs(upper) ? lower : upper;
}
