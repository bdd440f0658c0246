// A disk that changes what is on it while nobody looks: one bit of each of some records of a stopped member's log, or of some rows
// of its state.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slotOfName } from "../../src/queue/slots.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { firstChunkHeaderBytes, valueBytesMax } from "../../src/store/frames.js";
import { tableLetters, u16Text } from "../../src/store/keys.js";
import { logKey } from "../../src/store/log-rows.js";
import { readMember } from "./member-image.js";

/** Where the table's letter stands in a key, after slot and segment. */
const letterAt = 10;
/** Between a row's key and its bytes in the log: the frame's header, epoch, checksum and chain hash. */
const logHeadBytes = frameHeaderBytes + 8 + 4 + 16;
/** What the first chunk of a long row has in front beside that. */
const chunkHeaderBytes = firstChunkHeaderBytes - frameHeaderBytes;
/** Enough of a value to know it by. */
const knownBytes = 32;

interface Stored {
  readonly key: Buffer;
  /** From the end of the key to `bytes`. */
  readonly gap: number;
  readonly bytes: Buffer;
}

/** The last records of a member's log that are short enough to stand there in one piece. */
export async function spoilLog(directory: string, recordCount: number): Promise<void> {
  const { log } = await readMember("stopped", directory);
  const spoilt = log.slice(-recordCount).map(({ seq, record }) => ({
    key: Buffer.from(logKey(seq), "latin1"),
    // A long record's first chunk has a header of its own.
    gap: logHeadBytes + (logHeadBytes + record.length > valueBytesMax ? chunkHeaderBytes : 0),
    bytes: record,
  }));
  flip(directory, spoilt);
}

/** All messages of a queue, whose bodies are short. */
export async function spoilMessages(directory: string, queue: string): Promise<void> {
  const { rows } = await readMember("stopped", directory);
  const slot = u16Text(slotOfName("default", queue));
  const spoilt = [...rows]
    .filter(([key]) => key.startsWith(slot) && key[letterAt] === tableLetters.message)
    .map(([key, bytes]) => ({ key: Buffer.from(key, "latin1"), gap: frameHeaderBytes, bytes }));
  flip(directory, spoilt);
}

function flip(directory: string, spoilt: readonly Stored[]): void {
  const path = join(directory, "data.mdb");
  const file = readFileSync(path);
  for (const row of spoilt) {
    // What stands in pages that are free by now does no harm, changed or not.
    if (flipOne(file, row) === 0) throw new Error("A row to spoil is not in the file.");
  }
  if (spoilt.length === 0) throw new Error("There is nothing to spoil.");
  writeFileSync(path, file);
}

function flipOne(file: Buffer, { key, gap, bytes }: Stored): number {
  const known = bytes.subarray(0, knownBytes);
  let count = 0;
  for (let at = file.indexOf(key); at !== -1; at = file.indexOf(key, at + 1)) {
    const from = at + key.length + gap;
    if (!file.subarray(from, from + known.length).equals(known)) continue;
    const last = from + known.length - 1;
    file.writeUInt8(file.readUInt8(last) ^ 1, last);
    count += 1;
  }
  return count;
}
