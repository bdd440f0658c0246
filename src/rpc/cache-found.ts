// What handlers of caches tell each other: of what a read found, and how a message of the contract is kept.

import type { CacheKey } from "../base/brands.js";
import type { ReadKind } from "../cache/cache-reads.js";
import type { Item } from "../cache/model.js";

/** What a read found, to be counted. */
export interface ReadFound {
  readonly kind: ReadKind;
  /** What it found; undefined: nothing, or what it found is gone. */
  readonly item: Item | undefined;
}

/** And of which key. */
export interface Found extends ReadFound {
  readonly key: CacheKey;
}

/** A message of the contract, as results of request ids are kept. */
export interface MessageCodec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}
