// Bounds of archives and replays. Those without a source are ours.

import { days, hours, seconds } from "../base/brands.js";

export const archiveLimits = {
  /** SNS: 1 to 365 days. */
  retentionMsMin: days(1),
  retentionMsMax: days(365),
  /** Messages whose retention is over and that one step looks at. */
  expireMax: 200,
  /** Messages that cannot be read and that a search passes over to find one that can. */
  unreadableMax: 64,

  /** SNS has a number and does not say which. */
  replaysMax: 10,
  /** Messages that one step of a replay looks at; its filter may keep most of them back. */
  stepExaminedMax: 500,
  /** A step ends after so many copies or bytes of them. */
  stepCopiesMax: 100,
  stepBytesMax: 1_048_576,
  perSecondMax: 100_000,
  timesMin: 0.01,
  timesMax: 1_000,
  /** What a paced replay makes up for at once after it could not go on. */
  catchUpMs: seconds(1),
  /** Until a paced replay is looked at again at least, so that a fast one hands on several messages in a step. */
  pauseMsMin: 10,
  /** Until a replay is looked at again that waits: for a target with too much to do, or for its end, which is yet to come. */
  lookAgainMs: seconds(1),
  /** Replays looked at in one step when those that run are found. */
  pageMax: 500,

  snapshotsMax: 100,
  snapshotMsMin: hours(1),
  snapshotNameCharactersMax: 80,
} as const;
