// The engine's log while this node leads: its records become the group's, and what becomes of them is told as the group tells it.

import type { Clock } from "../base/clock.js";
import { LeadershipLost } from "../base/leadership-lost.js";
import type { CommitLog, CommitPosition, RecordProgress } from "../engine/commit-log.js";
import type { Leadership } from "../replication/ports.js";
import { frameHeaderBytes } from "../store/bytes.js";
import { StorageFull } from "../store/commit-fault.js";
import type { StateChange } from "../store/replica-disk.js";
import type { RowChange } from "../store/store.js";

/** Between two looks whether a leader that wanted to hand over leads on; it decides within some two seconds. */
const handoverLookMs = 20;

export interface LeaderLogParts {
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly recordBytesMax: number;
  readonly beginsAt: CommitPosition;
  /** A record reached as many disks as configured, so long after it was handed over. */
  readonly committed: (elapsedMs: number) => void;
}

export class LeaderLog implements CommitLog {
  readonly recordBytesMax: number;
  readonly beginsAt: CommitPosition;
  readonly #parts: LeaderLogParts;

  constructor(parts: LeaderLogParts) {
    this.#parts = parts;
    this.recordBytesMax = parts.recordBytesMax;
    this.beginsAt = parts.beginsAt;
  }

  append(changes: readonly RowChange[], progress: RecordProgress): void {
    this.#append(changes.map(stateChangeOf), progress, this.#parts.clock.monotonicMs());
  }

  #append(changes: readonly StateChange[], progress: RecordProgress, startedMs: number): void {
    const { leadership, clock, committed } = this.#parts;
    try {
      leadership.append(changes, clock.now(), {
        stored: () => progress.stored(),
        committed: (seq) => {
          committed(clock.monotonicMs() - startedMs);
          progress.committed({ epoch: leadership.epoch, seq });
        },
        applied: () => progress.applied(),
        failed: (error) => progress.failed(error),
      });
    } catch (error) {
      if (!(error instanceof LeadershipLost) && !(error instanceof StorageFull)) throw error;
      if (error instanceof LeadershipLost && leadership.mayAnswer()) {
        // It leads still and takes no records while it looks for a successor, which may come to nothing: then it goes on.
        clock.setTimer(handoverLookMs, () => this.#append(changes, progress, startedMs));
        return;
      }
      // The engine is told of nothing before it has the call behind it.
      queueMicrotask(() => progress.failed(error));
    }
  }

  mayAnswer(): boolean {
    return this.#parts.leadership.mayAnswer();
  }
}

/** A row as records carry it: without the bytes that a store keeps free for its checksum. */
export const stateChangeOf = ({ key, framed, mayReplaceChunks }: RowChange): StateChange => ({
  key: Buffer.from(key, "latin1"),
  value: framed?.subarray(frameHeaderBytes),
  mayReplaceChunks,
});
