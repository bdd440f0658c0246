// Takes over: holds a new epoch, gathers promises of a majority, adopts the most advanced log among them, and only then begins to
// write. What a majority confirmed is in at least one of those logs (I2), and once they have promised, no older leader can add to
// them.

import { type Epoch, epoch, type LogSeq, logSeq, type MemberId } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import { OperatorFault } from "../base/operator-fault.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { type Inside, votersOf } from "./inside.js";
import type { LogSliceMessage, Position, SealedRecord } from "./message.js";
import { commonSeq } from "./positions.js";
import { openRecord, standsBehind } from "./record.js";

type Step =
  | { readonly kind: "promising" }
  /** Fetches what another's log has beyond this one. */
  | { readonly kind: "adopting"; readonly from: MemberId; readonly position: Position }
  | { readonly kind: "done" };

export class Candidate {
  readonly epoch: Epoch;
  readonly #inside: Inside;
  readonly #won: (positions: ReadonlyMap<MemberId, Position>) => void;
  readonly #positions = new Map<MemberId, Position>();
  #step: Step = { kind: "promising" };
  /** The coordinator has confirmed that this is the last epoch, and with which configuration. */
  #isConfirmed = false;
  #isConfirming = false;
  #giveUpAtMs: number;
  #fetchedAtMs = 0;
  #timer: Timer | undefined;

  constructor(
    inside: Inside,
    epoch: Epoch,
    won: (positions: ReadonlyMap<MemberId, Position>) => void,
  ) {
    this.#inside = inside;
    this.epoch = epoch;
    this.#won = won;
    this.#giveUpAtMs = this.#deadlineMs();
  }

  begin(): void {
    this.#inside.durable.promise(this.epoch);
    this.#beat();
    this.#decide();
  }

  end(): void {
    this.#step = { kind: "done" };
    this.#timer?.cancel();
  }

