// All channels of this node: who is subscribed to which, and what is published. In memory, and only on the node that leads, so
// that there is one order. A node that begins to lead has a hub of its own, with stamps that no other hub has.
//
// Everything happens in one turn: a message has its number, is in its ring and is offered to all who are subscribed, before
// anything else is published. Positions count the messages of the node, over all caches and channels.

import type { EpochMs } from "../../base/brands.js";
import { accept } from "../../queue/rejections.js";
import type { CacheNames } from "../cache-reads.js";
import { CacheChannels } from "./cache-channels.js";
import type { Channel } from "./channel.js";
import { channelLimits } from "./channel-limits.js";
import {
  bytesOf,
  type ChannelContent,
  type ChannelMessage,
  isSameContent,
} from "./channel-message.js";
import type { ChannelDecided, ChannelRejection } from "./channel-rejections.js";
import type { Glob } from "./glob.js";
import { type Resumption, resume } from "./resume.js";
import { type Retention, RingMemory } from "./ring.js";
import { type ChannelGap, Subscription } from "./subscription.js";

export interface PublishOrder {
  readonly cache: CacheNames;
  readonly retention: Retention;
  readonly channel: string;
  readonly content: ChannelContent;
  readonly publisher: string;
  /** Empty: none. */
  readonly requestId: string;
}

export interface Published {
  readonly message: ChannelMessage;
  readonly stamp: string;
  readonly isReplayed: boolean;
}

/** A pattern and its text, by which equal ones are known. */
export interface NamedGlob {
  readonly text: string;
  readonly glob: Glob;
}

export interface SubscribeOrder extends Resumption {
  readonly cache: CacheNames;
  /** Each once. */
  readonly channels: readonly string[];
  /** Each once. */
  readonly patterns: readonly NamedGlob[];
}

/** Who is subscribed. Neither may throw. */
export interface ChannelListener {
  /** There is something to take. */
  wake(): void;
  /** The cache was deleted. */
  ended(): void;
}

/** A subscription that was made; whoever has it leaves once. */
export interface Joined {
  readonly subscription: Subscription;
  /** That it names. */
  readonly channels: readonly Channel[];
  leave(): void;
}

/** What is counted, since the hub is there. */
export interface ChannelCounts {
  readonly published: number;
  readonly delivered: number;
  readonly missed: number;
}

const keyOf = ({ namespace, name }: CacheNames): string => `${namespace}/${name}`;

export class ChannelHub {
  /** Of this hub; a position is one of it. */
  readonly stamp: string;
  readonly #memory: RingMemory;
  readonly #caches = new Map<string, CacheChannels>();
  #position = 0;
  #made = 0;
  #channelCount = 0;
  #patternCount = 0;
  #subscriberCount = 0;
  #sweeping: Iterator<readonly [CacheChannels, Channel]> | undefined;
  readonly #counts = { published: 0, delivered: 0, missed: 0 };

  /** `stamp`: that no other hub ever has. */
  constructor(stamp: string, memory: RingMemory = new RingMemory()) {
    this.stamp = stamp;
    this.#memory = memory;
  }

  get position(): number {
    return this.#position;
  }

  get channelCount(): number {
    return this.#channelCount;
  }

  get subscriberCount(): number {
    return this.#subscriberCount;
  }

  get ringBytes(): number {
    return this.#memory.usedBytes;
  }

  get counts(): ChannelCounts {
    return this.#counts;
  }

  publish(order: PublishOrder, now: EpochMs): ChannelDecided<Published> {
    const { content, publisher, requestId, retention } = order;
    const space = this.#spaceOf(order.cache);
    const channel = this.#open(space, order.channel, now);
    if (channel === undefined) return limited("channel_limit", channelLimits.channelsMax);
    const { ring, stamp } = channel;
    ring.expire(now);
    const earlier = requestId === "" ? undefined : ring.ofRequest(requestId);
    if (earlier !== undefined) {
      return isSameContent(earlier.content, content) && earlier.publisher === publisher
        ? accept({ message: earlier, stamp, isReplayed: true })
        : { kind: "rejected", rejection: { kind: "channel_request_reused", requestId } };
    }
    this.#position += 1;
    const message: ChannelMessage = {
      content,
      contentBytes: bytesOf(content),
      publisher,
      requestId,
      sequence: ring.next,
      position: this.#position,
      publishedAt: now,
      receivers: 0,
    };
    channel.lastPosition = message.position;
    ring.add(message, retention);
    message.receivers = space.offer(channel, message);
    this.#counts.published += 1;
    this.#counts.delivered += message.receivers;
    return accept({ message, stamp, isReplayed: false });
  }

