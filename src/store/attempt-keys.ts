// The keys of attempts to deliver: `keys.ts` says how keys are made and lists all of them.

import type { EpochMs } from "../base/brands.js";
import { segmentPrefix, u64Text } from "./keys.js";

export const attemptLetters = {
  record: "I",
  attempt: "J",
  lastOf: "L",
} as const;

const idText = (id: Buffer): string => id.toString("latin1");

export const attemptRecordKey = (prefix: string, id: Buffer): string => `${prefix}I${idText(id)}`;
export const keptAttemptKey = (prefix: string, id: Buffer, number: number): string =>
  `${prefix}J${idText(id)}${u64Text(number)}`;
export const lastAttemptKey = (prefix: string, id: Buffer, messageId: Buffer): string =>
  `${prefix}L${idText(id)}${idText(messageId)}`;

/** About the whole store. */
export const attemptsDueByte = "\x97";
export const attemptsDueKey = (at: EpochMs, slot: number, segment: number, id: Buffer): string =>
  `${attemptsDueByte}${u64Text(at)}${segmentPrefix(slot, segment)}${idText(id)}`;
