// A message of a channel, as it is kept and shown.

import type { EpochMs, Sequence } from "../../base/brands.js";
import { channelLimits } from "./channel-limits.js";

/** What is published. A text is not the same message as its UTF-8. */
export type ChannelContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "data"; readonly data: Buffer };

export interface ChannelMessage {
  readonly content: ChannelContent;
  /** Bytes of the content. */
  readonly contentBytes: number;
  /** What the publisher calls itself. */
  readonly publisher: string;
  /** Empty: it came without one. */
  readonly requestId: string;
  readonly sequence: Sequence;
  /** Its place among all messages of the node; from 1. */
  readonly position: number;
  readonly publishedAt: EpochMs;
  /** How many subscriptions it was for. */
  receivers: number;
}

/** What it counts for in its ring. */
export const sizeOf = ({ contentBytes, publisher, requestId }: ChannelMessage): number =>
  contentBytes + publisher.length + requestId.length + channelLimits.messageOverheadBytes;

export const bytesOf = (content: ChannelContent): number =>
  content.kind === "text" ? Buffer.byteLength(content.text) : content.data.length;

export const isSameContent = (one: ChannelContent, other: ChannelContent): boolean =>
  one.kind === "text"
    ? other.kind === "text" && one.text === other.text
    : other.kind === "data" && one.data.equals(other.data);
