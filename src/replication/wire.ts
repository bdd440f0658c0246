// Between what members send each other and what the protocol's code handles: the only place that knows that the wire's 64-bit
// numbers are bigints and its ids bytes. Bytes are passed on as they are, never copied.

import {
  type Epoch,
  type EpochMs,
  epoch,
  epochMs,
  type LogSeq,
  logSeq,
  type MemberId,
  memberId,
} from "../base/brands.js";
import {
  Acks,
  type EpochStart,
  type GroupConfig,
  type Mutation,
  type LogEntry as WireEntry,
} from "../gen/forebay/replication/v1/record.js";
import type {
  PeerMessage,
  Position as WirePosition,
} from "../gen/forebay/replication/v1/replication_service.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import type { AcksMode, Configuration, EpochBegin, StateChange } from "../store/replica-disk.js";
import type { Message, Position, SealedRecord } from "./message.js";

type WireMessage = NonNullable<PeerMessage["kind"]>;

export const messageToWire = (message: Message): PeerMessage => ({ kind: kindToWire(message) });

function kindToWire(message: Message): WireMessage {
  switch (message.kind) {
    case "ask_position":
      return { $case: "askPosition", value: {} };
    case "position":
      return { $case: "position", value: positionToWire(message.position) };
    case "hello":
      return { $case: "hello", value: { epoch: BigInt(message.epoch) } };
    case "hello_ack":
      return {
        $case: "helloAck",
        value: { epoch: BigInt(message.epoch), position: positionToWire(message.position) },
      };
    case "refusal":
      return {
        $case: "refusal",
        value: { epoch: BigInt(message.epoch), promisedEpoch: BigInt(message.promisedEpoch) },
      };
    case "append":
      return {
        $case: "append",
        value: {
          epoch: BigInt(message.epoch),
          prevSeq: BigInt(message.prevSeq),
          prevEpoch: BigInt(message.prevEpoch),
          prevChain: message.prevChain,
          entries: message.entries as SealedRecord[],
          commitSeq: BigInt(message.commitSeq),
          leaderTime: timeToWire(message.leaderTime),
          sentAt: message.sentAt,
          round: BigInt(message.round),
          memberSentAt: message.memberSentAt,
        },
      };
    case "ack":
      return {
        $case: "ack",
        value: {
          epoch: BigInt(message.epoch),
          durableSeq: BigInt(message.durableSeq),
          appliedSeq: BigInt(message.appliedSeq),
          sentAt: message.sentAt,
          round: BigInt(message.round),
          diskFreeBytes: BigInt(message.diskFreeBytes),
          wallTime: timeToWire(message.wallMs),
          memberSentAt: message.memberSentAt,
        },
      };
    case "nack":
      return {
        $case: "nack",
        value: {
          epoch: BigInt(message.epoch),
          position: positionToWire(message.position),
          round: BigInt(message.round),
          memberSentAt: message.memberSentAt,
        },
      };
    case "fetch_log":
      return {
        $case: "fetchLog",
        value: { epoch: BigInt(message.epoch), fromSeq: BigInt(message.fromSeq) },
      };
    case "log_slice":
      return {
        $case: "logSlice",
        value: {
          epoch: BigInt(message.epoch),
          fromSeq: BigInt(message.fromSeq),
          entries: message.entries as SealedRecord[],
        },
      };
    case "offer_snapshot":
      return {
        $case: "offerSnapshot",
        value: {
          epoch: BigInt(message.epoch),
          snapshotId: BigInt(message.snapshotId),
          startSeq: BigInt(message.startSeq),
          startEpoch: BigInt(message.startEpoch),
          startChain: message.startChain,
          epochStarts: message.epochBegins.map(beginToWire),
          config: configurationToWire(message.configuration),
          estimatedBytes: BigInt(message.estimatedBytes),
          leaderTime: timeToWire(message.leaderTime),
        },
      };
    case "ask_slice":
      return {
        $case: "askSlice",
        value: {
          epoch: BigInt(message.epoch),
          snapshotId: BigInt(message.snapshotId),
          afterKey: message.afterKey,
        },
      };
    case "state_slice":
      return {
        $case: "stateSlice",
        value: {
          epoch: BigInt(message.epoch),
          snapshotId: BigInt(message.snapshotId),
          afterKey: message.afterKey,
          rows: message.rows as StateChange[],
          crc32: message.crc32,
          appliedSeq: BigInt(message.appliedSeq),
          isLast: message.isLast,
        },
      };
    case "transfer_now":
      return {
        $case: "transferNow",
        value: { epoch: BigInt(message.epoch), lastSeq: BigInt(message.lastSeq) },
      };
  }
}

