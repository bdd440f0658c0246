// Every bound of this client, with its unit and where it comes from.

/** Entries a batch call takes at most: the contract's own limit. */
export const batchEntriesMax = 10;

/** Bytes the messages of one batch sum to at most: the contract's own limit. */
export const batchBytesMax = 1_048_576;

/**
 * Full batches in flight at most, per queue and kind of call. The server commits one record at a time and takes what
 * arrived meanwhile into the next, so that more in flight only wait there.
 */
export const batchesInFlightMax = 64;

/**
 * Batches in flight up to which one that is not full leaves at once. Beyond, it waits for more entries or for an answer: at
 * most one round trip, in which the server would have committed something else anyway.
 */
export const partialBatchesInFlightMax = 4;

/** Entries that wait to leave in a batch at most, per queue; one more is refused with CLIENT_BACKLOG. */
export const batchedEntriesPendingMax = 100_000;

/** Bytes of entries that wait to leave in a batch at most, per queue; more are refused with CLIENT_BACKLOG. */
export const batchedBytesPendingMax = 268_435_456;

/** Entries a request of a Produce stream takes at most: the contract's own limit. */
export const produceEntriesMax = 1_000;

/** Bytes a request of a Produce stream carries at most, so that one with one large message more stays below 4 MiB. */
export const produceBytesMax = 2_097_152;

/** Receipt handles an ack, nack or reject of a Consume stream takes at most: the contract's own limit. */
export const consumeHandlesMax = 1_000;

/** The longest a receive may wait, and the longest wait a queue may default to: the contract's own limit. */
export const waitTimeMaxMs = 20_000;

/** How much later than its wait a long poll's deadline lies, for the way there and back. */
export const longPollGraceMs = 5_000;

/** The longest a lease or a delay of a nack may be: the contract's own limit, 12 hours. */
export const visibilityTimeoutMaxMs = 43_200_000;
