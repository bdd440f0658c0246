// Judges what publishers were told and what the targets of topics got, once the servers have stopped being killed and everything
// that waited was delivered.
//
//   lost          a publish that was answered, to a target that was confirmed before it began, never came there
//   invented      a target got a message that nobody published to its topic, or whose publish was refused
//   altered       a message came with another body than it was published with
//   doubled       one publish, repeated or not, became two messages of a queue
//   out of order  of one group, what one publisher published later came for the first time before what it published earlier
//   surprise      an answer that no crash explains
//
// A queue gets each message once, since its copy and the place of its subscription are one command. Webhooks, functions and
// streams get it at least once.

import type { Outcome } from "./history.js";

/** One message that was published, however often the call was repeated. */
export interface Published {
  readonly kind: "published";
  readonly topic: string;
  readonly key: string;
  readonly bodyHash: string;
  readonly outcome: Outcome;
  /** Who published it, in the group of its name on a FIFO topic, and how many messages it had published before. */
  readonly publisher: string;
  readonly place: number;
  readonly startedMs: number;
}

/** A message that a target got. */
export interface Delivered {
  readonly kind: "delivered";
  readonly target: string;
  readonly key: string;
  readonly bodyHash: string;
  /** Names the message of a queue, or the message of the topic: what is delivered again has the same. */
  readonly copy: string;
}

export interface TopicSurprise {
  readonly kind: "surprise";
  readonly what: string;
}

export type TopicEvent = Published | Delivered | TopicSurprise;

/** A confirmed subscription, and what it is promised. */
export interface TargetPromise {
  readonly name: string;
  readonly topic: string;
  readonly isOnce: boolean;
  readonly isInOrder: boolean;
  /** Since when it is confirmed, for sure. */
  readonly confirmedMs: number;
}

export type TopicViolationKind =
  | "lost"
  | "invented"
  | "altered"
  | "doubled"
  | "out of order"
  | "surprise";

export interface TopicViolation {
  readonly kind: TopicViolationKind;
  readonly sentence: string;
}

export interface TopicSummary {
  readonly acknowledged: number;
  readonly unknown: number;
  /** By target: messages that came, and how many times one came again. */
  readonly targets: Readonly<Record<string, { readonly came: number; readonly again: number }>>;
}

export interface TopicJudgement {
  readonly violations: readonly TopicViolation[];
  readonly summary: TopicSummary;
}

export function judgeTopics(
  events: readonly TopicEvent[],
  targets: readonly TargetPromise[],
): TopicJudgement {
  const published = events.filter((event) => event.kind === "published");
  const delivered = events.filter((event) => event.kind === "delivered");
  const surprises = events.filter((event) => event.kind === "surprise");
  const unexpected = surprises.map(({ what }) => violation("surprise", what));
  const each = targets.map((target) => {
    const ofTopic = published.filter(({ topic }) => topic === target.topic);
    const here = delivered.filter((delivery) => delivery.target === target.name);
    return { target, here, violations: judgeTarget(target, ofTopic, here) };
  });
  return {
    violations: [...unexpected, ...each.flatMap(({ violations }) => violations)],
    summary: {
      acknowledged: published.filter(({ outcome }) => outcome === "ok").length,
      unknown: published.filter(({ outcome }) => outcome === "unknown").length,
      targets: Object.fromEntries(
        each.map(({ target, here }) => {
          const came = new Set(here.map(({ key }) => key)).size;
          return [target.name, { came, again: here.length - came }];
        }),
      ),
    },
  };
}

const violation = (kind: TopicViolationKind, sentence: string): TopicViolation => ({
  kind,
  sentence,
});

function judgeTarget(
  target: TargetPromise,
  published: readonly Published[],
  delivered: readonly Delivered[],
): TopicViolation[] {
  const byKey = new Map(published.map((each) => [each.key, each]));
  const came = new Set(delivered.map(({ key }) => key));
  return [
    ...published
      .filter(({ outcome, startedMs }) => outcome === "ok" && startedMs >= target.confirmedMs)
      .filter(({ key }) => !came.has(key))
      .map(({ key }) => violation("lost", `${key} never came to ${target.name}`)),
    ...delivered.flatMap((delivery) => judgeDelivery(target, byKey.get(delivery.key), delivery)),
    ...(target.isOnce ? doubled(target, delivered) : []),
    ...(target.isInOrder ? swapped(target, byKey, delivered) : []),
  ];
}

function judgeDelivery(
  { name }: TargetPromise,
  published: Published | undefined,
  { key, bodyHash }: Delivered,
): TopicViolation[] {
  if (published === undefined || published.outcome === "refused") {
    return [violation("invented", `${name} got ${key}, which was not published`)];
  }
  return published.bodyHash === bodyHash
    ? []
    : [violation("altered", `${name} got ${key} with another body`)];
}

function doubled({ name }: TargetPromise, delivered: readonly Delivered[]): TopicViolation[] {
  const copies = new Map<string, Set<string>>();
  for (const { key, copy } of delivered) copies.set(key, (copies.get(key) ?? new Set()).add(copy));
  return [...copies]
    .filter(([, { size }]) => size > 1)
    .map(([key, { size }]) => violation("doubled", `${name} has ${size} messages of ${key}`));
}

/** By the first time that each message came: what comes again may do so at any time. */
function swapped(
  { name }: TargetPromise,
  byKey: ReadonlyMap<string, Published>,
  delivered: readonly Delivered[],
): TopicViolation[] {
  const seen = new Set<string>();
  const latest = new Map<string, Published>();
  const found: TopicViolation[] = [];
  for (const { key } of delivered) {
    const published = byKey.get(key);
    if (published === undefined || seen.has(key)) continue;
    seen.add(key);
    const before = latest.get(published.publisher);
    if (before !== undefined && before.place > published.place) {
      found.push(violation("out of order", `${name} got ${key} after ${before.key}`));
    } else latest.set(published.publisher, published);
  }
  return found;
}