/** What a member said; undefined for what this release does not know, and for what only connections say. */
export function messageFromWire({ kind }: PeerMessage): Message | undefined {
  switch (kind?.$case) {
    case "askPosition":
      return { kind: "ask_position" };
    case "position":
      return { kind: "position", position: positionFrom(kind.value) };
    case "hello":
      return { kind: "hello", epoch: epochFrom(kind.value.epoch) };
    case "helloAck": {
      const { epoch, position } = kind.value;
      if (position === undefined) return undefined;
      return { kind: "hello_ack", epoch: epochFrom(epoch), position: positionFrom(position) };
    }
    case "refusal":
      return {
        kind: "refusal",
        epoch: epochFrom(kind.value.epoch),
        promisedEpoch: epochFrom(kind.value.promisedEpoch),
      };
    case "append":
      return {
        kind: "append",
        epoch: epochFrom(kind.value.epoch),
        prevSeq: seqFrom(kind.value.prevSeq),
        prevEpoch: epochFrom(kind.value.prevEpoch),
        prevChain: bufferOf(kind.value.prevChain),
        entries: kind.value.entries.map(sealedFrom),
        commitSeq: seqFrom(kind.value.commitSeq),
        leaderTime: timeFrom(kind.value.leaderTime),
        sentAt: kind.value.sentAt,
        round: Number(kind.value.round),
        memberSentAt: kind.value.memberSentAt,
      };
    case "ack":
      return {
        kind: "ack",
        epoch: epochFrom(kind.value.epoch),
        durableSeq: seqFrom(kind.value.durableSeq),
        appliedSeq: seqFrom(kind.value.appliedSeq),
        sentAt: kind.value.sentAt,
        round: Number(kind.value.round),
        diskFreeBytes: Number(kind.value.diskFreeBytes),
        wallMs: timeFrom(kind.value.wallTime),
        memberSentAt: kind.value.memberSentAt,
      };
    case "nack": {
      const { epoch, position, round, memberSentAt } = kind.value;
      if (position === undefined) return undefined;
      return {
        kind: "nack",
        epoch: epochFrom(epoch),
        position: positionFrom(position),
        round: Number(round),
        memberSentAt,
      };
    }
    case "fetchLog":
      return {
        kind: "fetch_log",
        epoch: epochFrom(kind.value.epoch),
        fromSeq: seqFrom(kind.value.fromSeq),
      };
    case "logSlice":
      return {
        kind: "log_slice",
        epoch: epochFrom(kind.value.epoch),
        fromSeq: seqFrom(kind.value.fromSeq),
        entries: kind.value.entries.map(sealedFrom),
      };
    case "offerSnapshot": {
      const { config } = kind.value;
      if (config === undefined) return undefined;
      return {
        kind: "offer_snapshot",
        epoch: epochFrom(kind.value.epoch),
        snapshotId: Number(kind.value.snapshotId),
        startSeq: seqFrom(kind.value.startSeq),
        startEpoch: epochFrom(kind.value.startEpoch),
        startChain: bufferOf(kind.value.startChain),
        epochBegins: kind.value.epochStarts.map(beginFrom),
        configuration: configurationFrom(config),
        estimatedBytes: Number(kind.value.estimatedBytes),
        leaderTime: timeFrom(kind.value.leaderTime),
      };
    }
    case "askSlice":
      return {
        kind: "ask_slice",
        epoch: epochFrom(kind.value.epoch),
        snapshotId: Number(kind.value.snapshotId),
        afterKey: bufferOf(kind.value.afterKey),
      };
    case "stateSlice":
      return {
        kind: "state_slice",
        epoch: epochFrom(kind.value.epoch),
        snapshotId: Number(kind.value.snapshotId),
        afterKey: bufferOf(kind.value.afterKey),
        rows: kind.value.rows.map(changeFrom),
        crc32: kind.value.crc32,
        appliedSeq: seqFrom(kind.value.appliedSeq),
        isLast: kind.value.isLast,
      };
    case "transferNow":
      return {
        kind: "transfer_now",
        epoch: epochFrom(kind.value.epoch),
        lastSeq: seqFrom(kind.value.lastSeq),
      };
    case "introduction":
    case undefined:
      return undefined;
  }
}

