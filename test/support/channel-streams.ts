// Channels in a test's words, over the connection of a scenario; each subscription over a connection of its own.

import {
  type ChannelDiscontinuity,
  type ChannelEvent,
  type ChannelItem,
  ChannelServiceDefinition,
  type ChannelsReady,
  PublishToChannelRequest,
  PublishToChannelResponse,
  PublishToChannelsRequest,
  PublishToChannelsResponse,
  SubscribeToChannelsRequest,
  SubscribeToChannelsResponse,
} from "../../src/gen/forebay/cache/v1/channel_service.js";
import type { Served } from "./caches.js";
import type { Scenario } from "./scenario.js";
import { Answers, connect } from "./topic-streams.js";

const service = `/${ChannelServiceDefinition.fullName}`;

type PublishPart = Parameters<(typeof PublishToChannelRequest)["fromPartial"]>[0];
type SubscribePart = Parameters<(typeof SubscribeToChannelsRequest)["fromPartial"]>[0];

/** Publishes a text, or what the request says. */
export async function publishTo(
  { client }: Served,
  channel: string,
  text: string,
  more: PublishPart = {},
): Promise<PublishToChannelResponse> {
  const request = PublishToChannelRequest.fromPartial({
    cache: "default",
    channel,
    messageForm: { $case: "text", value: text },
    ...more,
  });
  const bytes = PublishToChannelRequest.encode(request).finish();
  return PublishToChannelResponse.decode(await client.raw(`${service}/PublishToChannel`, bytes));
}

/** Publishes texts to channels, or what the request says. */
export async function publishAll(
  { client }: Served,
  messages: readonly (readonly [channel: string, text: string])[],
  more: Parameters<(typeof PublishToChannelsRequest)["fromPartial"]>[0] = {},
): Promise<PublishToChannelsResponse> {
  const request = PublishToChannelsRequest.fromPartial({
    cache: "default",
    messages: messages.map(([channel, value]) => ({
      channel,
      messageForm: { $case: "text", value } as const,
    })),
    ...more,
  });
  const bytes = PublishToChannelsRequest.encode(request).finish();
  return PublishToChannelsResponse.decode(await client.raw(`${service}/PublishToChannels`, bytes));
}

export class ChannelReader extends Answers<SubscribeToChannelsResponse> {
  get events(): ChannelEvent[] {
    return this.responses.flatMap(({ events }) => events);
  }

  get kinds(): (string | undefined)[] {
    return this.events.map(({ event }) => event?.$case);
  }

  get items(): ChannelItem[] {
    return this.events.flatMap(({ event }) => (event?.$case === "item" ? [event.value] : []));
  }

  get gaps(): ChannelDiscontinuity[] {
    return this.events.flatMap(({ event }) =>
      event?.$case === "discontinuity" ? [event.value] : [],
    );
  }

  /** Of each message its channel, its number and its text. */
  get shown(): string[] {
    return this.items.map(({ channel, sequence, messageForm }) =>
      [channel, sequence, messageForm?.$case === "text" ? messageForm.value : ""].join(" "),
    );
  }

  async ready(): Promise<ChannelsReady> {
    const find = () => this.events.find(({ event }) => event?.$case === "ready")?.event;
    await this.until(() => find() !== undefined);
    const event = find();
    if (event?.$case !== "ready") throw new Error(`Not ready: ${JSON.stringify(this.kinds)}`);
    return event.value;
  }

  /** Resolves once so many messages are there. */
  async take(count: number): Promise<readonly string[]> {
    await this.until(() => this.items.length >= count);
    return this.shown;
  }
}

export function openChannels(t: Scenario, request: SubscribePart): ChannelReader {
  const call = connect(t).makeServerStreamRequest<
    SubscribeToChannelsRequest,
    SubscribeToChannelsResponse
  >(
    `${service}/SubscribeToChannels`,
    (value) => Buffer.from(SubscribeToChannelsRequest.encode(value).finish()),
    (bytes) => SubscribeToChannelsResponse.decode(bytes),
    SubscribeToChannelsRequest.fromPartial({ cache: "default", ...request }),
  );
  return new ChannelReader(call);
}

/** A subscription that is ready. */
export async function subscribeTo(t: Scenario, request: SubscribePart): Promise<ChannelReader> {
  const reader = openChannels(t, request);
  await reader.ready();
  return reader;
}
