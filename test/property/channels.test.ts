// Channels under random publishers and subscribers that are slow, are cut off, and come back, over a quiet time, a small memory and
// nodes that take over from each other: of every channel that it is subscribed to, each sees every message once and in order, or a
// discontinuity that covers exactly what is missing.

import fc from "fast-check";
import { expect, test } from "vitest";
import { sequence } from "../../src/base/brands.js";
import type { ChannelPlace, HubPosition } from "../../src/cache/channels/resume.js";
import type { ChannelGap, Shown } from "../../src/cache/channels/subscription.js";
import { TestHub, type TestSubscribe, type TestSubscriber } from "../support/channels.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const names = ["a1", "a2", "b1", "b2"] as const;
type Name = (typeof names)[number];

type Step =
  | { readonly kind: "publish"; readonly channel: Name; readonly bytes: number }
  /** The subscriber takes so many of what waits for it. */
  | { readonly kind: "take"; readonly who: number; readonly count: number }
  | { readonly kind: "cut"; readonly who: number }
  | { readonly kind: "resume"; readonly who: number; readonly withPlaces: boolean }
  | { readonly kind: "wait"; readonly ms: number }
  /** Another node leads. */
  | { readonly kind: "takeover" };

const who = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      channel: fc.constantFrom(...names),
      bytes: fc.constantFrom(0, 10, 500),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("take" as const), who, count: fc.nat(6) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("resume" as const), who, withPlaces: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 500, 1_000, 5_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "takeover" as const }) },
);

interface Fact {
  readonly stamp: string;
  readonly number: number;
}

/** What was published in each channel, in order, over all its numberings. */
class Truth {
  readonly #facts = new Map<string, Fact[]>(names.map((name) => [name, []]));

  note(channel: Name, stamp: string, number: number): void {
    const facts = this.#of(channel);
    const last = facts.at(-1);
    expect(number).toBe(last?.stamp === stamp ? last.number + 1 : 1);
    facts.push({ stamp, number });
  }

  #of(channel: string): Fact[] {
    return this.#facts.get(channel) ?? [];
  }

  countOf(channel: string): number {
    return this.#of(channel).length;
  }

  at(channel: string, index: number): Fact | undefined {
    return this.#of(channel)[index];
  }

  /** Behind the message of this number; for 0 where the numbering begins, or would begin now. */
  indexBehind(channel: string, stamp: string, number: number): number {
    const facts = this.#of(channel);
    const before = facts.findIndex((fact) => fact.stamp === stamp);
    if (before === -1) {
      expect(number).toBe(0);
      return facts.length;
    }
    return before + number;
  }
}

/** The account of one channel that a subscriber gives. */
interface Account {
  /** What it has to be shown, or told of, next. */
  next: number;
  /** The last it was shown or told of, to go on after; undefined: it knows no number of this channel. */
  place: Fact | undefined;
  /** It was told that anything may be missing before the next message. */
  mayMiss: boolean;
}

type WatchedNames = Pick<TestSubscribe, "channels" | "patterns">;

class Watcher {
  readonly #order: WatchedNames;
  readonly #truth: Truth;
  readonly #accounts = new Map<string, Account>();
  #on: TestSubscriber | undefined;
  #position: HubPosition | undefined;
  /** Whether it was told all that comes before `ready`. */
  #isReady = false;
  #wasForLong = false;
  #hadTakeover = false;

  constructor(order: WatchedNames, truth: Truth) {
    this.#order = order;
    this.#truth = truth;
  }

  join(t: TestHub, withPlaces: boolean): void {
    if (this.#on !== undefined) return;
    const after = this.#position;
    const places = withPlaces && after !== undefined ? this.#places() : [];
    this.#on = t.subscribe({ ...this.#order, places, ...(after && { after }) });
    this.#isReady = after === undefined;
    if (after !== undefined) return;
    this.#position = this.#on.position;
    for (const name of names.filter((each) => this.#isFor(each))) {
      const channel = this.#on.joined.channels.find((each) => each.name === name);
      const place = channel && { stamp: channel.stamp, number: channel.ring.next - 1 };
      this.#accounts.set(name, { next: this.#truth.countOf(name), place, mayMiss: false });
    }
  }

  #isFor(name: string): boolean {
    const { channels = [], patterns = [] } = this.#order;
    return channels.includes(name) || patterns.some((text) => name.startsWith(text.slice(0, -1)));
  }

  #places(): ChannelPlace[] {
    return [...this.#accounts].flatMap(([channel, { place }]) =>
      place === undefined
        ? []
        : [{ channel, sequence: sequence(place.number), stamp: place.stamp }],
    );
  }

  cut(): void {
    this.#on?.leave();
    this.#on = undefined;
  }

  waited(): void {
    this.#wasForLong = true;
  }

  takenOver(): void {
    this.cut();
    this.#hadTakeover = true;
  }

