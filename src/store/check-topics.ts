// The check of topics: each with its numbers, its messages without a gap, and its subscriptions with all the rows that find them.

import { uuidText } from "../base/ids.js";
import type { Subscription, Topic, TopicCounters } from "../topic/model.js";
import { checkArchiveRow, checkReplaying } from "./check-archives.js";
import { checkAttemptRow } from "./check-attempts.js";
import { checkHasPlace, checkPushFloor, checkPushRow } from "./check-pushes.js";
import { checkUndeliverableRow } from "./check-undeliverable.js";
import { type CheckWalk, isPlace, keyName, prefixAfter } from "./check-walk.js";
import { segmentPrefix, segmentPrefixLength, tableLetters, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import {
  catchingUpKey,
  endpointKey,
  idBytes,
  namespaceSubscriptionKey,
  ownPlaceKey,
  publishedKey,
  publishedTimeKey,
  subscriptionIdKey,
  subscriptionKey,
  topicCountersKey,
  topicFiltersKey,
  topicKey,
  topicLetters,
} from "./topic-keys.js";

/** Whose segment is checked. */
export interface TopicSegmentContext {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly topic: Topic;
  readonly name: string;
  /** No row can tell of a later instant. */
  readonly lastInstant: number;
}

const idAt = (key: string): Buffer => Buffer.from(key.slice(-idBytes), "latin1");

/** Says whether the topic has its numbers. */
export async function checkTopicSegment(context: TopicSegmentContext): Promise<boolean> {
  const { walk, prefix } = context;
  const counters = walk.find(tables.topicCounters, topicCountersKey(prefix));
  const known = counters === "unreadable" ? undefined : counters;
  const check = new TopicSegmentCheck(context, known);
  await walk.walk(prefix, prefixAfter(prefix) ?? "\x80", (scanned) => {
    check.visit(scanned);
    return undefined;
  });
  check.finish();
  return counters !== undefined;
}

class TopicSegmentCheck {
  readonly #context: TopicSegmentContext;
  readonly #counters: TopicCounters | undefined;
  #messages = 0;
  #subscriptions = 0;

  constructor(context: TopicSegmentContext, counters: TopicCounters | undefined) {
    this.#context = context;
    this.#counters = counters;
  }

  visit(scanned: ScannedRow): void {
    const { walk, prefix, name } = this.#context;
    const { key } = scanned;
    switch (key[segmentPrefixLength]) {
      case topicLetters.counters:
        if (key === topicCountersKey(prefix)) walk.read(scanned, tables.topicCounters, () => name);
        else walk.layout(key);
        break;
      case topicLetters.deliveries:
        this.#checkOfSubscription(scanned, "deliveries");
        break;
      case topicLetters.endpoint:
        this.#checkEndpoint(scanned);
        break;
      case topicLetters.ownPlace:
        this.#checkOwnPlace(scanned);
        break;
      case topicLetters.message:
        this.#checkMessage(scanned);
        break;
      case topicLetters.catchingUp:
        this.#checkOfSubscription(scanned, "catchingUp");
        break;
      case topicLetters.subscription:
        this.#checkSubscription(scanned);
        break;
      case topicLetters.published:
        this.#checkPublished(scanned);
        break;
      case topicLetters.publishedTime:
        this.#checkPublishedTime(scanned);
        break;
      case topicLetters.filters:
        if (key === topicFiltersKey(prefix)) walk.read(scanned, tables.topicFilters, () => name);
        else walk.layout(key);
        break;
      case tableLetters.chunk: {
        const base = prefix + key.slice(segmentPrefixLength + 1, -2);
        walk.checkChunk(scanned, base, `${name}, ${keyName(base)}`);
        break;
      }
      default:
        if (checkPushRow(this.#context, scanned) || checkArchiveRow(this.#context, scanned)) break;
        if (checkAttemptRow(this.#context, scanned)) break;
        if (checkUndeliverableRow(this.#context, scanned)) break;
        walk.report(`${name}, ${keyName(key)}`, "No table of topics has this letter.");
    }
  }

  finish(): void {
    const { walk, name } = this.#context;
    if (this.#counters === undefined) return;
    const { nextSequence, firstSequence, lane, confirmed, pending } = this.#counters;
    const said = nextSequence - firstSequence;
    if (said !== this.#messages) {
      walk.report(name, `Its numbers say ${said} messages kept, and there are ${this.#messages}.`);
    }
    if (confirmed + pending !== this.#subscriptions) {
      walk.report(
        name,
        `Its numbers say ${confirmed + pending} subscriptions, and there are ${this.#subscriptions}.`,
      );
    }
    if (!(firstSequence <= lane.from && lane.from <= lane.to && lane.to <= nextSequence)) {
      walk.report(
        name,
        `Its lane is from ${lane.from} to ${lane.to}, with messages from ${firstSequence} to ${nextSequence}.`,
      );
    }
  }

  #nameOf(id: Buffer): string {
    return `${this.#context.name}, subscription ${uuidText(id)}`;
  }

  #find(id: Buffer): Subscription | "unreadable" | undefined {
    const { walk, prefix } = this.#context;
    return walk.find(tables.subscription, subscriptionKey(prefix, id));
  }

  #checkOfSubscription(scanned: ScannedRow, table: "deliveries" | "catchingUp"): void {
    const { walk } = this.#context;
    const { key } = scanned;
    if (key.length !== segmentPrefixLength + 1 + idBytes) {
      walk.layout(key);
      return;
    }
    const id = idAt(key);
    const name = this.#nameOf(id);
    if (table === "deliveries") walk.read(scanned, tables.deliveries, () => name);
    else walk.read(scanned, tables.catchingUp, () => name);
    const subscription = this.#find(id);
    if (subscription === undefined) walk.report(name, `It has ${table} and is not there.`);
    if (table === "deliveries" || subscription === undefined || subscription === "unreadable") {
      return;
    }
    if (subscription.standing.kind !== "own" || subscription.settings.isPaused) {
      walk.report(name, "A row says that it catches up, and it does not.");
    }
  }

  #checkEndpoint(scanned: ScannedRow): void {
    const { walk, prefix, name } = this.#context;
    const { row: id } = walk.read(scanned, tables.endpoint, () => name);
    const subscription = id && this.#find(id);
    if (id !== undefined && subscription === undefined) {
      walk.report(this.#nameOf(id), "It is found by its target and is not there.");
    }
    if (subscription === undefined || subscription === "unreadable") return;
    if (endpointKey(prefix, subscription.kind, subscription.endpoint) !== scanned.key) {
      walk.report(this.#nameOf(subscription.id), "It is found by another target than its own.");
    }
  }

  #checkOwnPlace(scanned: ScannedRow): void {
    const { walk } = this.#context;
    const { key } = scanned;
    const at = segmentPrefixLength + 1;
    if (key.length !== at + 8 + idBytes || !isPlace(key, at)) {
      walk.layout(key);
      return;
    }
    const id = idAt(key);
    const name = this.#nameOf(id);
    walk.read(scanned, tables.ownPlace, () => name);
    const subscription = this.#find(id);
    if (subscription === "unreadable") return;
    const standing = subscription?.standing;
    const isPushed = subscription?.kind !== "queue" && subscription?.kind !== "stream";
    if (standing?.kind === "replaying" && !isPushed && standing.live === u64At(key, at)) return;
    if (standing?.kind === "apart" || (standing?.kind === "replaying" && isPushed)) {
      checkPushFloor(this.#context, id, u64At(key, at));
      return;
    }
    if (standing?.kind !== "own" || standing.cursor !== u64At(key, at)) {
      walk.report(name, `A row says that it is at place ${u64At(key, at)}, and it is not.`);
    }
  }

  #checkMessage(scanned: ScannedRow): void {
    const { walk, name, lastInstant } = this.#context;
    const { key } = scanned;
    const at = segmentPrefixLength + 1;
    if (key.length !== at + 8 || !isPlace(key, at)) {
      walk.layout(key);
      return;
    }
    const place = u64At(key, at);
    const messageName = `${name}, message ${place}`;
    this.#messages += 1;
    const { row } = walk.read(scanned, tables.topicMessage, () => messageName);
    if (row !== undefined && row.publishedAt > lastInstant) {
      walk.report(messageName, "It was published after the last instant of the store.");
    }
    const { firstSequence = 0, nextSequence = place + 1 } = this.#counters ?? {};
    if (place < firstSequence || place >= nextSequence) {
      walk.report(messageName, `The messages kept are from ${firstSequence} to ${nextSequence}.`);
    }
  }

  #checkSubscription(scanned: ScannedRow): void {
    const { walk, prefix, topic, lastInstant } = this.#context;
    const id = idAt(scanned.key);
    const name = this.#nameOf(id);
    this.#subscriptions += 1;
    const { row } = walk.read(scanned, tables.subscription, () => name);
    const locator = walk.find(tables.subscriptionId, subscriptionIdKey(id));
    if (locator === undefined) walk.report(name, "It is not found by its id.");
    else if (locator !== "unreadable" && locator.segment !== topic.segment) {
      walk.report(name, "Its id leads to another topic.");
    }
    const listKey = namespaceSubscriptionKey(topic.namespace, id);
    if (walk.find(tables.namespaceSubscription, listKey) === undefined) {
      walk.report(name, "It is not listed in its namespace.");
    }
    if (row === undefined) return;
    if (row.createdAt > lastInstant || row.updatedAt > lastInstant) {
      walk.report(name, "It was made or changed after the last instant of the store.");
    }
    if (walk.find(tables.endpoint, endpointKey(prefix, row.kind, row.endpoint)) === undefined) {
      walk.report(name, "It is not found by its target.");
    }
    if (row.standing.kind === "apart") checkHasPlace(this.#context, id);
    if (row.standing.kind === "replaying") checkReplaying(this.#context, row);
    if (row.standing.kind === "own") this.#checkPlaces(row, row.standing.cursor, name);
  }

  #checkPlaces(
    { id, settings }: Subscription,
    cursor: TopicCounters["nextSequence"],
    name: string,
  ) {
    const { walk, prefix } = this.#context;
    if (walk.find(tables.ownPlace, ownPlaceKey(prefix, cursor, id)) === undefined) {
      walk.report(name, `No row says that it is at place ${cursor}.`);
    }
    const catchesUp = walk.find(tables.catchingUp, catchingUpKey(prefix, id)) !== undefined;
    if (!settings.isPaused && !catchesUp) walk.report(name, "No row says that it catches up.");
    if (this.#counters !== undefined && cursor < this.#counters.firstSequence) {
      walk.report(name, `It is at place ${cursor}, and what is there is not kept.`);
    }
  }

  #checkPublished(scanned: ScannedRow): void {
    const { walk, prefix, name, lastInstant } = this.#context;
    const id = scanned.key.slice(segmentPrefixLength + 1);
    const idName = `${name}, deduplication id "${id}"`;
    const { row } = walk.read(scanned, tables.published, () => idName);
    if (row === undefined) return;
    if (row.at > lastInstant) walk.report(idName, "It came after the last instant of the store.");
    if (walk.find(tables.publishedTime, publishedTimeKey(prefix, row.at, id)) === undefined) {
      walk.report(idName, `No row says that it came at ${row.at}.`);
    }
  }

  #checkPublishedTime(scanned: ScannedRow): void {
    const { walk, prefix, name } = this.#context;
    const { key } = scanned;
    const at = segmentPrefixLength + 1;
    if (key.length <= at + 8 || !isPlace(key, at)) {
      walk.layout(key);
      return;
    }
    const id = key.slice(at + 8);
    const idName = `${name}, deduplication id "${id}"`;
    walk.read(scanned, tables.publishedTime, () => idName);
    if (walk.find(tables.published, publishedKey(prefix, id)) === undefined) {
      walk.report(idName, `It is said to have come at ${u64At(key, at)} and is not there.`);
    }
  }
}

// ---- rows about the whole store ----------------------------------------------------------------------------------------

interface Context {
  readonly walk: CheckWalk;
}

export function checkTopicCount({ walk }: Context, scanned: ScannedRow): void {
  const namespace = scanned.key.slice(1);
  const name = `namespace ${namespace}`;
  const { row } = walk.read(scanned, tables.topicCount, () => name);
  if (row === undefined) return;
  let count = 0;
  for (const _row of walk.store.scan(topicKey(namespace, ""), `\x8b${namespace}\x01`)) count += 1;
  if (count !== row.standard + row.fifo) {
    walk.report(name, `It is said to have ${row.standard + row.fifo} topics and has ${count}.`);
  }
}

/** One of a topic that has ended may be left until all are removed. */
export function checkSubscriptionId({ walk }: Context, scanned: ScannedRow): void {
  const { key } = scanned;
  if (key.length !== 1 + idBytes) {
    walk.layout(key);
    return;
  }
  const id = idAt(key);
  const name = `subscription ${uuidText(id)}`;
  const { row } = walk.read(scanned, tables.subscriptionId, () => name);
  if (row === undefined) return;
  const prefix = segmentPrefix(row.slot, row.segment);
  if (walk.find(tables.subscription, subscriptionKey(prefix, id)) === undefined) {
    walk.report(name, "Its id leads to where it is not.");
  }
}

export function checkNamespaceSubscription({ walk }: Context, scanned: ScannedRow): void {
  const { key } = scanned;
  if (key.length <= idBytes + 2) {
    walk.layout(key);
    return;
  }
  const id = idAt(key);
  const name = `subscription ${uuidText(id)}`;
  walk.read(scanned, tables.namespaceSubscription, () => name);
  const locator = walk.find(tables.subscriptionId, subscriptionIdKey(id));
  if (locator === undefined) walk.report(name, "It is listed and is not found by its id.");
}

export function checkEndedTopic({ walk }: Context, scanned: ScannedRow): void {
  if (scanned.key.length !== 1 + segmentPrefixLength) walk.layout(scanned.key);
  else walk.read(scanned, tables.endedTopic, () => `ended topic ${keyName(scanned.key)}`);
}
