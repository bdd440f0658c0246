// Calls on channels over a node that is full: each is refused with its bound and when to try again.

import { status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { sequence } from "../../../src/base/brands.js";
import { ChannelHub } from "../../../src/cache/channels/channel-hub.js";
import { channelLimits } from "../../../src/cache/channels/channel-limits.js";
import {
  PublishToChannelRequest,
  SubscribeToChannelsRequest,
  type SubscribeToChannelsResponse,
} from "../../../src/gen/forebay/cache/v1/channel_service.js";
import { createChannelHandlers } from "../../../src/rpc/cache-channel-handlers.js";
import { NodeChannels } from "../../../src/rpc/cache-channels.js";
import type { ResponseStream } from "../../../src/rpc/call.js";
import { WireFault } from "../../../src/rpc/status-details.js";
import { CacheRules, callContext } from "../../support/cache-rules.js";
import { accepted, textContent } from "../../support/channels.js";

const started: CacheRules[] = [];
afterEach(async () => {
  for (const rules of started.splice(0)) await rules.stop();
});

const cache = { namespace: "default", name: "tried" };
const nobody = { wake: () => undefined, ended: () => undefined };

async function callsOver(hub: ChannelHub) {
  const rules = await CacheRules.start();
  started.push(rules);
  const parts = rules.handlerParts;
  const channels = new NodeChannels(hub, parts.channels.clock);
  const handlers = createChannelHandlers({ ...parts, channels });
  return {
    publish: (channel: string) =>
      handlers.publishToChannel(
        PublishToChannelRequest.fromPartial({ cache: cache.name, channel }),
        callContext,
      ),
    publishData: (channel: string, data: Buffer) =>
      handlers.publishToChannel(
        {
          ...PublishToChannelRequest.fromPartial({ cache: cache.name, channel }),
          messageForm: { $case: "data", value: data },
        },
        callContext,
      ),
    /** Resolves with how it failed. */
    subscribe: (channel: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const stream: ResponseStream<SubscribeToChannelsResponse> = {
          write: () => {
            reject(new Error("It was answered."));
            return true;
          },
          drained: () => Promise.resolve(),
          end: () => reject(new Error("It ended well.")),
          fail: resolve,
        };
        const channels = [channel];
        const request = SubscribeToChannelsRequest.fromPartial({ cache: cache.name, channels });
        handlers.subscribeToChannels(request, stream, callContext);
      }),
  };
}

const limited = (reason: string, limit: number) => ({
  code: status.RESOURCE_EXHAUSTED,
  reason,
  fields: { metadata: { limit: String(limit) }, retryAfterMs: 1_000 },
});

test("a message that is kept keeps nothing of the request that it came in", async () => {
  const hub = new ChannelHub("kept");
  const { publishData } = await callsOver(hub);
  const request = Buffer.from("not this, but that");
  await publishData("news", request.subarray(14));
  request.fill("x");
  const places = [{ channel: "news", sequence: sequence(0), stamp: "kept.1" }];
  const order = { cache, channels: ["news"], patterns: [], places, after: undefined };
  const now = started[0]?.now as Parameters<ChannelHub["publish"]>[1];
  const joined = accepted(hub.subscribe(order, nobody, now));
  expect(joined.subscription.take(now)).toMatchObject({
    message: { content: { kind: "data", data: Buffer.from("that") } },
  });
});

test("a node with all the channels that it may have takes no new one, and those that are there", async () => {
  const { channelsMax } = channelLimits;
  const hub = new ChannelHub("full");
  const calls = await callsOver(hub);
  const retention = { messagesMax: 1, keepMs: 3_600_000 };
  const now = started[0]?.now as Parameters<ChannelHub["publish"]>[1];
  for (let each = 0; each < channelsMax; each += 1) {
    const order = { cache, retention, content: textContent(""), publisher: "", requestId: "" };
    hub.publish({ ...order, channel: String(each) }, now);
  }
  const refused = await Promise.resolve(calls.publish("more")).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(WireFault);
  expect(refused).toMatchObject(limited("CHANNEL_LIMIT", channelsMax));
  expect(await calls.subscribe("more")).toMatchObject(limited("CHANNEL_LIMIT", channelsMax));
  expect(await calls.publish("7")).toMatchObject({ sequence: 2n });
});

test("a node with all the subscriptions that it may have takes no new one", async () => {
  const { subscribersMax } = channelLimits;
  const hub = new ChannelHub("full");
  const calls = await callsOver(hub);
  const now = started[0]?.now as Parameters<ChannelHub["publish"]>[1];
  const order = { cache, channels: ["a"], patterns: [], places: [], after: undefined };
  for (let each = 0; each < subscribersMax; each += 1) hub.subscribe(order, nobody, now);
  expect(await calls.subscribe("a")).toMatchObject(limited("SUBSCRIBER_LIMIT", subscribersMax));
  expect(await calls.publish("a")).toMatchObject({ receivers: BigInt(subscribersMax) });
});
