// What the server tells of one message, and of quiet and noisy groups, in a test's words.

import {
  type MessageEvent,
  MessageEventKind,
  MessageState,
  type Obstacle,
  ObstacleKind,
} from "../../src/gen/forebay/queue/v1/message.js";
import type { RequestPart, ResponseOf } from "./queue-client.js";
import { msOf, type Received, type Scenario } from "./scenario.js";

/** A name of an enum's value, as the contract has it without its prefix. */
const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(names).find(([, each]) => each === value)?.[0] ?? `?${value}`;

/** The message and its life. */
export const described = (
  t: Scenario,
  messageId: string,
  request: Omit<RequestPart<"describeMessage">, "messageId"> = {},
): Promise<ResponseOf<"describeMessage">> =>
  t.call("describeMessage", { queue: t.queue, ...request, messageId });

/** Its events as `KIND at`, with `until`, `from` and `because` where there is such; instants count from `since`. */
export async function life(
  t: Scenario,
  messageId: string,
  { since, queue = t.queue }: { readonly since: number; readonly queue?: string },
): Promise<string[]> {
  const { events } = await described(t, messageId, { queue });
  return events.map((event) => eventText(event, since));
}

function eventText(event: MessageEvent, since: number): string {
  const parts = [`${nameOf(MessageEventKind, event.kind)} ${msOf(event.eventTime) - since}`];
  if (event.visibleTime !== undefined) parts.push(`until ${msOf(event.visibleTime) - since}`);
  if (event.queue !== "") parts.push(`from ${event.queue}`);
  if (event.reason !== "") parts.push(`because ${event.reason}`);
  return parts.join(" ");
}

export interface Explained {
  readonly state: string;
  /** As `KIND`, `KIND until <instant>` or `KIND until <instant> by <message id>`; instants count from now. */
  readonly obstacles: readonly string[];
  readonly ahead: number;
}

/** Why a message is not delivered. Every obstacle comes with advice, a sentence or more. */
export async function explained(
  t: Scenario,
  messageId: string,
  queue = t.queue,
): Promise<Explained> {
  const answer = await t.call("explainMessage", { queue, messageId });
  return {
    state: nameOf(MessageState, answer.state),
    obstacles: answer.obstacles.map((obstacle) => obstacleText(obstacle, t.now)),
    ahead: answer.aheadMessageCount,
  };
}

function obstacleText(obstacle: Obstacle, now: number): string {
  const { kind, untilTime, blockingMessageId, advice } = obstacle;
  if (!/^[A-Z].*\.$/.test(advice)) throw new Error(`No sentence of advice: "${advice}"`);
  const until = untilTime === undefined ? "" : ` until ${msOf(untilTime) - now}`;
  const by = blockingMessageId === "" ? "" : ` by ${blockingMessageId}`;
  return `${nameOf(ObstacleKind, kind)}${until}${by}`;
}

export interface Fairness {
  readonly noisyGroups: number;
  /** Visible, in flight and delayed messages of all other groups. */
  readonly quiet: string;
}

/** Undefined: no group is noisy. */
export async function fairness(t: Scenario, queue = t.queue): Promise<Fairness | undefined> {
  const { counters } = await t.call("getQueueAttributes", { queue });
  const numbers = counters?.fairness;
  return (
    numbers && {
      noisyGroups: Number(numbers.noisyGroupCount),
      quiet: [
        numbers.quietVisibleMessageCount,
        numbers.quietInFlightMessageCount,
        numbers.quietDelayedMessageCount,
      ].join("/"),
    }
  );
}

/** Receives messages one by one, so that each is chosen with the ones before it in flight; their bodies. */
export async function takeOneByOne(t: Scenario, count: number): Promise<Received[]> {
  const taken: Received[] = [];
  for (let index = 0; index < count; index += 1) taken.push(...(await t.receive()));
  return taken;
}

/** Deletes messages in the order given, ten a call. */
export async function deleteAll(
  t: Scenario,
  messages: readonly Pick<Received, "handle">[],
  queue = t.queue,
): Promise<void> {
  for (let from = 0; from < messages.length; from += 10) {
    const entries = messages
      .slice(from, from + 10)
      .map(({ handle }, index) => ({ id: String(index), receiptHandle: handle }));
    const { failed } = await t.call("deleteMessageBatch", { queue, entries });
    if (failed.length > 0) throw new Error(`Not deleted: ${failed[0]?.reason}`);
  }
}

/** Receives until so many messages came, ten a call. */
export async function takeMany(t: Scenario, count: number): Promise<Received[]> {
  const taken: Received[] = [];
  while (taken.length < count) {
    const received = await t.receive({ max: Math.min(10, count - taken.length) });
    if (received.length === 0) throw new Error(`There are only ${taken.length} of ${count}.`);
    taken.push(...received);
  }
  return taken;
}
