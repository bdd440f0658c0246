// What a subscription shows, as messages of the contract.

import type { Joined } from "../cache/channels/channel-hub.js";
import type { ChannelContent } from "../cache/channels/channel-message.js";
import type { GapCause, Shown } from "../cache/channels/subscription.js";
import {
  ChannelDiscontinuityCause,
  type ChannelEvent,
  type ChannelItem,
} from "../gen/forebay/cache/v1/channel_service.js";
import { timestamp } from "./render.js";

const causes = {
  slow_subscriber: ChannelDiscontinuityCause.SLOW_SUBSCRIBER,
  not_retained: ChannelDiscontinuityCause.NOT_RETAINED,
  renumbered: ChannelDiscontinuityCause.RENUMBERED,
} as const satisfies Readonly<Record<GapCause, ChannelDiscontinuityCause>>;

export const renderReady = ({ channels, subscription }: Joined, stamp: string): ChannelEvent => ({
  event: {
    $case: "ready",
    value: {
      channels: channels.map((channel) => ({
        channel: channel.name,
        sequence: BigInt(subscription.placeIn(channel)),
        stamp: channel.stamp,
      })),
      position: { position: BigInt(subscription.position), stamp },
    },
  },
});

/** `position`: how far the subscription has come with it. */
export function renderShown(shown: Shown, position: number): ChannelEvent {
  if (shown.kind === "gap") {
    const { channel = "", from, to, stamp, cause } = shown;
    const value = {
      channel,
      fromSequence: BigInt(from),
      toSequence: BigInt(to),
      stamp,
      cause: causes[cause],
      position: BigInt(position),
    };
    return { event: { $case: "discontinuity", value } };
  }
  const { channel, message } = shown;
  const value: ChannelItem = {
    channel: channel.name,
    sequence: BigInt(message.sequence),
    stamp: channel.stamp,
    messageForm: renderContent(message.content),
    publisher: message.publisher,
    publishTime: timestamp(message.publishedAt),
    position: BigInt(position),
  };
  return { event: { $case: "item", value } };
}

const renderContent = (content: ChannelContent): ChannelItem["messageForm"] =>
  content.kind === "text"
    ? { $case: "text", value: content.text }
    : { $case: "data", value: content.data };