const positionToWire = (position: Position): WirePosition => ({
  promisedEpoch: BigInt(position.promisedEpoch),
  lastEpoch: BigInt(position.lastEpoch),
  lastSeq: BigInt(position.lastSeq),
  lastChain: position.lastChain,
  appliedSeq: BigInt(position.appliedSeq),
  logFirstSeq: BigInt(position.logFirstSeq),
  epochStarts: position.epochBegins.map(beginToWire),
  configVersion: BigInt(position.configVersion),
  mayLead: position.mayLead,
  wallTime: timeToWire(position.wallMs),
  diskFreeBytes: BigInt(position.diskFreeBytes),
});

const positionFrom = (position: WirePosition): Position => ({
  promisedEpoch: epochFrom(position.promisedEpoch),
  lastEpoch: epochFrom(position.lastEpoch),
  lastSeq: seqFrom(position.lastSeq),
  lastChain: bufferOf(position.lastChain),
  appliedSeq: seqFrom(position.appliedSeq),
  logFirstSeq: seqFrom(position.logFirstSeq),
  epochBegins: position.epochStarts.map(beginFrom),
  configVersion: Number(position.configVersion),
  mayLead: position.mayLead,
  wallMs: timeFrom(position.wallTime),
  diskFreeBytes: Number(position.diskFreeBytes),
});

const beginToWire = (begin: EpochBegin): EpochStart => ({
  epoch: BigInt(begin.epoch),
  firstSeq: BigInt(begin.firstSeq),
});

const beginFrom = (start: EpochStart): EpochBegin => ({
  epoch: epochFrom(start.epoch),
  firstSeq: seqFrom(start.firstSeq),
});

const sealedFrom = ({ record, crc32, chain }: WireEntry): SealedRecord => ({
  record: bufferOf(record),
  crc32,
  chain: bufferOf(chain),
});

export const changeFrom = ({ key, value, mayReplaceChunks }: Mutation): StateChange => ({
  key: bufferOf(key),
  value: value === undefined ? undefined : bufferOf(value),
  mayReplaceChunks,
});

export const configurationToWire = (configuration: Configuration): GroupConfig => ({
  version: BigInt(configuration.version),
  members: configuration.members.map(({ id, ...member }) => ({ memberId: idBytes(id), ...member })),
  acks: acksToWire(configuration.acks),
});

export const configurationFrom = (config: GroupConfig): Configuration => ({
  version: Number(config.version),
  members: config.members.map(({ memberId: id, ...member }) => ({ id: idFrom(id), ...member })),
  acks: acksFrom(config.acks),
});

function acksToWire(acks: AcksMode): Acks {
  switch (acks) {
    case "async":
      return Acks.ASYNC;
    case "quorum":
      return Acks.QUORUM;
    case "all":
      return Acks.ALL;
  }
}

function acksFrom(acks: Acks): AcksMode {
  switch (acks) {
    case Acks.ASYNC:
      return "async";
    case Acks.ALL:
      return "all";
    default:
      return "quorum";
  }
}

export const idBytes = (id: string): Buffer => Buffer.from(id, "hex");

/** The id of a member from its bytes. */
const idFrom = (bytes: Uint8Array): MemberId => memberId(bufferOf(bytes).toString("hex"));

const epochFrom = (value: bigint): Epoch => epoch(Number(value));
const seqFrom = (value: bigint): LogSeq => logSeq(Number(value));

export const timeToWire = (ms: number): Timestamp => ({
  seconds: BigInt(Math.floor(ms / 1_000)),
  nanos: Math.floor(ms % 1_000) * 1_000_000,
});

export const timeFrom = (time: Timestamp | undefined): EpochMs =>
  epochMs(
    time === undefined ? 0 : Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1_000_000),
  );

/** The same bytes as a Buffer. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
