// Channels at the wire. That the cache is there, the engine says; what is published is in memory and takes no command.

import type { CacheAddress } from "../cache/cache-name.js";
import type { Cache } from "../cache/model.js";
import type {
  ChannelServiceDefinition,
  SubscribeToChannelsRequest,
} from "../gen/forebay/cache/v1/channel_service.js";
import { accept } from "../queue/rejections.js";
import { channelFaultOf } from "./cache-channel-errors.js";
import { parsePublish, parseSubscribe } from "./cache-channel-parse.js";
import { ChannelStream, type StreamOrder } from "./cache-channel-stream.js";
import { type CacheHandlerParts, createCacheTools } from "./cache-handler-context.js";
import type { ServiceHandlers } from "./call.js";
import { shuttingDown } from "./produce-stream.js";
import { Violations } from "./violations.js";

export type ChannelHandlers = ServiceHandlers<typeof ChannelServiceDefinition>;

export function createChannelHandlers(parts: CacheHandlerParts): ChannelHandlers {
  const tools = createCacheTools(parts);
  const { channels, draining } = parts;

  const find = (name: string, address: CacheAddress): Promise<Cache> =>
    tools.execute({ name, address, isLookup: true, rule: ({ cache }) => accept(cache) });

  function parseOrder(request: SubscribeToChannelsRequest): StreamOrder {
    const violations = new Violations();
    const address = tools.address(violations, request.cache);
    const order = { address, ...parseSubscribe(violations, request) };
    violations.throwIfAny();
    return order;
  }

  return {
    publishToChannel: async (request) => {
      const violations = new Violations();
      const address = tools.address(violations, request.cache);
      const order = parsePublish(violations, request);
      violations.throwIfAny();
      const cache = await find("PublishToChannel", address);
      const { channelRetainMessages: messagesMax, channelRetainMs: keepMs } = cache.config;
      const retention = { messagesMax, keepMs };
      const published = channels.publish({ cache, retention, ...order });
      if (published.kind === "rejected") throw channelFaultOf(published.rejection);
      const { message, stamp, isReplayed } = published.outcome;
      return {
        sequence: BigInt(message.sequence),
        receivers: BigInt(message.receivers),
        stamp,
        replayed: isReplayed,
      };
    },

    subscribeToChannels: (request, stream, context) => {
      const order = parseOrder(request);
      if (draining.aborted) throw shuttingDown();
      const findCache = () => find("SubscribeToChannels", order.address);
      new ChannelStream({ channels, draining, order, findCache }, stream, context).begin();
    },
  };
}
