// The channels of one cache, and the patterns that somebody subscribes to there.

import { Channel, type PatternGroup } from "./channel.js";
import type { ChannelMessage } from "./channel-message.js";
import type { Glob } from "./glob.js";
import type { RingMemory } from "./ring.js";
import type { Subscription } from "./subscription.js";

export class CacheChannels {
  readonly channels = new Map<string, Channel>();
  /** By their texts. */
  readonly patterns = new Map<string, PatternGroup>();
  /** Those who are told when the cache is deleted. */
  readonly listeners = new Set<{ ended(): void }>();
  #patternsVersion = 0;
  #forgottenTo = 0;

  /** No channel that was forgotten has had a message after this position. */
  get forgottenTo(): number {
    return this.#forgottenTo;
  }

  make(name: string, stamp: string, madeAfter: number, memory: RingMemory): Channel {
    const channel = new Channel(name, stamp, madeAfter, memory);
    this.channels.set(name, channel);
    return channel;
  }

  forget(channel: Channel): void {
    this.channels.delete(channel.name);
    this.#forgottenTo = Math.max(this.#forgottenTo, channel.lastPosition);
  }

  addPattern(text: string, glob: Glob, subscription: Subscription): void {
    let group = this.patterns.get(text);
    if (group === undefined) {
      group = { glob, subscriptions: new Set() };
      this.patterns.set(text, group);
      this.#patternsVersion += 1;
    }
    group.subscriptions.add(subscription);
  }

  /** Whether nobody else had it. */
  removePattern(text: string, subscription: Subscription): boolean {
    const group = this.patterns.get(text);
    group?.subscriptions.delete(subscription);
    if (group === undefined || group.subscriptions.size > 0) return false;
    // What channels remember of it has nobody in it, and goes with the next pattern that is new.
    return this.patterns.delete(text);
  }

  /** Offers a message to all it is for; returns how many those are. */
  offer(channel: Channel, message: ChannelMessage): number {
    let count = 0;
    for (const subscription of channel.subscriptions) {
      if (subscription.offer(channel, message)) count += 1;
    }
    if (this.patterns.size === 0) return count;
    for (const { subscriptions } of channel.matching(
      this.patterns.values(),
      this.#patternsVersion,
    )) {
      for (const subscription of subscriptions) {
        if (subscription.offer(channel, message)) count += 1;
      }
    }
    return count;
  }
}
