// Publishing to channels of a cache. What is published while a call is under way, or in one turn of the event loop, leaves together in
// the next one: that costs both sides little more than one message does. A publish with options of its own leaves by itself.

import {
  type ChannelMessage,
  ChannelServiceDefinition,
} from "../gen/forebay/cache/v1/channel_service.js";
import type { CacheValue } from "./cache-items.js";
import type { CallOptions, Connection } from "./connection.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import { errorOfStatus } from "./status-details.js";

const { methods } = ChannelServiceDefinition;

export interface ChannelPublishOptions extends CallOptions, RequestIdOption {
  /** What the publisher calls itself, as subscribers are shown it; at most 128 characters. */
  readonly publisher?: string | undefined;
}

export interface ChannelPublished {
  /** Its number in the channel, from 1. */
  readonly sequence: number;
  /** How many subscriptions it was for. */
  readonly receivers: number;
  /** The stamp of the channel's numbering: another one means that numbers began anew. */
  readonly stamp: string;
}

interface Waiting {
  readonly message: ChannelMessage;
  readonly bytes: number;
  resolve(published: ChannelPublished): void;
  reject(error: unknown): void;
}

/** Of one call. A call is far below what a server takes, even if its last message is the longest there may be. */
const messagesMax = 1_000;
const bytesMax = 1_048_576;
const messageBytes = 64;

/** The publisher of one cache. */
export class ChannelPublisher {
  readonly #cache: string;
  readonly #connection: Connection;
  readonly #waiting: Waiting[] = [];
  /** While something waits or is on its way. */
  #leaving: Promise<void> | undefined;

  constructor(cache: string, connection: Connection) {
    this.#cache = cache;
    this.#connection = connection;
  }

  publish(
    channel: string,
    data: CacheValue,
    options: ChannelPublishOptions,
  ): Promise<ChannelPublished> {
    const { publisher = "", ...own } = options;
    const messageForm =
      typeof data === "string"
        ? ({ $case: "text", value: data } as const)
        : ({ $case: "data", value: data } as const);
    const message: ChannelMessage = { channel, messageForm, publisher };
    if (Object.values(own).some((option) => option !== undefined)) {
      return this.#publishAlone(message, own);
    }
    return new Promise((resolve, reject) => {
      const bytes = data.length + channel.length + messageBytes;
      this.#waiting.push({ message, bytes, resolve, reject });
      this.#leaving ??= this.#leave();
    });
  }

  async #publishAlone(
    message: ChannelMessage,
    { requestId = newRequestId(), ...options }: CallOptions & RequestIdOption,
  ): Promise<ChannelPublished> {
    const request = { cache: this.#cache, ...message, requestId };
    return publishedOf(await this.#connection.unary(methods.publishToChannel, request, options));
  }

  /** One call after another, so that messages are published in their order whatever becomes of a call. Never rejects. */
  async #leave(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#publishAll(this.#takeBatch());
    this.#leaving = undefined;
  }

  #takeBatch(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const each of this.#waiting) {
      if (count === messagesMax || (count > 0 && bytes + each.bytes > bytesMax)) break;
      bytes += each.bytes;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #publishAll(batch: readonly Waiting[]): Promise<void> {
    try {
      const { results } = await this.#connection.unary(methods.publishToChannels, {
        cache: this.#cache,
        messages: batch.map(({ message }) => message),
        requestId: newRequestId(),
      });
      batch.forEach(({ resolve, reject }, index) => {
        const result = results[index]?.result;
        if (result?.$case === "published") resolve(publishedOf(result.value));
        else if (result?.$case === "error") reject(errorOfStatus(result.value));
        else reject(errorOfStatus({ code: 13, message: "The answer is empty.", details: [] }));
      });
    } catch (error) {
      // What waits behind it is for the same cache of the same server.
      for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
    }
  }

  /** Resolves once everything has its answer. */
  async close(): Promise<void> {
    await this.#leaving;
  }
}

const publishedOf = (published: {
  readonly sequence: bigint;
  readonly receivers: bigint;
  readonly stamp: string;
}): ChannelPublished => ({
  sequence: Number(published.sequence),
  receivers: Number(published.receivers),
  stamp: published.stamp,
});
