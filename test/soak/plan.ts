// What a process of a soak is to do, given to it as JSON on its command line, and what it tells of it over IPC.

/**
 * - `mixed`: a standard queue with every kind of send, over calls, batches and both streams
 * - `order`: a FIFO queue
 * - `letters`: a queue and its dead letters, which move tasks bring back
 * - `scratch`: a queue that is purged, and whose messages have times to live and to come
 */
export type FamilyName = "mixed" | "order" | "letters" | "scratch";

export interface SoakPlan {
  readonly endpoint: string;
  readonly family: FamilyName;
  readonly seed: number;
  /** One is a message sent, received or parted with, or a call of another kind. */
  readonly operations: number;
}

export type SoakEvent =
  | { readonly event: "progress"; readonly operations: number }
  | { readonly event: "result"; readonly result: SoakResult };

export interface SoakResult {
  /** By kind. */
  readonly operations: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly unknown: number;
  /** What must not be, in sentences; at most a hundred. */
  readonly violations: readonly string[];
}
