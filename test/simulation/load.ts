// The engine's part of a simulated node while its member leads: one record after another with values nobody else writes, reads
// under the lease and by confirmation, and questions how many voters have a record.

import { epochMs, type LogSeq } from "../../src/base/brands.js";
import { LeadershipLost } from "../../src/base/leadership-lost.js";
import type { AppendProgress, Leadership, MemberClock } from "../../src/replication/ports.js";
import type { StateChange } from "../../src/store/replica-disk.js";
import type { ClientJudge } from "./judge-clients.js";

import type { Prng } from "./prng.js";
import type { Schedule } from "./schedule.js";
import { type Trace, Violation } from "./trace.js";

export interface LoadParts {
  readonly name: string;
  readonly memberId: string;
  readonly leadership: Leadership;
  readonly schedule: Schedule;
  readonly prng: Prng;
  readonly clock: MemberClock;
  readonly clients: ClientJudge;
  readonly trace: Trace;
  readonly worldMs: () => number;
  /** What the state has when this leader begins. */
  readonly appliedSeq: number;
  /** No client may be told an earlier time than this one. */
  readonly notBeforeMs: number;
  /** The next value nobody wrote yet. */
  readonly nextValue: () => string;
  readonly appliedOnDisk: () => number;
  readonly isQuiet: () => boolean;
  /** Runs a check whose complaint must not be lost in the code that called. */
  readonly recorded: (check: () => void) => void;
}

type Stage = "handed" | "stored" | "committed" | "applied" | "failed";

export class Load {
  readonly #parts: LoadParts;
  #isOver = false;
  #mayAppend = true;
  #seenSeq: number;
  #timeMs: number;

  constructor(parts: LoadParts) {
    this.#parts = parts;
    this.#seenSeq = parts.appliedSeq;
    this.#timeMs = parts.notBeforeMs;
    this.#writeLater();
    this.#readLater();
  }

  /** Leadership is over, or the process. */
  end(): void {
    this.#isOver = true;
  }

  #writeLater(): void {
    const { clock, prng, schedule } = this.#parts;
    clock.setTimer(prng.span(schedule.writeEveryMs), () => {
      if (this.#isOver) return;
      if (this.#mayAppend && !this.#parts.isQuiet()) this.#write();
      if (!this.#isOver) this.#writeLater();
    });
  }

  #readLater(): void {
    const { clock, prng, schedule } = this.#parts;
    clock.setTimer(prng.span(schedule.readEveryMs), () => {
      if (this.#isOver) return;
      this.#read();
      if (!this.#isOver) this.#readLater();
    });
  }

  #write(): void {
    const { leadership, clock, trace, name } = this.#parts;
    const value = this.#parts.nextValue();
    this.#timeMs = Math.max(this.#timeMs, clock.wallMs());
    this.#mayAppend = false;
    try {
      let seq: LogSeq | undefined;
      const progress = this.#progress(value, () => seq);
      seq = leadership.append(this.#changes(value), epochMs(this.#timeMs), progress);
      trace.note(() => `${name} appends ${leadership.epoch}/${seq} = ${value}`);
    } catch (error) {
      // Its role may be changing, or it lets another member take over and that fails: it is asked again.
      if (!(error instanceof LeadershipLost)) throw error;
      this.#mayAppend = true;
    }
  }

  #progress(value: string, seqOf: () => LogSeq | undefined): AppendProgress {
    let stage: Stage = "handed";
    const { name, clients, leadership, memberId, worldMs, appliedOnDisk } = this.#parts;
    const advance = (to: Stage, from: Stage): void => {
      this.#parts.recorded(() => {
        if (stage !== from) throw new Violation("progress", `${name} tells ${to} after ${stage}`);
      });
      stage = to;
    };
    return {
      stored: () => {
        advance("stored", "handed");
        this.#mayAppend = true;
      },
      committed: (seq) => {
        advance("committed", "stored");
        this.#parts.recorded(() => {
          if (seq !== seqOf()) {
            throw new Violation("progress", `${name} commits at ${seq} what it took at ${seqOf()}`);
          }
          const claim = { by: name, memberId, epoch: leadership.epoch, seq };
          clients.acknowledged(claim, value, worldMs());
        });
        this.#seenSeq = Math.max(this.#seenSeq, seq);
      },
      applied: () => {
        advance("applied", "committed");
        this.#parts.recorded(() => {
          if (appliedOnDisk() >= (seqOf() ?? 0)) return;
          throw new Violation(
            "progress",
            `${name} tells that ${seqOf()} is applied, and it is not`,
          );
        });
      },
      failed: (error) => {
        this.#parts.recorded(() => {
          if (stage === "applied" || stage === "failed") {
            throw new Violation("progress", `${name} tells failed after ${stage}`);
          }
          if (!(error instanceof LeadershipLost) && error.name !== "StorageFull") throw error;
        });
        stage = "failed";
        this.#mayAppend = true;
      },
    };
  }

  #changes(value: string): readonly StateChange[] {
    const { prng, schedule } = this.#parts;
    const keyOf = (): Buffer => Buffer.from(`k${prng.integer(1, schedule.keyCount)}`);
    const first: StateChange = {
      key: keyOf(),
      value: Buffer.from(value, "latin1"),
      mayReplaceChunks: false,
    };
    const more = Array.from({ length: prng.pick([0, 0, 1, 3]) }, (): StateChange => {
      const key = keyOf();
      const isRemoval = prng.chance(0.4);
      const other = isRemoval ? undefined : Buffer.from(`${value}+${key.toString()}`);
      return { key, value: other, mayReplaceChunks: false };
    });
    // Not of the first change's row, which must stand.
    return [first, ...more.filter(({ key }) => !key.equals(first.key))];
  }

  #read(): void {
    const { leadership, clients, name, schedule, prng } = this.#parts;
    const requiredSeq = clients.acknowledgedSeq;
    if (leadership.mayAnswer() && schedule.leasesHold) {
      clients.read(name, "lease", this.#seenSeq, requiredSeq);
    }
    if (prng.chance(0.5)) {
      leadership.confirm((isConfirmed) => {
        if (!isConfirmed) return;
        this.#parts.recorded(() => clients.read(name, "confirm", this.#seenSeq, requiredSeq));
      });
    }
    if (prng.chance(0.1) && this.#seenSeq > 0) {
      const count = prng.integer(1, 3);
      const seq = this.#seenSeq as LogSeq;
      leadership.whenDurable(seq, count, (isDurable) => {
        if (isDurable) this.#parts.recorded(() => clients.durable(name, seq, count));
      });
      clients.durable(name, seq, leadership.durableCount(seq));
    }
  }
}
