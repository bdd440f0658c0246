// What a decision is told besides the state: the instant and fresh ids. Taken once for each command by the engine.

import type { EpochMs } from "../base/brands.js";
import type { Ids } from "../base/ids.js";

export interface Stamp {
  readonly now: EpochMs;
  readonly ids: Ids;
  /** Absent: envelopes are unsigned, and their links have no host. */
  readonly envelopes?: EnvelopeParts;
  /** Absent: the defaults. */
  readonly quotas?: TopicQuotas;
}

/** How many topics, subscriptions and filters there may be, as the server is set. Each is at least 1. */
export interface TopicQuotas {
  /** Of a namespace. */
  readonly standardTopicsMax: number;
  readonly fifoTopicsMax: number;
  readonly filtersPerNamespaceMax: number;
  readonly pendingPerNamespaceMax: number;
  /** Of a topic. */
  readonly standardSubscriptionsMax: number;
  readonly fifoSubscriptionsMax: number;
  readonly filtersPerTopicMax: number;
  /** Of a host: how often an hour it is asked to confirm, and subscriptions it has not answered. */
  readonly asksPerHostMax: number;
  readonly pendingPerHostMax: number;
}

/** What envelopes of topics hold beside the message. Made outside of decisions, which wait for nothing. */
export interface EnvelopeParts {
  /** Where the links lead; empty: nowhere, and then nothing is signed, since nobody could get the certificate. */
  readonly publicBaseUrl: string;
  /** The signature of a text, if it was made already. `key` is that of `topic/envelope.ts`. */
  signatureOf(key: string): KeptSignature | undefined;
}

export interface KeptSignature {
  readonly version: 1 | 2;
  /** Base64. */
  readonly signature: string;
  readonly certificateUrl: string;
}
