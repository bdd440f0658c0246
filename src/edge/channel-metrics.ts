// What is counted of channels, over all caches of the node that leads: their names are the applications' own, and without bound.

import type { Registry } from "prom-client";
import { gauge } from "./gauge.js";

/** Of a node, as they are now; counts since it leads. */
export interface ChannelFigures {
  readonly channelCount: number;
  readonly subscriberCount: number;
  readonly ringBytes: number;
  readonly counts: Readonly<Record<"published" | "delivered" | "missed", number>>;
}

export function observeChannels(
  registry: Registry,
  figures: () => ChannelFigures | undefined,
): void {
  const ofNode = (name: string, help: string, figure: (of: ChannelFigures) => number): void => {
    gauge(registry, name, help, [], (metric) => {
      const found = figures();
      metric.set(found === undefined ? 0 : figure(found));
    });
  };
  ofNode("cache_channels", "Channels there are.", ({ channelCount }) => channelCount);
  const streams = "Streams that are subscribed to channels.";
  ofNode("cache_channel_subscribers", streams, ({ subscriberCount }) => subscriberCount);
  const bytes = "What the rings of all channels keep.";
  ofNode("cache_channel_ring_bytes", bytes, ({ ringBytes }) => ringBytes);
  gauge(
    registry,
    "cache_channel_messages",
    "Messages of channels since this node leads: published, handed to a subscription each, and told to be missing.",
    ["event"],
    (metric) => {
      for (const [event, count] of Object.entries(figures()?.counts ?? {})) {
        metric.inc({ event }, count);
      }
    },
  );
}