  helloAck(from: MemberId, position: Position): void {
    if (this.#step.kind === "done") return;
    // Rule E7: somebody has written records of this epoch, or a later one, before it was minted.
    const { rules } = this.#inside.context;
    if (!rules.mayTrust(epoch(this.epoch - 1), position.lastEpoch)) {
      throw new OperatorFault(
        `This member was given epoch ${this.epoch}, but another one has records of epoch ${position.lastEpoch}: the coordinator ` +
          "was restored from an older backup. Raise the group's epoch above that of all its members.",
      );
    }
    this.#positions.set(from, position);
    this.#decide();
  }

  /** The own promise may be on disk now. */
  stored(): void {
    this.#decide();
  }

  networkReady(to: MemberId): void {
    if (this.#step.kind === "promising" && !this.#positions.has(to)) this.#hello(to);
  }

  slice(from: MemberId, message: LogSliceMessage): void {
    const step = this.#step;
    const { durable } = this.#inside;
    if (step.kind !== "adopting" || from !== step.from) return;
    // One that was asked for twice: the first answer has been taken.
    if (message.fromSeq !== durable.planned.logEnd.seq + 1) return;
    if (message.entries.length === 0) {
      this.#inside.resign("the log it needs is gone from the only one who had it", from);
      return;
    }
    message.entries.forEach((sealed, index) => {
      if (this.#step.kind === "adopting") this.#adopt(logSeq(message.fromSeq + index), sealed);
    });
    if (this.#step.kind !== "adopting") return;
    this.#giveUpAtMs = this.#deadlineMs();
    this.#goOn(step);
  }

  /** As long as the lease surely lives, less the margin. */
  #deadlineMs(): number {
    const { coordinator, settings } = this.#inside.context.parts;
    return coordinator.leaseDeadlineMs() - settings.leaseMarginMs;
  }

  /** Every heartbeat until it is decided: who has not answered is asked again. */
  #beat(): void {
    const { context } = this.#inside;
    if (context.nowMs() >= this.#giveUpAtMs) {
      this.#inside.resign("it did not get its promises, or the log it needs, in time", undefined);
      return;
    }
    this.#confirm();
    if (this.#step.kind === "adopting") this.#fetchAgain(this.#step.from);
    else for (const { id } of this.#otherVoters()) this.networkReady(id);
    this.#timer = context.timer(context.parts.settings.heartbeatMs, () => this.#beat());
  }

  #otherVoters() {
    return votersOf(this.#inside.configuration()).filter(
      ({ id }) => id !== this.#inside.context.id,
    );
  }

  #hello(to: MemberId): void {
    this.#inside.context.send(to, { kind: "hello", epoch: this.epoch });
  }

  /** An older leader may have changed the configuration until this epoch was minted; from then on nobody else can. */
  #confirm(): void {
    if (this.#isConfirmed || this.#isConfirming) return;
    const { context } = this.#inside;
    this.#isConfirming = true;
    context.parts.coordinator.confirm((view) =>
      context.guarded(() => {
        this.#isConfirming = false;
        if (view === undefined || this.#step.kind === "done") return;
        if (view.epoch !== this.epoch) {
          this.#inside.heardOf(view.epoch);
          this.#inside.resign("a later epoch has begun", undefined);
          return;
        }
        this.#isConfirmed = true;
        this.#decide();
      }),
    );
  }

  #decide(): void {
    const { context, durable } = this.#inside;
    if (this.#step.kind !== "promising" || !this.#isConfirmed) return;
    if (!context.rules.mayAnswer(this.epoch, durable.stored.promisedEpoch)) return;
    const voters = votersOf(this.#inside.configuration());
    if (!voters.some(({ id }) => id === context.id)) {
      this.#inside.resign("it is no voter any more", undefined);
      return;
    }
    const promisers = voters.filter(({ id }) => id === context.id || this.#positions.has(id));
    if (promisers.length < context.rules.promisesNeeded(voters.length)) return;
    const best = this.#mostAdvanced(promisers.map(({ id }) => id));
    if (best === undefined) this.#finish();
    else this.#startAdopting(best.from, best.position);
  }

  /** Rule E4: whose log is ahead of this one and of all others; undefined when none is ahead of this one. */
  #mostAdvanced(ids: readonly MemberId[]) {
    const { rules } = this.#inside.context;
    const { logEnd } = this.#inside.durable.planned;
    let place = { epoch: logEnd.epoch, seq: logEnd.seq };
    let best: { readonly from: MemberId; readonly position: Position } | undefined;
    for (const id of ids) {
      const position = this.#positions.get(id);
      if (position === undefined) continue;
      const theirs = { epoch: position.lastEpoch, seq: position.lastSeq };
      if (!rules.isMoreAdvanced(theirs, place)) continue;
      place = theirs;
      best = { from: id, position };
    }
    return best;
  }

  #startAdopting(from: MemberId, position: Position): void {
    const { durable } = this.#inside;
    const theirs = { begins: position.epochBegins, endSeq: position.lastSeq };
    const common = commonSeq(durable.history, theirs);
    if (common === undefined || common + 1 < position.logFirstSeq) {
      this.#inside.resign("its log ends before the most advanced one begins", from);
      return;
    }
    if (common < durable.planned.logEnd.seq && !this.#cut(common, from)) return;
    this.#step = { kind: "adopting", from, position };
    this.#fetch(from);
  }

  /** Rule E6: gives up the own fork. */
  #cut(common: LogSeq, inFavourOf: MemberId): boolean {
    const { durable, context } = this.#inside;
    if (context.rules.mayTruncate(common, durable.toBeApplied)) {
      durable.truncate(common);
      return true;
    }
    if (durable.planned.configuration.acks === "async") {
      this.#inside.resign("it applied what the most advanced log never had", inFavourOf);
      return false;
    }
    this.#inside.quarantine(
      `The most advanced log parts from this one after ${common}, below what is applied (${durable.toBeApplied}).`,
    );
    return false;
  }

  /** Unless an answer came since the last heartbeat. */
  #fetchAgain(from: MemberId): void {
    const { context } = this.#inside;
    if (context.nowMs() - this.#fetchedAtMs >= context.parts.settings.heartbeatMs)
      this.#fetch(from);
  }

  #fetch(from: MemberId): void {
    this.#fetchedAtMs = this.#inside.context.nowMs();
    const fromSeq = logSeq(this.#inside.durable.planned.logEnd.seq + 1);
    this.#inside.context.send(from, { kind: "fetch_log", epoch: this.epoch, fromSeq });
  }

  #adopt(seq: LogSeq, sealed: SealedRecord): void {
    const { durable } = this.#inside;
    if (seq !== durable.planned.logEnd.seq + 1) return;
    try {
      const record = openRecord(sealed, durable.planned.groupId);
      if (standsBehind(record, durable.planned.logEnd)) {
        durable.append(record);
        return;
      }
    } catch (error) {
      // Spoilt in the other's log: nobody can take over from it, so somebody else may try.
      if (!(error instanceof RecordCorrupt)) throw error;
    }
    this.#inside.resign(`record ${seq} of the most advanced log does not fit`, undefined);
  }

  #goOn({ from, position }: Extract<Step, { kind: "adopting" }>): void {
    const { logEnd } = this.#inside.durable.planned;
    if (logEnd.seq < position.lastSeq) {
      this.#fetch(from);
      return;
    }
    if (logEnd.epoch !== position.lastEpoch || !logEnd.chain.equals(position.lastChain)) {
      this.#inside.quarantine(`Its log is not the one it adopted, at ${logEnd.seq}.`);
      return;
    }
    // Once more: somebody still more advanced may have promised meanwhile.
    this.#step = { kind: "promising" };
    this.#decide();
  }

  #finish(): void {
    this.end();
    this.#won(this.#positions);
  }
}
