// Changes who takes part, one member at a time. First the coordinator stores the new configuration, then it is written to the log
// and counts from there on: the majorities of two configurations that differ by one voter always meet, even when the leader that
// asked never learns what became of it. Whoever leads next takes the later one of what its log and the coordinator have.

import { type LogSeq, logSeq } from "../base/brands.js";
import type { Configuration } from "../store/replica-disk.js";
import { decideChange } from "./decide-change.js";
import { followerOf } from "./follower-status.js";
import type { Inside } from "./inside.js";
import type { Leader } from "./leader.js";
import type { ChangeResult, ConfigurationChange, CoordinatorView } from "./ports.js";

interface PendingChange {
  readonly configuration: Configuration;
  readonly done: (result: ChangeResult) => void;
}

export class Membership {
  readonly #inside: Inside;
  readonly #leader: () => Leader | undefined;
  #pending: PendingChange | undefined;
  /** Where the last configuration of this reign stands in the log; it must be committed before the next. */
  #writtenSeq: LogSeq = logSeq(0);

  constructor(inside: Inside, leader: () => Leader | undefined) {
    this.#inside = inside;
    this.#leader = leader;
  }

  change(change: ConfigurationChange, done: (result: ChangeResult) => void): void {
    const leader = this.#leader();
    const refuse = (why: string): void =>
      this.#inside.context.tell(() => done({ kind: "refused", why }));
    if (leader === undefined) {
      refuse("This node does not lead the group; ask the one that does.");
      return;
    }
    if (this.#pending !== undefined || this.#writtenSeq > leader.commitSeq) {
      refuse("Another change of the group is under way; try again when it is done.");
      return;
    }
    const { configuration } = this.#inside.durable.planned;
    const decision = decideChange(configuration, change, {
      leader: this.#inside.context.id,
      epochFirstSeq: leader.firstSeq,
      statusOf: (id) => followerOf(leader, id),
    });
    if (decision.kind === "refused") {
      refuse(decision.why);
      return;
    }
    this.#pending = { configuration: decision.configuration, done };
    this.#ask(leader, this.#pending);
  }

  /** Something was committed. */
  advance(): void {
    const leader = this.#leader();
    const pending = this.#pending;
    if (leader === undefined || pending === undefined || !this.#isWritten(pending)) return;
    if (leader.commitSeq >= this.#writtenSeq) {
      this.#finish({ kind: "done", configuration: pending.configuration });
    }
  }

  /** A change whose outcome was unknown may show here. */
  coordinatorChanged(view: CoordinatorView): void {
    const leader = this.#leader();
    if (leader !== undefined && view.epoch === leader.epoch)
      this.#adopt(leader, view.configuration);
  }

  /** Leads no more: whoever leads next goes by what the coordinator has. */
  ended(why: string): void {
    this.#writtenSeq = logSeq(0);
    this.#finish({
      kind: "refused",
      why: `The outcome is unknown, because this node stopped leading: ${why}. Look at the group, then try again.`,
    });
  }

  #ask(leader: Leader, pending: PendingChange): void {
    const { context } = this.#inside;
    context.parts.coordinator.changeConfiguration(leader.epoch, pending.configuration, (result) =>
      context.guarded(() => {
        if (this.#leader() !== leader || this.#pending !== pending) return;
        if (result === "stored") this.#adopt(leader, pending.configuration);
        else this.#resolve(leader, pending);
      }),
    );
  }

  /** Nobody knows whether it was stored: asks until somebody does. */
  #resolve(leader: Leader, pending: PendingChange): void {
    const { context } = this.#inside;
    context.parts.coordinator.confirm((view) =>
      context.guarded(() => {
        if (this.#leader() !== leader || this.#pending !== pending || this.#isWritten(pending)) {
          return;
        }
        if (view === undefined) {
          context.timer(context.parts.settings.backoffMinMs, () => this.#resolve(leader, pending));
          return;
        }
        this.coordinatorChanged(view);
        if (!this.#isWritten(pending)) {
          this.#finish({ kind: "refused", why: "The coordinator did not store it. Try again." });
        }
      }),
    );
  }

  #adopt(leader: Leader, configuration: Configuration): void {
    const { planned } = this.#inside.durable;
    if (configuration.version !== planned.configuration.version + 1) return;
    this.#writtenSeq = leader.appendConfiguration(configuration);
  }

  #isWritten({ configuration }: PendingChange): boolean {
    return this.#inside.durable.planned.configuration.version >= configuration.version;
  }

  #finish(result: ChangeResult): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#inside.context.tell(() => pending.done(result));
  }
}
