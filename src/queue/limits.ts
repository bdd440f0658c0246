// Every bound of the queue service, in one place. Numbers without a source are Amazon SQS's (developer guide and API model);
// the others say where they come from. Validation at the wire, defaults of new queues and the documentation all read this file.

import { type DurationMs, days, hours, minutes, type QueueName, seconds } from "../base/brands.js";

export const limits = {
  queueNameCharactersMax: 80,
  fifoSuffix: ".fifo",

  visibilityTimeoutMsMax: hours(12),
  /** A lease, extensions included, ends at most this long after its receive. */
  leaseMsMax: hours(12),
  delayMsMax: minutes(15),
  retentionMsMin: minutes(1),
  retentionMsMax: days(14),
  waitMsMax: seconds(20),
  messageBytesMin: 1_024,
  messageBytesMax: 1_048_576,
  inFlightMax: 10_000_000,

  batchEntriesMax: 10,
  batchBytesMax: 1_048_576,
  batchEntryIdCharactersMax: 80,
  receiveMessagesMax: 10,
  /** 4 MiB, grpc-js's default receive limit, less 64 KiB for what surrounds the bodies (queue.md 3.4.7). */
  replyBytesMax: 4 * 1_048_576 - 65_536,

  attributesMax: 10,
  attributeNameCharactersMax: 256,
  attributeTypeCharactersMax: 256,
  numberDigitsMax: 38,
  traceHeaderBytesMax: 1_024,
  idCharactersMax: 128,
  requestIdBytesMax: 64,
  receiptHandleCharactersMax: 1_024,

  /** With `sqs_timing=strict`: between two purges, and before a deleted queue may be created again. */
  strictWaitMs: seconds(60),

  tagsMax: 50,
  tagKeyCharactersMax: 128,
  tagValueCharactersMax: 256,

  listPageMax: 1_000,
  peekPageMax: 100,
  peekPageDefault: 10,
  /** Messages one peek page may look at before it answers with what it has, and bytes of those it must read whole. */
  peekExaminedMax: 10_000,
  peekExaminedBytesMax: 16 * 1_048_576,

  /** Rows one command settles (leases and delays that ended, messages that expired): keeps any single decision short. */
  settleMax: 1_000,
  /** Bytes of messages one command expires: a megabyte is 132 chunks to remove. */
  settleBytesMax: 8 * 1_048_576,
  /** Rows one reaping step removes of a purged or deleted queue. */
  reapMax: 2_000,

  produceEntriesMax: 1_000,
  produceWaitingEntriesMax: 4_096,
  produceWaitingBytesMax: 8 * 1_048_576,
  consumeCreditMessagesMax: 100_000,
  consumeCreditBytesMax: 1_073_741_824,
  consumeCreditBytesDefault: 67_108_864,
  consumeHandlesMax: 1_000,
  /**
   * Messages one receive on behalf of a stream leases at most. A stream receives once in two commits, so this bounds what it
   * gets: 250 gave 1.2 times the rate of 100, and 500 or 1,000 no more. Deciding on 250 takes about 2 ms.
   */
  consumeBatchMax: 250,
  rejectReasonCharactersMax: 128,
  rejectErrorBytesMax: 4_096,

  dedupWindowMsMax: days(7),
  /** How long a receive attempt id is remembered (SQS API reference, ReceiveMessage). */
  attemptWindowMs: minutes(5),
  receiveCountMax: 1_000,
  allowedSourcesMax: 10,
  policyBytesMax: 8_192,
  /** Ours: SQS has no retry policy, priority, time to live or limit by group. */
  backoffMsMin: seconds(1),
  backoffMsMax: hours(12),
  backoffFactorMax: 10,
  priorityMax: 9,
  priorityAgeingMsMin: seconds(1),
  priorityAgeingMsMax: days(1),
  timeToLiveMsMin: seconds(1),
  timeToLiveMsMax: days(14),
  /** The last instant of the year 9999, which is as far as a Timestamp goes. */
  deliverAtMax: 253_402_300_799_999,
  /** Receives of a message whose time and end are kept with it, the latest ones. */
  attemptsKeptMax: 16,
  moveRateMax: 500,
  /** Messages a step of a move task, or of its preview, looks at, and bytes of those it must read whole: about 3 ms each. */
  moveExaminedMax: 500,
  moveExaminedBytesMax: 2 * 1_048_576,
  /** Messages one step moves, and their bytes, save that one always is. */
  moveCountMax: 100,
  moveBytesMax: 1_048_576,
  /** A task with a rate that is late by more than this does not catch up. */
  moveCatchUpMsMax: 100,
  /** Ended tasks kept of each source. */
  moveTasksKept: 10,
  moveTaskPageMax: 10,
  moveMessageIdsMax: 1_000,
  moveBodyContainsBytesMax: 1_024,
  previewSamplesMax: 10,
  previewSamplesDefault: 3,
  /** Queues, and reasons, that a preview counts by: what they take with their names has room beside the samples. */
  previewNamesMax: 100,
  /** Of a queue. Its deletion takes them along in one command: a thousand of a mebibyte are 135,000 rows, some 2 s. */
  schedulesMax: 1_000,
  scheduleNameCharactersMax: 80,
  intervalMsMin: seconds(1),
  intervalMsMax: days(365),
  /** A time that passed longer ago was missed. */
  missedRunMsMax: seconds(60),
  schedulePageMax: 100,
  /** Schedules one command runs: about 10 ms. And bytes they send, save that one always does. */
  scheduleRunsMax: 100,
  scheduleRunBytesMax: 1_048_576,
  /** Remembered deduplication ids one step of the sweeper looks at. */
  sweptIdsMax: 2_000,
} as const;

