// What members say to each other, as the protocol's code handles it: plain numbers, names for ids, one case a message. How it
// looks on the wire is in `wire.ts`, what each message is for in the contract (`replication_service.proto`).

import type { Epoch, EpochMs, LogSeq } from "../base/brands.js";
import type { Configuration, EpochBegin, StateChange } from "../store/replica-disk.js";

/** What travels of a record; its place and its epoch are inside the bytes. */
export interface SealedRecord {
  readonly record: Buffer;
  readonly crc32: number;
  readonly chain: Buffer;
}

export interface Position {
  readonly promisedEpoch: Epoch;
  readonly lastEpoch: Epoch;
  readonly lastSeq: LogSeq;
  readonly lastChain: Buffer;
  readonly appliedSeq: LogSeq;
  /** The first record its log still holds. */
  readonly logFirstSeq: LogSeq;
  readonly epochBegins: readonly EpochBegin[];
  readonly configVersion: number;
  readonly mayLead: boolean;
  readonly wallMs: number;
  readonly diskFreeBytes: number;
}

export interface AppendMessage {
  readonly kind: "append";
  readonly epoch: Epoch;
  readonly prevSeq: LogSeq;
  readonly prevEpoch: Epoch;
  readonly prevChain: Buffer;
  readonly entries: readonly SealedRecord[];
  readonly commitSeq: LogSeq;
  readonly leaderTime: EpochMs;
  readonly sentAt: number;
  readonly round: number;
  /** 0: proves nothing. */
  readonly memberSentAt: number;
}

export interface AckMessage {
  readonly kind: "ack";
  readonly epoch: Epoch;
  readonly durableSeq: LogSeq;
  readonly appliedSeq: LogSeq;
  readonly sentAt: number;
  readonly round: number;
  readonly diskFreeBytes: number;
  readonly wallMs: number;
  readonly memberSentAt: number;
}

export interface NackMessage {
  readonly kind: "nack";
  readonly epoch: Epoch;
  readonly position: Position;
  readonly round: number;
  readonly memberSentAt: number;
}

export interface OfferSnapshotMessage {
  readonly kind: "offer_snapshot";
  readonly epoch: Epoch;
  readonly snapshotId: number;
  readonly startSeq: LogSeq;
  readonly startEpoch: Epoch;
  readonly startChain: Buffer;
  readonly epochBegins: readonly EpochBegin[];
  readonly configuration: Configuration;
  readonly estimatedBytes: number;
  readonly leaderTime: EpochMs;
}

export interface StateSliceMessage {
  readonly kind: "state_slice";
  readonly epoch: Epoch;
  readonly snapshotId: number;
  readonly afterKey: Buffer;
  readonly rows: readonly StateChange[];
  readonly crc32: number;
  readonly appliedSeq: LogSeq;
  readonly isLast: boolean;
}

export interface LogSliceMessage {
  readonly kind: "log_slice";
  readonly epoch: Epoch;
  readonly fromSeq: LogSeq;
  readonly entries: readonly SealedRecord[];
}

export interface AskSliceMessage {
  readonly kind: "ask_slice";
  readonly epoch: Epoch;
  readonly snapshotId: number;
  readonly afterKey: Buffer;
}

export type Message =
  | { readonly kind: "ask_position" }
  | { readonly kind: "position"; readonly position: Position }
  | { readonly kind: "hello"; readonly epoch: Epoch }
  | { readonly kind: "hello_ack"; readonly epoch: Epoch; readonly position: Position }
  | { readonly kind: "refusal"; readonly epoch: Epoch; readonly promisedEpoch: Epoch }
  | AppendMessage
  | AckMessage
  | NackMessage
  | { readonly kind: "fetch_log"; readonly epoch: Epoch; readonly fromSeq: LogSeq }
  | LogSliceMessage
  | OfferSnapshotMessage
  | AskSliceMessage
  | StateSliceMessage
  | { readonly kind: "transfer_now"; readonly epoch: Epoch; readonly lastSeq: LogSeq };
