// Channels at the wire. That the cache is there, the engine says; what is published is in memory and takes no command.

import type { CacheAddress } from "../cache/cache-name.js";
import { channelLimits } from "../cache/channels/channel-limits.js";
import type { Cache } from "../cache/model.js";
import type {
  ChannelPublished,
  ChannelPublishResult,
  ChannelServiceDefinition,
  SubscribeToChannelsRequest,
} from "../gen/forebay/cache/v1/channel_service.js";
import { accept } from "../queue/rejections.js";
import { channelFaultOf } from "./cache-channel-errors.js";
import { checkRequestId, parseMessage, parseSubscribe } from "./cache-channel-parse.js";
import { ChannelStream, type StreamOrder } from "./cache-channel-stream.js";
import { type CacheHandlerParts, createCacheTools } from "./cache-handler-context.js";
import { checkCount } from "./cache-parse.js";
import type { ServiceHandlers } from "./call.js";
import { shuttingDown } from "./produce-stream.js";
import { statusOf, WireFault } from "./status-details.js";
import { Violations } from "./violations.js";

/** Of a message among many; empty: its call has none. */
const idOf = (requestId: string, index: number): string =>
  requestId === "" ? "" : `${requestId}\0${index}`;

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

  /** Publishes a message as it is known to be well formed, or throws. */
  function publish(
    cache: Cache,
    message: ReturnType<typeof parseMessage>,
    requestId: string,
  ): { readonly published: ChannelPublished; readonly isReplayed: boolean } {
    const { channelRetainMessages: messagesMax, channelRetainMs: keepMs } = cache.config;
    const retention = { messagesMax, keepMs };
    const decided = channels.publish({ cache, retention, requestId, ...message });
    if (decided.kind === "rejected") throw channelFaultOf(decided.rejection);
    const { message: kept, stamp, isReplayed } = decided.outcome;
    const { sequence, receivers } = kept;
    return {
      published: { sequence: BigInt(sequence), receivers: BigInt(receivers), stamp },
      isReplayed,
    };
  }

  return {
    publishToChannel: async (request) => {
      const violations = new Violations();
      const address = tools.address(violations, request.cache);
      const message = parseMessage(violations, request);
      checkRequestId(violations, request.requestId);
      violations.throwIfAny();
      const cache = await find("PublishToChannel", address);
      const { published, isReplayed } = publish(cache, message, request.requestId);
      return { ...published, replayed: isReplayed };
    },

    publishToChannels: async (request) => {
      const violations = new Violations();
      const address = tools.address(violations, request.cache);
      const { messages, requestId } = request;
      checkCount(violations, "messages", messages.length, channelLimits.messagesPerCallMax);
      checkRequestId(violations, requestId);
      violations.throwIfAny();
      const cache = await find("PublishToChannels", address);
      let replayed = false;
      const results = messages.map((given, index): ChannelPublishResult => {
        try {
          const own = new Violations();
          const message = parseMessage(own, given);
          own.throwIfAny();
          const { published, isReplayed } = publish(cache, message, idOf(requestId, index));
          replayed ||= isReplayed;
          return { result: { $case: "published", value: published } };
        } catch (error) {
          if (!(error instanceof WireFault)) throw error;
          return { result: { $case: "error", value: statusOf(error) } };
        }
      });
      return { results, replayed };
    },

    subscribeToChannels: (request, stream, context) => {
      const order = parseOrder(request);
      if (draining.aborted) throw shuttingDown();
      const findCache = () => find("SubscribeToChannels", order.address);
      new ChannelStream({ channels, draining, order, findCache }, stream, context).begin();
    },
  };
}
