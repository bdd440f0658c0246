// The keys of archives and replays: `keys.ts` says how keys are made and lists all of them.

import { segmentPrefix } from "./keys.js";

export const archiveLetters = {
  archive: "A",
  replay: "H",
  snapshot: "Y",
} as const;

const idText = (id: Buffer): string => id.toString("latin1");

export const archiveKey = (prefix: string): string => `${prefix}A`;
export const replayKey = (prefix: string, id: Buffer): string => `${prefix}H${idText(id)}`;
export const snapshotKey = (prefix: string, id: Buffer, name: string): string =>
  `${prefix}Y${idText(id)}${name}`;

/** About the whole store. */
export const runningReplayByte = "\x95";
export const runningReplayKey = (slot: number, segment: number, id: Buffer): string =>
  `${runningReplayByte}${segmentPrefix(slot, segment)}${idText(id)}`;
