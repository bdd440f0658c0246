// Bounds of pushed subscriptions. Those without a source are ours.

import { days, hours, minutes, seconds } from "../base/brands.js";

export const pushLimits = {
  /** Messages of one subscription in delivery and waiting for another attempt; more of its backlog waits untouched. */
  pendingMax: 1_000,
  /** Messages that one step leases at most, and their bytes, save that one always is. */
  leaseMax: 1_000,
  leaseBytesMax: 4_194_304,
  /** Messages that one step looks at; most may be kept back by the filter. */
  examinedMax: 500,
  /** How long a lease goes on behind the time an attempt may take: whoever leads next waits as long. */
  leaseSlackMs: seconds(10),
  /** Subscriptions looked at in one step, and topics. */
  pageMax: 500,
  errorCharactersMax: 1_024,
  /** How long a target may do nothing but fail before its subscription is disabled. */
  autoDisableMsMin: hours(1),
  autoDisableMsMax: days(30),

  /** SNS: a token is good for 48 hours; ours for taking an unsubscribe back too, where SNS has 72. */
  tokenMs: hours(48),
  tokenBytes: 32,
  /** Confirmations that one step hands out. */
  confirmationsMax: 100,
  confirmationLeaseMs: minutes(1),
  /** How often an hour a host is asked to confirm, and subscriptions it has not answered; where the server is not set otherwise. */
  asksPerHostMax: 3,
  pendingPerHostMax: 10,
  /** Rows of other hosts that each ask looks at. */
  askedHostsExamined: 4,
} as const;
