// The engine's log while this node leads a group: records go to the member, which streams them to the other zones.

import type { EpochMs } from "../base/brands.js";
import type { CommitLog, CommitPosition, RecordProgress } from "../engine/commit-log.js";
import type { Leadership } from "../replication/ports.js";
import { frameHeaderBytes } from "../store/bytes.js";
import type { StateChange } from "../store/replica-disk.js";
import type { RowChange } from "../store/store.js";

export interface ReplicatedLogParts {
  readonly leadership: Leadership;
  /** What is committed and applied as the term begins. */
  readonly beginsAt: CommitPosition;
  readonly now: () => EpochMs;
  readonly recordBytesMax: number;
}

export class ReplicatedLog implements CommitLog {
  readonly recordBytesMax: number;
  readonly beginsAt: CommitPosition;
  readonly #leadership: Leadership;
  readonly #now: () => EpochMs;

  constructor({ leadership, beginsAt, now, recordBytesMax }: ReplicatedLogParts) {
    this.#leadership = leadership;
    this.beginsAt = beginsAt;
    this.#now = now;
    this.recordBytesMax = recordBytesMax;
  }

  append(changes: readonly RowChange[], progress: RecordProgress): void {
    const { epoch } = this.#leadership;
    try {
      this.#leadership.append(changes.map(stateChangeOf), this.#now(), {
        stored: () => progress.stored(),
        committed: (seq) => progress.committed({ epoch, seq }),
        applied: () => progress.applied(),
        failed: (error) => progress.failed(error),
      });
    } catch (thrown) {
      // It may have lost its leadership before it was asked; the engine hears of everything after it asked.
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      queueMicrotask(() => progress.failed(error));
    }
  }

  mayAnswer(): boolean {
    return this.#leadership.mayAnswer();
  }
}

/** The same bytes, without those that the store would have sealed. */
const stateChangeOf = ({ key, framed, mayReplaceChunks }: RowChange): StateChange => ({
  key: Buffer.from(key, "latin1"),
  value: framed?.subarray(frameHeaderBytes),
  mayReplaceChunks,
});
