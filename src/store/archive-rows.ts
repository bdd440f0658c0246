// How archives, replays and snapshots are written. A replay is mostly what was asked for, in few rows that are read by people and
// by one worker, so it is JSON behind its id.

import type { EpochMs, Sequence } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Archive, Replay, Snapshot } from "../topic/archive-model.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { segmentPrefixLength } from "./keys.js";
import { idBytes } from "./topic-keys.js";

const writer = new ByteWriter();

const newest = 1;

function versioned(key: string, bytes: Buffer): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version < 1 || version > newest) {
    throw new RecordCorrupt(key, `version ${version} is unknown`);
  }
  return reader;
}

export const encodeArchive = ({ since, from, bytes }: Archive): Buffer =>
  writer.start().u8(newest).u64(since).u64(from).u64(bytes).finish();

export function decodeArchive(key: string, bytes: Buffer): Archive {
  const reader = versioned(key, bytes);
  return {
    since: reader.u64() as EpochMs,
    from: reader.u64() as Sequence,
    bytes: reader.u64(),
  };
}

export const encodeReplay = ({ id, ...rest }: Replay): Buffer =>
  writer.start().u8(newest).raw(id).text(JSON.stringify(rest)).finish();

/** Under the row's checksum: what is read is what was written, save that what was undefined is absent. */
export function decodeReplay(key: string, bytes: Buffer): Replay {
  const reader = versioned(key, bytes);
  const id = Buffer.from(reader.raw(idBytes));
  const rest = parsed(key, reader.text());
  return {
    ...rest,
    id,
    until: rest.until,
    end: rest.end,
    endsAt: rest.endsAt,
    pace: rest.pace,
    endedAt: rest.endedAt,
  };
}

function parsed(key: string, text: string): Omit<Replay, "id"> {
  try {
    return JSON.parse(text) as Omit<Replay, "id">;
  } catch {
    throw new RecordCorrupt(key, "its content is no JSON");
  }
}

export const encodeSnapshot = ({ sequence, createdAt, expiresAt }: Snapshot): Buffer =>
  writer.start().u8(newest).u64(sequence).u64(createdAt).u64(expiresAt).finish();

export function decodeSnapshot(key: string, bytes: Buffer): Snapshot {
  const reader = versioned(key, bytes);
  return {
    name: key.slice(segmentPrefixLength + 1 + idBytes),
    sequence: reader.u64() as Sequence,
    createdAt: reader.u64() as EpochMs,
    expiresAt: reader.u64() as EpochMs,
  };
}
