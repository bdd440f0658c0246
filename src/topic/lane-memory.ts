// What fan-out keeps of a topic between its steps, so that none reads and judges anew what the one before has: the subscriptions in
// the lane with an index of their filters, and the messages of the round with who gets which of them.
//
// All of it is worked out from rows and says what they say: whoever has the rows (`TopicView.memory`) tells of each subscription
// that changes, and forgets the whole where a change was undone. Nothing is decided by it that would be decided otherwise
// without it; a topic with more subscriptions than are kept does without.

import type { Sequence } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import { FilterIndex } from "./filter/filter-index.js";
import { compiledFor, factsOf, isFor } from "./filters.js";
import { topicLimits } from "./limits.js";
import type { Subscription, TargetKind, Topic, TopicMessage } from "./model.js";
import type { TopicMemory, TopicView } from "./view.js";

/** Messages of a round that are for one subscription. */
export interface Share {
  readonly subscription: Subscription;
  readonly messages: readonly TopicMessage[];
}

/** Messages from a place on, up to another. */
export interface RoundMessages {
  readonly from: Sequence;
  readonly to: Sequence;
  readonly messages: readonly TopicMessage[];
}

/** Bytes one to one, so that ids can be map keys and compare as they sort. */
const keyOf = (id: Buffer): string => id.toString("latin1");

const byKey = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

export class LaneMemory implements TopicMemory {
  /** Those in the lane, by id. */
  readonly #members = new Map<string, Subscription>();
  /** Of these the ones that are judged one by one: without a filter, or with one that not all messages are judged by. */
  readonly #unindexed = new Set<string>();
  readonly #indexes = new Map<TargetKind, FilterIndex<string>>();
  /** Changed since they were looked at. */
  readonly #changed = new Map<string, Buffer>();
  /** The last one that was looked at; undefined: all were. */
  #readTo: Buffer | undefined = Buffer.alloc(0);
  #policyCharacters = 0;
  #isTooMuch = false;
  #round: RoundMessages | undefined;
  /** Of the round, in the order of ids. */
  #shares: readonly Share[] | undefined;

  /** Subscriptions kept. */
  get weight(): number {
    return this.#members.size;
  }

  subscriptionChanged(id: Buffer): void {
    if (!this.#isTooMuch) this.#changed.set(keyOf(id), id);
    this.#shares = undefined;
  }

  /** The messages of a round that was begun; undefined: they have to be read. */
  messagesOf(from: Sequence, to: Sequence): readonly TopicMessage[] | undefined {
    const round = this.#round;
    return round?.from === from && round.to === to ? round.messages : undefined;
  }

  /** Every round begins here, so messages of one that was undone are never asked for. */
  beginRound(round: RoundMessages): void {
    this.#round = round;
    this.#shares = undefined;
  }

  endRound(): void {
    this.#round = undefined;
    this.#shares = undefined;
  }

  /**
   * Who gets what in the round, in the order of ids. `reading`: not all subscriptions are known yet, and the next call goes on;
   * `too_many`: they are more than are kept.
   */
  shares(topics: TopicView, topic: Topic): readonly Share[] | "reading" | "too_many" {
    this.#readOn(topics, topic);
    if (this.#isTooMuch) return "too_many";
    if (this.#readTo !== undefined) return "reading";
    this.#shares ??= this.#share(this.#round?.messages ?? []);
    return this.#shares;
  }

  #readOn(topics: TopicView, topic: Topic): void {
    if (this.#isTooMuch) return;
    for (const [key, id] of this.#changed) {
      this.#changed.delete(key);
      this.#remove(key);
      // Those behind are read when it is their turn.
      if (this.#readTo !== undefined && Buffer.compare(id, this.#readTo) > 0) continue;
      const row = orUnreadable(() => topics.subscription(topic, id));
      if (row !== undefined && row !== "unreadable") this.#add(row);
    }
    if (this.#readTo === undefined) return;
    let left: number = topicLimits.stepSubscriptionsMax;
    for (const subscription of topics.subscriptionsAfter(topic, this.#readTo)) {
      if (left === 0) return;
      left -= 1;
      this.#readTo = subscription.id;
      this.#add(subscription);
      if (this.#isTooMuch) return;
    }
    this.#readTo = undefined;
  }

  #add(subscription: Subscription): void {
    const { id, kind, standing, filters } = subscription;
    if (standing.kind !== "lane") return;
    const key = keyOf(id);
    this.#members.set(key, subscription);
    const [only] = filters;
    if (only?.policy === undefined || filters.length > 1 || only.from > standing.since) {
      this.#unindexed.add(key);
    } else {
      this.#policyCharacters += only.policy.length;
      const index = this.#indexes.get(kind) ?? new FilterIndex<string>();
      this.#indexes.set(kind, index);
      const filter = compiledFor(only);
      // One that cannot be read takes nothing.
      if (filter !== undefined) index.add(key, filter);
    }
    const { keptSubscriptionsMax, keptPolicyCharactersMax } = topicLimits;
    if (this.weight > keptSubscriptionsMax || this.#policyCharacters > keptPolicyCharactersMax) {
      this.#isTooMuch = true;
      this.#members.clear();
      this.#unindexed.clear();
      this.#indexes.clear();
      this.#changed.clear();
    }
  }

  #remove(key: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    this.#members.delete(key);
    if (this.#unindexed.delete(key)) return;
    this.#policyCharacters -= member.filters[0]?.policy?.length ?? 0;
    this.#indexes.get(member.kind)?.remove(key);
  }

  #share(messages: readonly TopicMessage[]): readonly Share[] {
    const shared = new Map<string, TopicMessage[]>();
    for (const message of messages) {
      for (const [kind, index] of this.#indexes) {
        if (index.size === 0) continue;
        for (const key of index.match(factsOf(message, kind))) {
          const own = shared.get(key);
          if (own === undefined) shared.set(key, [message]);
          else own.push(message);
        }
      }
    }
    const keys = [...this.#unindexed, ...shared.keys()].sort(byKey);
    const shares: Share[] = [];
    for (const key of keys) {
      const subscription = this.#members.get(key) as Subscription;
      const own = judged(subscription, shared.get(key), messages);
      if (own.length > 0) shares.push({ subscription, messages: own });
    }
    return shares;
  }
}

/** Of the round's messages those that are for a subscription; `taken`: those that its one filter takes. */
function judged(
  subscription: Subscription,
  taken: readonly TopicMessage[] | undefined,
  messages: readonly TopicMessage[],
): readonly TopicMessage[] {
  const { standing, filters } = subscription;
  if (standing.kind !== "lane") return [];
  const own = taken ?? messages;
  const isAllLater = (own[0]?.sequence ?? 0) >= standing.since;
  const later = isAllLater ? own : own.filter(({ sequence }) => sequence >= standing.since);
  const isJudged =
    taken !== undefined || (filters.length === 1 && filters[0]?.policy === undefined);
  return isJudged ? later : later.filter((message) => isFor(subscription, message));
}