/** When a group on a standard queue is noisy (SQS developer guide, fair queues). */
export const fairness = {
  /** Its part of what is in flight, and of the recent processing time, above which it is. */
  shareMax: 0.1,
  /** In flight, it must hold at least so many. */
  inFlightMin: 30,
  /** Ours: a tenth of what one worker does in a minute; below it nobody is burdened. */
  busyMsMin: seconds(6),
  /** Processing time is counted over about the last so many milliseconds. */
  busyWindowMs: seconds(60),
  /** It is quiet again so long after its last send. */
  quietAfterMs: minutes(5),
} as const;

/** From this many receives on, a message goes behind all others each time it becomes visible again (SQS developer guide). */
export const backOfQueueReceiveCount = 3;

export interface QueueSettings {
  readonly visibilityTimeoutMs: DurationMs;
  readonly retentionMs: DurationMs;
  readonly delayMs: DurationMs;
  readonly messageBytesMax: number;
  readonly receiveWaitMs: DurationMs;
  readonly receiptPolicy: "lenient" | "strict";
  readonly inFlightMax: number;
  /** Where messages go that were received too often; undefined: nowhere. */
  readonly redrive: RedrivePolicy | undefined;
  /** Who may send dead letters here; undefined: every queue of the namespace. */
  readonly redriveAllow: RedriveAllow | undefined;
  /** The resource policy's JSON text, as it was given. */
  readonly policy: string | undefined;
  /** 0: deduplication ids are refused (standard queues only). */
  readonly dedupWindowMs: DurationMs;
  readonly isContentDeduplicated: boolean;
  readonly dedupScope: "queue" | "group";
  /** Kept for SQS's sake; nothing is throttled. */
  readonly fifoThroughput: "queue" | "group";
  readonly isPaused: boolean;
  readonly retry: RetryPolicy | undefined;
  /** 0: no limit. */
  readonly groupInFlightMax: number;
  /** What one step of priority is worth in waiting. */
  readonly priorityAgeingMs: DurationMs;
}

export interface RedrivePolicy {
  /** In the same namespace, of the same type. It may have been deleted since. */
  readonly deadLetterQueue: QueueName;
  readonly receiveCountMax: number;
}

export type RedriveAllow =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  | { readonly kind: "by_queue"; readonly sources: readonly QueueName[] };

/** Waits between deliveries: `minimumMs`, then each `factor` times the one before, up to `maximumMs`. */
export interface RetryPolicy {
  readonly minimumMs: DurationMs;
  readonly maximumMs: DurationMs;
  readonly factor: number;
}

const defaultSettings: QueueSettings = {
  visibilityTimeoutMs: seconds(30),
  retentionMs: days(4),
  delayMs: seconds(0),
  messageBytesMax: limits.messageBytesMax,
  receiveWaitMs: seconds(0),
  receiptPolicy: "lenient",
  inFlightMax: 120_000,
  redrive: undefined,
  redriveAllow: undefined,
  policy: undefined,
  dedupWindowMs: seconds(0),
  isContentDeduplicated: false,
  dedupScope: "queue",
  fifoThroughput: "queue",
  isPaused: false,
  retry: undefined,
  groupInFlightMax: 0,
  priorityAgeingMs: minutes(1),
};

/** The settings of a new queue, and what a setting that is reset goes back to. */
export const defaultsOf = (isFifo: boolean): QueueSettings =>
  isFifo ? fifoDefaults : defaultSettings;

const fifoDefaults: QueueSettings = { ...defaultSettings, dedupWindowMs: minutes(5) };
