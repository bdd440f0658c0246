// A hub of channels in a test's words: what is published, and what a subscriber is shown, as short texts.

import { type EpochMs, epochMs, sequence } from "../../src/base/brands.js";
import {
  ChannelHub,
  type Joined,
  type PublishOrder,
} from "../../src/cache/channels/channel-hub.js";
import type { ChannelContent } from "../../src/cache/channels/channel-message.js";
import type {
  ChannelDecided,
  ChannelRejection,
} from "../../src/cache/channels/channel-rejections.js";
import { parseGlob } from "../../src/cache/channels/glob.js";
import type { ChannelPlace, HubPosition } from "../../src/cache/channels/resume.js";
import { RingMemory } from "../../src/cache/channels/ring.js";
import type { ChannelGap, Shown } from "../../src/cache/channels/subscription.js";

export const textContent = (text: string): ChannelContent => ({ kind: "text", text });

export interface TestSubscribe {
  readonly channels?: readonly string[];
  readonly patterns?: readonly string[];
  readonly places?: readonly ChannelPlace[];
  readonly after?: HubPosition;
  readonly cache?: string;
}

export class TestHub {
  readonly hub: ChannelHub;
  now: EpochMs = epochMs(1_000_000);
  retention = { messagesMax: 1_000, keepMs: 60_000 };

  constructor(stamp = "s", memoryBytesMax?: number) {
    this.hub = new ChannelHub(stamp, new RingMemory(memoryBytesMax));
  }

  tryPublish(channel: string, text: string, more: Partial<PublishOrder> = {}) {
    return this.hub.publish(
      {
        cache: { namespace: "default", name: "default" },
        retention: this.retention,
        channel,
        content: textContent(text),
        publisher: "",
        requestId: "",
        ...more,
      },
      this.now,
    );
  }

  publish(channel: string, text: string, more: Partial<PublishOrder> = {}) {
    return accepted(this.tryPublish(channel, text, more));
  }

  trySubscribe(order: TestSubscribe, woken?: TestListener): ChannelDecided<Joined> {
    const { channels = [], patterns = [], places = [], after, cache = "default" } = order;
    return this.hub.subscribe(
      {
        cache: { namespace: "default", name: cache },
        channels,
        patterns: patterns.map((text) => {
          const parsed = parseGlob(text);
          if (parsed.kind === "problem") throw new Error(parsed.problem);
          return { text, glob: parsed.glob };
        }),
        places,
        after,
      },
      { wake: () => woken?.wake?.(), ended: () => woken?.ended?.() },
      this.now,
    );
  }

  subscribe(order: TestSubscribe, woken?: TestListener): TestSubscriber {
    return new TestSubscriber(this, accepted(this.trySubscribe(order, woken)));
  }

  advance(ms: number): void {
    this.now = epochMs(this.now + ms);
    this.hub.sweep(this.now);
  }
}

export interface TestListener {
  wake?(): void;
  ended?(): void;
}

export class TestSubscriber {
  readonly joined: Joined;
  readonly #hub: TestHub;

  constructor(hub: TestHub, joined: Joined) {
    this.#hub = hub;
    this.joined = joined;
  }

  take(): Shown | undefined {
    return this.joined.subscription.take(this.#hub.now);
  }

  /** All that waits. */
  takeAll(): readonly Shown[] {
    const all: Shown[] = [];
    for (let shown = this.take(); shown !== undefined; shown = this.take()) all.push(shown);
    return all;
  }

  /** The same as texts: `news 3 hello` for a message, `news 1-2 lost slow_subscriber` for a gap. */
  read(): readonly string[] {
    return this.takeAll().map(textOfShown);
  }

  leave(): void {
    this.joined.leave();
  }

  get position(): HubPosition {
    const { subscription } = this.joined;
    return { position: subscription.position, stamp: this.#hub.hub.stamp };
  }

  /** Where a channel that it names is. */
  placeOf(name: string, seen: number): ChannelPlace {
    const channel = this.joined.channels.find((each) => each.name === name);
    if (channel === undefined) throw new Error(`${name} is not named.`);
    return { channel: name, sequence: sequence(seen), stamp: channel.stamp };
  }
}

const textOfGap = ({ channel = "?", from, to, cause }: ChannelGap): string =>
  `${channel} ${from}-${to} lost ${cause}`;

const textOfShown = (shown: Shown): string =>
  shown.kind === "gap"
    ? textOfGap(shown)
    : `${shown.channel.name} ${shown.message.sequence} ${shownText(shown.message.content)}`;

const shownText = (content: ChannelContent): string =>
  content.kind === "text" ? content.text : content.data.toString("utf8");

export function accepted<Outcome>(decided: ChannelDecided<Outcome>): Outcome {
  if (decided.kind === "accepted") return decided.outcome;
  throw new Error(`Refused: ${decided.rejection.kind}.`);
}

export function refusal(decided: ChannelDecided<unknown>): ChannelRejection | undefined {
  return decided.kind === "rejected" ? decided.rejection : undefined;
}
