// The keys of pushed subscriptions: `keys.ts` says how keys are made and lists all of them.

import { hash } from "node:crypto";
import type { EpochMs, Sequence } from "../base/brands.js";
import { segmentPrefix, u64Text } from "./keys.js";

export const pushLetters = {
  confirmation: "N",
  token: "O",
  place: "P",
  pending: "Q",
  due: "T",
} as const;

const idText = (id: Buffer): string => id.toString("latin1");

export const confirmationKey = (prefix: string, id: Buffer): string => `${prefix}N${idText(id)}`;
/** Hashed: whoever reads keys in a report need not learn tokens. */
export const tokenKey = (prefix: string, token: string): string =>
  `${prefix}O${hash("sha256", token, "binary").slice(0, 16)}`;
export const pushPlaceKey = (prefix: string, id: Buffer): string => `${prefix}P${idText(id)}`;
export const pendingPushesPrefix = (prefix: string, id: Buffer): string =>
  `${prefix}Q${idText(id)}`;
export const pendingPushKey = (prefix: string, id: Buffer, sequence: Sequence): string =>
  `${pendingPushesPrefix(prefix, id)}${u64Text(sequence)}`;
export const pushDuesPrefix = (prefix: string, id: Buffer): string => `${prefix}T${idText(id)}`;
export const pushDueKey = (prefix: string, id: Buffer, at: EpochMs, sequence: Sequence): string =>
  `${pushDuesPrefix(prefix, id)}${u64Text(at)}${u64Text(sequence)}`;

/** About the whole store. */
export const confirmationDueKey = (
  at: EpochMs,
  slot: number,
  segment: number,
  id: Buffer,
): string => `\x90${u64Text(at)}${segmentPrefix(slot, segment)}${idText(id)}`;
export const signingIdentityKey = (madeAt: EpochMs): string => `\x91${u64Text(madeAt)}`;

/** After every key of eight more bytes: a number is below 2^53, so it never begins with 0xff. */
export const endOfNumbers = (prefix: string): string => `${prefix}\xff`;
