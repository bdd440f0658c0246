// The keys of topics: `keys.ts` says how keys are made and lists all of them. What a topic holds stands in a segment of its own,
// as the messages of a queue do, under other letters.

import { hash } from "node:crypto";
import type { EpochMs, Sequence } from "../base/brands.js";
import { segmentPrefix, u64Text } from "./keys.js";

export const topicLetters = {
  counters: "C",
  deliveries: "D",
  endpoint: "E",
  ownPlace: "K",
  message: "M",
  catchingUp: "R",
  subscription: "S",
  published: "U",
  publishedTime: "V",
  filters: "X",
} as const;

/** Of a subscription: a UUID. */
export const idBytes = 16;

const idText = (id: Buffer): string => id.toString("latin1");

export const topicKey = (namespace: string, name: string): string => `\x8b${namespace}\x00${name}`;
export const topicCountKey = (namespace: string): string => `\x8c${namespace}`;
export const subscriptionIdKey = (id: Buffer): string => `\x8d${idText(id)}`;
export const namespaceSubscriptionKey = (namespace: string, id: Buffer): string =>
  `\x8e${namespace}\x00${idText(id)}`;
export const endedTopicKey = (slot: number, segment: number): string =>
  `\x8f${segmentPrefix(slot, segment)}`;

export const topicFiltersKey = (prefix: string): string => `${prefix}X`;
export const topicCountersKey = (prefix: string): string => `${prefix}C`;
export const deliveriesKey = (prefix: string, id: Buffer): string => `${prefix}D${idText(id)}`;
/** Hashed, since an endpoint may be longer than a key. */
export const endpointKey = (prefix: string, kind: string, endpoint: string): string =>
  `${prefix}E${hash("sha256", `${kind} ${endpoint}`, "binary").slice(0, idBytes)}`;
export const ownPlaceKey = (prefix: string, cursor: Sequence, id: Buffer): string =>
  `${prefix}K${u64Text(cursor)}${idText(id)}`;
export const topicMessageKey = (prefix: string, sequence: Sequence): string =>
  `${prefix}M${u64Text(sequence)}`;
export const catchingUpKey = (prefix: string, id: Buffer): string => `${prefix}R${idText(id)}`;
export const subscriptionKey = (prefix: string, id: Buffer): string => `${prefix}S${idText(id)}`;
/** Ids are printable ASCII. */
export const publishedKey = (prefix: string, key: string): string => `${prefix}U${key}`;
export const publishedTimeKey = (prefix: string, at: EpochMs, key: string): string =>
  `${prefix}V${u64Text(at)}${key}`;
