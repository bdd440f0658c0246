// How messages lie on a stream, which is gRPC's way: a byte that says whether it is compressed (never), four with its length,
// and the message. A member's message is wrapped in a ConnectRequest or a ConnectResponse; both hold it in field 1, so the
// two are the same bytes. One that holds nothing is a beat: a sign of life.
//
// Records are long and are sent to every member, so they are not copied on their way out: the generated encoder writes all but
// the records of a message, and these follow, in the order of the entries, as pieces of their own. Protobuf lets the parts of
// a message stand in any order.

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { LogEntry } from "../../gen/forebay/replication/v1/record.js";
import {
  Append,
  ConnectRequest,
  LogSlice,
  type PeerMessage,
} from "../../gen/forebay/replication/v1/replication_service.js";
import { messageBytesMax } from "./limits.js";

/** A message as pieces to be written one after another. What it was made of must not change until they are sent. */
export interface Frame {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

const prefixBytes = 5;
/** Shorter records are copied: a piece of its own costs more than some thousand bytes. */
const pieceBytesMin = 4_096;

// The fields that are written here rather than by the generated code: number and wire type, as protobuf writes them.
const lengthDelimited = 2;
const tagOf = (field: number): number => (field << 3) | lengthDelimited;
const connectMessageTag = tagOf(1);
const peerAppendTag = tagOf(7);
const peerLogSliceTag = tagOf(11);
const appendEntriesTag = tagOf(5);
const logSliceEntriesTag = tagOf(3);
const logEntryRecordTag = tagOf(1);

const nothing = new Uint8Array(0);
/** A sign of life: a message that holds nothing. */
export const beatFrame: Frame = { pieces: [new Uint8Array(prefixBytes)], bytes: prefixBytes };

export function frameOf(message: PeerMessage): Frame {
  const { kind } = message;
  switch (kind?.$case) {
    case "append": {
      const head = Append.encode({ ...kind.value, entries: [] }).finish();
      return framed(peerAppendTag, appendEntriesTag, head, kind.value.entries);
    }
    case "logSlice": {
      const head = LogSlice.encode({ ...kind.value, entries: [] }).finish();
      return framed(peerLogSliceTag, logSliceEntriesTag, head, kind.value.entries);
    }
    default:
      return finished([ConnectRequest.encode({ message }).finish()]);
  }
}

function framed(
  peerTag: number,
  entriesTag: number,
  head: Uint8Array,
  entries: readonly LogEntry[],
): Frame {
  const pieces = [head];
  for (const entry of entries) {
    const written = piecesOf(entry);
    pieces.push(prefixOf(entriesTag, bytesOf(written)), ...written);
  }
  const inner = bytesOf(pieces);
  const innerPrefix = prefixOf(peerTag, inner);
  const outerPrefix = prefixOf(connectMessageTag, innerPrefix.length + inner);
  return finished([outerPrefix, innerPrefix, ...pieces]);
}

function piecesOf(entry: LogEntry): Uint8Array[] {
  const { record } = entry;
  if (record.length < pieceBytesMin) return [LogEntry.encode(entry).finish()];
  const rest = LogEntry.encode({ ...entry, record: nothing }).finish();
  return [rest, prefixOf(logEntryRecordTag, record.length), record];
}

const prefixOf = (tag: number, length: number): Uint8Array =>
  new BinaryWriter().uint32(tag).uint32(length).finish();

function bytesOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}

/** Puts the length before it, and short neighbours into one piece. */
function finished(pieces: readonly Uint8Array[]): Frame {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(bytesOf(pieces), 1);
  const merged: Uint8Array[] = [];
  let short: Uint8Array[] = [prefix];
  const flush = (): void => {
    if (short.length > 0) merged.push(Buffer.concat(short));
    short = [];
  };
  for (const piece of pieces) {
    if (piece.length < pieceBytesMin) {
      short.push(piece);
    } else {
      flush();
      merged.push(piece);
    }
  }
  flush();
  return { pieces: merged, bytes: bytesOf(merged) };
}

/** Bytes that are no frame of ours. */
export class BrokenFrame extends Error {
  override readonly name = "BrokenFrame";
}

/** Cuts what arrives into messages. */
export class FrameReader {
  #parts: Buffer[] = [];
  #have = 0;
  /** Of the message under way; undefined until its length is known. */
  #length: number | undefined;

  /** Calls back for each message that this chunk ends; `undefined` is a beat. Throws `BrokenFrame`. */
  push(chunk: Buffer, receive: (message: PeerMessage | undefined) => void): void {
    this.#parts.push(chunk);
    this.#have += chunk.length;
    for (;;) {
      if (this.#length === undefined) {
        if (this.#have < prefixBytes) return;
        this.#length = lengthOf(this.#take(prefixBytes));
      }
      if (this.#have < this.#length) return;
      const bytes = this.#take(this.#length);
      this.#length = undefined;
      receive(decoded(bytes));
    }
  }

  /** The next `count` bytes, which are there. A message in one chunk is not copied, one in many is copied once. */
  #take(count: number): Buffer {
    const [first] = this.#parts;
    if (first === undefined || count === 0) return Buffer.alloc(0);
    const whole = first.length >= count ? first : Buffer.concat(this.#parts, this.#have);
    const rest = whole.subarray(count);
    if (whole === first) this.#parts.shift();
    else this.#parts = [];
    if (rest.length > 0) this.#parts.unshift(rest);
    this.#have -= count;
    return whole.subarray(0, count);
  }
}

function lengthOf(prefix: Buffer): number {
  if (prefix[0] !== 0) throw new BrokenFrame("a compressed message");
  const length = prefix.readUInt32BE(1);
  if (length > messageBytesMax) throw new BrokenFrame(`a message of ${length} bytes`);
  return length;
}

function decoded(bytes: Buffer): PeerMessage | undefined {
  try {
    return ConnectRequest.decode(bytes).message;
  } catch (error) {
    throw new BrokenFrame("bytes that are no message", { cause: error });
  }
}
