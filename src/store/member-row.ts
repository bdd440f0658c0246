// What a member of a replicated group knows of itself, as one row beside the store's stamp. Written whole with every batch of
// the member, so that log, state and what is known of both can never tell of different moments.

import type { Epoch, EpochMs, GroupId, LogSeq, MemberId } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import type {
  AcksMode,
  Configuration,
  EpochBegin,
  GroupMember,
  LogPosition,
  MemberState,
} from "./replica-disk.js";

export const memberKey = "member";

const rowVersion = 1;
const idBytes = 16;
const chainBytes = 16;
/** By their place here; new ones are added at the end. */
const acksModes: readonly AcksMode[] = ["async", "quorum", "all"];

const writer = new ByteWriter();

/** Behind `frameHeaderBytes` free bytes. */
export function framedMember(state: MemberState): Buffer {
  writer
    .start()
    .u8(rowVersion)
    .raw(Buffer.from(state.memberId, "hex"))
    .raw(Buffer.from(state.groupId, "hex"))
    .u64(state.promisedEpoch)
    .u64(state.appliedSeq)
    .u64(state.wholeFrom)
    .u64(state.leaderTime);
  writePosition(state.logBase);
  writePosition(state.logEnd);
  writer.u32(state.epochBegins.length);
  for (const { epoch, firstSeq } of state.epochBegins) writer.u64(epoch).u64(firstSeq);
  writeConfiguration(state.configuration);
  return writer.finish();
}

function writePosition({ epoch, seq, chain }: LogPosition): void {
  writer.u64(epoch).u64(seq).raw(chain);
}

function writeConfiguration({ version, acks, members }: Configuration): void {
  writer.u64(version).u8(acksModes.indexOf(acks)).u32(members.length);
  for (const { id, node, zone, isVoter, replicationEndpoint, dataEndpoint } of members) {
    writer
      .raw(Buffer.from(id, "hex"))
      .text(node)
      .text(zone)
      .u8(isVoter ? 1 : 0)
      .text(replicationEndpoint)
      .text(dataEndpoint);
  }
}

export function memberOf(row: Buffer): MemberState {
  const reader = new ByteReader(row, memberKey);
  const version = reader.u8();
  if (version !== rowVersion) {
    throw new RecordCorrupt(
      memberKey,
      `it has version ${version}, and this program reads ${rowVersion}`,
    );
  }
  const state = {
    memberId: readId(reader) as MemberId,
    groupId: readId(reader) as GroupId,
    promisedEpoch: reader.u64() as Epoch,
    appliedSeq: reader.u64() as LogSeq,
    wholeFrom: reader.u64() as LogSeq,
    leaderTime: reader.u64() as EpochMs,
    logBase: readPosition(reader),
    logEnd: readPosition(reader),
    epochBegins: readEach(reader, readEpochBegin),
    configuration: readConfiguration(reader),
  };
  if (!reader.atEnd) throw new RecordCorrupt(memberKey, "it is longer than what it says");
  return state;
}

const readId = (reader: ByteReader): string => reader.raw(idBytes).toString("hex");

const readPosition = (reader: ByteReader): LogPosition => ({
  epoch: reader.u64() as Epoch,
  seq: reader.u64() as LogSeq,
  chain: reader.raw(chainBytes),
});

const readEpochBegin = (reader: ByteReader): EpochBegin => ({
  epoch: reader.u64() as Epoch,
  firstSeq: reader.u64() as LogSeq,
});

function readConfiguration(reader: ByteReader): Configuration {
  const version = reader.u64();
  const acks = acksModes[reader.u8()];
  if (acks === undefined) throw new RecordCorrupt(memberKey, "its acks are of no known kind");
  return { version, acks, members: readEach(reader, readMember) };
}

const readMember = (reader: ByteReader): GroupMember => ({
  id: readId(reader) as MemberId,
  node: reader.text(),
  zone: reader.text(),
  isVoter: reader.u8() === 1,
  replicationEndpoint: reader.text(),
  dataEndpoint: reader.text(),
});

function readEach<Item>(reader: ByteReader, read: (reader: ByteReader) => Item): Item[] {
  const count = reader.u32();
  const items: Item[] = [];
  // A count that is damaged ends at the end of the row, which the reader notices.
  for (let at = 0; at < count; at += 1) items.push(read(reader));
  return items;
}