  take(count: number): void {
    for (let left = count; left > 0 && this.#on !== undefined; left -= 1) {
      const shown = this.#isReady ? this.#on.take() : this.#on.joined.subscription.takeGap();
      if (shown !== undefined) this.#judge(shown);
      else if (this.#isReady) return;
      else this.#ready(this.#on);
      if (this.#isReady) this.#position = this.#on.position;
    }
  }

  /** From here on it goes on where this says, and has been told what it missed before. */
  #ready({ joined: { channels, subscription } }: TestSubscriber): void {
    this.#isReady = true;
    this.#hadTakeover = false;
    for (const channel of channels) {
      const account = this.#accountOf(channel.name);
      account.place = { stamp: channel.stamp, number: subscription.placeIn(channel) };
    }
  }

  #judge(shown: Shown): void {
    if (shown.kind === "item") {
      this.#judgeItem(shown.channel.name, {
        stamp: shown.channel.stamp,
        number: shown.message.sequence,
      });
      return;
    }
    if (shown.channel !== undefined) {
      this.#judgeGap(shown.channel, shown);
      return;
    }
    // Nobody is told so without a reason, and who names all his channels never is.
    expect(this.#order.patterns).toBeDefined();
    expect(shown.cause === "renumbered" ? this.#hadTakeover : this.#wasForLong).toBe(true);
    for (const account of this.#accounts.values()) account.mayMiss = true;
  }

  #accountOf(name: string): Account {
    const account = this.#accounts.get(name);
    if (account === undefined) throw new Error(`${name} was not asked for`);
    return account;
  }

  #judgeItem(name: string, fact: Fact): void {
    const account = this.#accountOf(name);
    const index = this.#truth.indexBehind(name, fact.stamp, fact.number) - 1;
    if (account.mayMiss) expect(index).toBeGreaterThanOrEqual(account.next);
    else expect(index).toBe(account.next);
    account.next = index + 1;
    account.place = fact;
    account.mayMiss = false;
  }

  #judgeGap(name: string, { from, to, stamp, cause }: ChannelGap): void {
    const account = this.#accountOf(name);
    if (stamp === "") {
      expect(cause).toBe("renumbered");
      account.mayMiss = true;
      account.place = undefined;
      return;
    }
    const behind = this.#truth.indexBehind(name, stamp, to);
    if (cause === "renumbered" && from > 0) {
      expect(from).toBe((account.place?.number ?? 0) + 1);
      expect(account.place?.stamp).not.toBe(stamp);
    } else if (from > 0) {
      const first = this.#truth.indexBehind(name, stamp, from) - 1;
      // From the first that it has not seen, and at least one.
      if (account.mayMiss) expect(first).toBeGreaterThanOrEqual(account.next);
      else expect(first).toBe(account.next);
      expect(to).toBeGreaterThanOrEqual(from);
    }
    // Who comes back without saying where he was in a channel may be told again, and that nobody knows from where on.
    if (from > 0) expect(behind).toBeGreaterThanOrEqual(account.next);
    account.next = Math.max(account.next, behind);
    account.place = { stamp, number: to };
    account.mayMiss = false;
  }

  /** It has taken everything: nothing is missing. */
  settle(): void {
    for (const [name, { next, mayMiss }] of this.#accounts) {
      if (!mayMiss) expect(next).toBe(this.#truth.countOf(name));
    }
  }
}

test("every message once and in order, or a discontinuity that covers exactly what is missing", {
  timeout: propertyTimeoutMs,
}, () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 120 }),
      fc.constantFrom(2, 5, 1_000),
      fc.constantFrom(2_000, 1_000_000),
      (steps, messagesMax, memoryBytes) => {
        const truth = new Truth();
        let term = 0;
        const newHub = (before?: TestHub): TestHub => {
          term += 1;
          const hub = new TestHub(`s${term}`, memoryBytes);
          if (before !== undefined) hub.now = before.now;
          hub.retention = { messagesMax, keepMs: 1_000 };
          return hub;
        };
        let t = newHub();
        const watchers = [
          new Watcher({ channels: ["a1", "b1"] }, truth),
          new Watcher({ patterns: ["a*"] }, truth),
          new Watcher({ channels: ["b2"], patterns: ["*"] }, truth),
        ];
        for (const watcher of watchers) watcher.join(t, true);
        for (const each of steps) {
          switch (each.kind) {
            case "publish": {
              const { message, stamp } = t.publish(each.channel, "x".repeat(each.bytes));
              truth.note(each.channel, stamp, message.sequence);
              break;
            }
            case "take":
              watchers[each.who]?.take(each.count);
              break;
            case "cut":
              watchers[each.who]?.cut();
              break;
            case "resume":
              watchers[each.who]?.join(t, each.withPlaces);
              break;
            case "wait":
              t.advance(each.ms);
              for (const watcher of watchers) watcher.waited();
              break;
            case "takeover":
              for (const watcher of watchers) watcher.takenOver();
              t = newHub(t);
              break;
          }
        }
        for (const watcher of watchers) {
          watcher.join(t, true);
          watcher.take(10_000);
          watcher.settle();
        }
      },
    ),
    runs(1_000),
  );
});
