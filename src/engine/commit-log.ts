// Where the engine's records go to become safe. Alone that is the store of this node; in a group it is the log that the leader
// streams to other zones. The engine is the same over both: it keeps what it decided in the overlay until the log says that it
// is applied, and answers when the log says that it is committed.

import type { RowChange } from "../store/store.js";

/** Where a committed record stands: what a caller shows to a replica to read no older state. Absent on a node alone. */
export interface CommitPosition {
  readonly epoch: number;
  readonly seq: number;
}

/** What becomes of one record, told in this order, each at most once. */
export interface RecordProgress {
  /** It is on this node's disk: the next record may come. */
  stored(): void;
  /** As many zones as configured have it on disk: it will never be undone, and replies may go. */
  committed(position: CommitPosition | undefined): void;
  /** Reads of this node's store see it from now on. */
  applied(): void;
  /**
   * Instead of the rest. `StorageFull`, before `stored`: nothing of it was stored anywhere and it may be decided anew.
   * `LeadershipLost`: it may or may not become committed under another leader; nobody here can know. Any other error ends the
   * process.
   */
  failed(error: Error): void;
}

export interface CommitLog {
  /**
   * About how many bytes of changes one record may have, unless one command has more. What is decided beyond that while a
   * record is being stored forms the record after the next.
   */
  readonly recordBytesMax: number;
  /** Takes the changes of one record. Called again only after `stored` of the one before. Never calls back from within. */
  append(changes: readonly RowChange[], progress: RecordProgress): void;
  /**
   * Whether what was read from this node's state may be told as the truth of now: false from the moment on at which another
   * node may lead. Always true on a node alone. Cheap: asked for every answer that waits for no record.
   */
  mayAnswer(): boolean;
  /** Up to where this node's state was committed when the engine began; undefined on a node alone. */
  readonly beginsAt: CommitPosition | undefined;
}

export { LeadershipLost } from "../base/leadership-lost.js";
