// The keys of undeliverable messages: `keys.ts` says how keys are made and lists all of them.

import type { EpochMs, Sequence } from "../base/brands.js";
import { segmentPrefix, u64Text } from "./keys.js";

export const undeliverableLetters = {
  total: "B",
  record: "F",
  kept: "G",
  mark: "W",
  message: "Z",
} as const;

const idText = (id: Buffer): string => id.toString("latin1");

export const undeliverableTotalKey = (prefix: string): string => `${prefix}B`;
export const undeliverableRecordKey = (prefix: string, id: Buffer): string =>
  `${prefix}F${idText(id)}`;
export const undeliverablesPrefix = (prefix: string, id: Buffer): string =>
  `${prefix}G${idText(id)}`;
export const undeliverableKey = (prefix: string, id: Buffer, sequence: Sequence): string =>
  `${undeliverablesPrefix(prefix, id)}${u64Text(sequence)}`;
export const redriveMarksPrefix = (prefix: string, id: Buffer): string => `${prefix}W${idText(id)}`;
export const redriveMarkKey = (prefix: string, id: Buffer, sequence: Sequence): string =>
  `${redriveMarksPrefix(prefix, id)}${u64Text(sequence)}`;
export const undeliverableMessageKey = (prefix: string, id: Buffer, sequence: Sequence): string =>
  `${prefix}Z${idText(id)}${u64Text(sequence)}`;

/** About the whole store. Of a subscription that has ended time and place are 0. */
export const undeliverableDueByte = "\x98";
export const undeliverableDueKey = (
  at: EpochMs,
  slot: number,
  segment: number,
  id: Buffer,
  sequence: Sequence,
): string =>
  `${undeliverableDueByte}${u64Text(at)}${segmentPrefix(slot, segment)}${idText(id)}${u64Text(sequence)}`;
export const redriveOrderByte = "\x99";
export const redriveOrderKey = (slot: number, segment: number, id: Buffer): string =>
  `${redriveOrderByte}${segmentPrefix(slot, segment)}${idText(id)}`;
