// How patient, how fast and how big a member is, where its operator says nothing. The times belong together: a lease of 5
// seconds holds 33 heartbeats, and a leader that hears nobody for 2 seconds gives its lease back before it ends.

import type { MemberSettings } from "./ports.js";

const mebibyte = 1_048_576;
const gibibyte = 1_024 * mebibyte;

export const defaultMemberSettings: MemberSettings = {
  heartbeatMs: 150,
  voterSilenceMsMax: 2_000,
  leaseMarginMs: 1_000,
  yieldMs: 300,
  backoffMinMs: 200,
  backoffMaxMs: 2_000,
  windowBytesMax: 8 * mebibyte,
  recordBytesMax: mebibyte,
  sliceBytesMax: mebibyte,
  clockSkewMsMax: 2_000,
  logKeepMs: 15 * 60_000,
  logKeepBytes: gibibyte,
  // Whoever knows the disk says a fifth of it instead.
  logBytesMax: 16 * gibibyte,
  trimCountMax: 1_000,
};

/** Changes applied in one batch: bounds how long a batch takes while a member catches up. */
export const applyBytesMax = 4 * mebibyte;
/** A copy that nobody asked a part of for so long is no longer kept, nor the log it needs. */
export const copySilenceMsMax = 10_000;
/** Who takes a copy asks again for a part that did not come within this. */
export const copyRetryMs = 1_000;
/** How long a leader that hands over waits for its records to be committed, and then for its successor. */
export const handoverMsMax = 2_000;
/** A learner further behind than this is not made a voter. */
export const promotionLagMsMax = 1_000;
/** What time a leader had when it was last heard is asked for this long; elapsed time may have stood still with the machine. */
export const leaderClockMsMax = 60_000;
/** So many times in a row the coordinator may name an epoch that is over before the operator is told (rule E7). */
export const staleViewCountMax = 10;