  subscribe(
    order: SubscribeOrder,
    listener: ChannelListener,
    now: EpochMs,
  ): ChannelDecided<Joined> {
    const { channels: names, patterns } = order;
    const space = this.#spaceOf(order.cache);
    if (this.#subscriberCount >= channelLimits.subscribersMax) {
      return limited("subscriber_limit", channelLimits.subscribersMax);
    }
    const newPatterns = patterns.filter(({ text }) => !space.patterns.has(text)).length;
    if (this.#patternCount + newPatterns > channelLimits.patternsMax) {
      return limited("pattern_limit", channelLimits.patternsMax);
    }
    const newChannels = names.filter((name) => !space.channels.has(name)).length;
    if (!this.#hasRoomFor(newChannels, now)) {
      return limited("channel_limit", channelLimits.channelsMax);
    }
    const channels = names.flatMap((name) => this.#open(space, name, now) ?? []);
    for (const { ring } of channels) ring.expire(now);
    const subscription = new Subscription(this.#position, () => listener.wake());
    resume(subscription, { hub: this, space, named: channels, patterns, resumption: order, now });
    for (const channel of channels) channel.subscriptions.add(subscription);
    for (const { text, glob } of patterns) space.addPattern(text, glob, subscription);
    space.listeners.add(listener);
    this.#patternCount += newPatterns;
    this.#subscriberCount += 1;
    const leave = (): void => {
      for (const channel of channels) channel.subscriptions.delete(subscription);
      for (const { text } of patterns) {
        if (space.removePattern(text, subscription)) this.#patternCount -= 1;
      }
      space.listeners.delete(listener);
      this.#subscriberCount -= 1;
    };
    return accept({ subscription, channels, leave });
  }

  /** A subscription was told that it does not get something; counted as far as anybody knows how much. */
  noteGap({ from, to, cause }: ChannelGap): void {
    if (cause !== "renumbered" && from > 0) this.#counts.missed += to - from + 1;
  }

  /** The cache was deleted: whoever is subscribed is told, and its channels are forgotten. */
  ended(cache: CacheNames): void {
    const space = this.#caches.get(keyOf(cache));
    if (space === undefined) return;
    this.#drop(keyOf(cache), space);
    for (const listener of [...space.listeners]) listener.ended();
  }

  /** Forgets everything: this node leads no more. */
  clear(): void {
    for (const [key, space] of this.#caches) this.#drop(key, space);
  }

  #drop(key: string, space: CacheChannels): void {
    this.#caches.delete(key);
    this.#channelCount -= space.channels.size;
    for (const { ring } of space.channels.values()) ring.clear();
    // Whoever sweeps may be in the middle of them.
    space.channels.clear();
  }

  /** Looks at some channels, going on where it stopped: forgets what was kept for long enough, and channels that nobody needs. */
  sweep(now: EpochMs): void {
    this.#sweeping ??= this.#all();
    for (let left: number = channelLimits.sweptMax; left > 0; left -= 1) {
      const { value, done } = this.#sweeping.next();
      if (done === true) {
        this.#sweeping = undefined;
        return;
      }
      const [space, channel] = value;
      channel.ring.expire(now);
      if (!channel.ring.isEmpty || channel.subscriptions.size > 0) continue;
      space.forget(channel);
      this.#channelCount -= 1;
    }
  }

  *#all(): Generator<readonly [CacheChannels, Channel]> {
    for (const space of this.#caches.values()) {
      for (const channel of space.channels.values()) yield [space, channel];
    }
  }

  #spaceOf(cache: CacheNames): CacheChannels {
    const key = keyOf(cache);
    let space = this.#caches.get(key);
    if (space === undefined) {
      space = new CacheChannels();
      this.#caches.set(key, space);
    }
    return space;
  }

  #hasRoomFor(count: number, now: EpochMs): boolean {
    const isFull = (): boolean => this.#channelCount + count > channelLimits.channelsMax;
    if (isFull()) this.sweep(now);
    return !isFull();
  }

  /** The channel of this name, made if need be; undefined: there are too many. */
  #open(space: CacheChannels, name: string, now: EpochMs): Channel | undefined {
    const known = space.channels.get(name);
    if (known !== undefined) return known;
    if (!this.#hasRoomFor(1, now)) return undefined;
    this.#made += 1;
    this.#channelCount += 1;
    const stamp = `${this.stamp}.${this.#made.toString(36)}`;
    return space.make(name, stamp, this.#position, this.#memory);
  }
}

const limited = (
  kind: Exclude<ChannelRejection["kind"], "channel_request_reused">,
  limit: number,
): ChannelDecided<never> => ({ kind: "rejected", rejection: { kind, limit } });
