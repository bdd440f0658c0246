// Topics that drain, in the store: their rows, the keys of these (`keys.ts` lists all keys) and the view that the rules have of them.

import type { Namespace, SegmentNumber, TopicName } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { DrainingTopic } from "../topic/drain-model.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { segmentPrefix, u64At } from "./keys.js";

const writer = new ByteWriter();

const newest = 1;

export const drainingTopicByte = "\x9a";
export const drainingTopicKey = (slot: number, segment: number): string =>
  `${drainingTopicByte}${segmentPrefix(slot, segment)}`;

export const encodeDrainingTopic = (row: DrainingTopic): Buffer =>
  writer.start().u8(newest).text(row.namespace).text(row.name).bytes(row.after).finish();

export function decodeDrainingTopic(key: string, bytes: Buffer): DrainingTopic {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  return {
    slot: key.charCodeAt(1) * 256 + key.charCodeAt(2),
    segment: u64At(key, 3) as SegmentNumber,
    namespace: reader.text() as Namespace,
    name: reader.text() as TopicName,
    after: reader.bytes(),
  };
}
