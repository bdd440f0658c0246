// Every bound of the queue service, in one place. Numbers without a source are Amazon SQS's (developer guide and API model);
// the others say where they come from. Validation at the wire, defaults of new queues and the documentation all read this file.

import { type DurationMs, days, hours, minutes, seconds } from "../base/brands.js";

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
}

export const defaultSettings: QueueSettings = {
  visibilityTimeoutMs: seconds(30),
  retentionMs: days(4),
  delayMs: seconds(0),
  messageBytesMax: limits.messageBytesMax,
  receiveWaitMs: seconds(0),
  receiptPolicy: "lenient",
  inFlightMax: 120_000,
};
