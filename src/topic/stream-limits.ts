// Every bound of durable streams. Ours: SNS has nothing like them.

import { type DurationMs, minutes, seconds } from "../base/brands.js";

export const streamLimits = {
  nameCharactersMax: 80,
  ackDeadlineMsMin: seconds(10),
  ackDeadlineMsMax: minutes(10),
  inFlightMin: 1,
  inFlightMax: 10_000,
  creditMax: 10_000,
  handlesMax: 1_000,
  reasonBytesMax: 1_024,
  /** Messages one receive leases at most, and their bytes, save that one always is: a megabyte is what a slow reader holds. */
  receiveMessagesMax: 100,
  receiveBytesMax: 1_048_576,
  /** Receives that find only what has to be given up, one after another in one command. */
  roundsMax: 10,
} as const;

/** How consumers of a stream share it; what is unset has its default. */
export interface StreamSettings {
  readonly ackDeadlineMs?: DurationMs;
  readonly inFlightMax?: number;
}

export const streamDefaults = {
  ackDeadlineMs: seconds(30),
  inFlightMax: 100,
} as const satisfies StreamSettings;
