// Clients of a crash test that receive, and what they do with what they got: most is deleted, some given back or rejected, some
// left alone until its lease ends. Messages chosen to be poison are never deleted by them.

import { setTimeout as sleep } from "node:timers/promises";
import type { ConsumedMessage, ReceivedMessage } from "@forebay/client";
import type { Attempted } from "./attempts.js";
import { arrivalOf, type Client, isFifo, pause } from "./client.js";
import { hashOf, keyOf, nowMs, type Outcome } from "./history.js";

type Done = "DELETED" | "ALREADY_GONE" | undefined;
type Seen = Pick<ReceivedMessage, "messageId" | "receiptHandle" | "body">;

/** By its key, so that everybody agrees. */
function isPoison({ plan: { poisonShare = 0 } }: Client, { body }: Seen): boolean {
  return Number.parseInt(hashOf(keyOf(body)).slice(-6), 16) / 0x1000000 < poisonShare;
}

export async function receive(client: Client): Promise<void> {
  const { name, queue, attempts, random, history, stopping, plan } = client;
  const rest: Promise<void>[] = [];
  for (let call = 1; !stopping.aborted; call += 1) {
    const visibilityTimeoutMs = random.between(500, 4_000);
    const maxMessages = random.between(1, 10);
    const id = `${name}-${call}`;
    const startedMs = nowMs();
    const result = await attempts.repeated(() =>
      queue.receive({
        maxMessages,
        visibilityTimeoutMs,
        waitTimeMs: 500,
        ...(isFifo(client) ? { receiveAttemptId: id } : { requestId: id }),
      }),
    );
    if (result.outcome !== "ok") continue;
    for (const message of result.value) {
      const lease = { kind: "receive", visibilityTimeoutMs } as const;
      history.add(arrivalOf(plan.queue, message, startedMs, lease));
    }
    // What becomes of them is decided later by others of them, so that deletes meet leases that have ended.
    rest.push(settle(client, result.value));
    await pause(client);
  }
  await Promise.all(rest);
}

async function settle(client: Client, messages: readonly ReceivedMessage[]): Promise<void> {
  const { random, plan } = client;
  const choice = random.next();
  if (random.chance(0.1)) await sleep(random.between(100, 3_000));
  const poison = messages.filter((message) => isPoison(client, message));
  const wholesome = messages.filter((message) => !poison.includes(message));
  await Promise.all(poison.map((message) => giveUp(client, message)));
  if (choice < (plan.forgottenShare ?? 0.08)) return;
  if (choice > 0.88) await Promise.all(wholesome.map((message) => giveBack(client, message)));
  else if (choice > 0.45)
    await Promise.all(wholesome.map((message) => deleteAlone(client, message)));
  else await deleteTogether(client, wholesome);
}

async function deleteTogether(client: Client, messages: readonly Seen[]): Promise<void> {
  if (messages.length === 0) return;
  const { queue, attempts } = client;
  const startedMs = nowMs();
  const result = await attempts.repeated(() =>
    queue.deleteBatch(messages.map(({ receiptHandle }) => receiptHandle)),
  );
  for (const [index, message] of messages.entries()) {
    const id = String(index);
    const answer = result.outcome === "ok" ? result.value : undefined;
    const done = answer?.successful.find((entry) => entry.id === id)?.outcome;
    const error = answer?.failed.find((entry) => entry.id === id)?.error;
    const outcome = error === undefined ? result.outcome : attempts.outcomeOf(error);
    recordDeleted(client, message, startedMs, outcome, done, result.attemptCount);
  }
}

async function deleteAlone(client: Client, message: ReceivedMessage): Promise<void> {
  const { repeatingQueue, attempts } = client;
  const startedMs = nowMs();
  const result = await attempts.once(() => repeatingQueue.delete(message.receiptHandle));
  recordDeleted(client, message, startedMs, result.outcome, answerOf(result));
}

async function giveBack(client: Client, message: ReceivedMessage): Promise<void> {
  const { queue, random } = client;
  const visibilityTimeoutMs = random.chance(0.5) ? 0 : random.between(1, 2_000);
  await recordGivenBack(client, message, () =>
    queue.changeVisibility(message.receiptHandle, visibilityTimeoutMs),
  );
}

/** What is done with poison: it is left alone, given back, or rejected. */
async function giveUp(client: Client, message: ReceivedMessage): Promise<void> {
  const { queue, random } = client;
  const choice = random.next();
  if (choice < 0.3) return;
  await recordGivenBack(client, message, () =>
    choice < 0.6
      ? queue.changeVisibility(message.receiptHandle, 0)
      : queue.reject(message.receiptHandle, {
          reason: "POISON",
          ...(choice < 0.8 ? { deadLetter: true } : { delayMs: random.between(0, 300) }),
        }),
  );
}

export async function consume(client: Client): Promise<void> {
  const { repeatingQueue, attempts, history, stopping, plan } = client;
  const rest: Promise<void>[] = [];
  while (!stopping.aborted) {
    try {
      const messages = repeatingQueue.consume({
        maxMessages: 20,
        visibilityTimeoutMs: 2_000,
        signal: stopping,
      });
      for await (const message of messages) {
        history.add(arrivalOf(plan.queue, message, nowMs(), { kind: "stream" }));
        rest.push(settleConsumed(client, message));
      }
    } catch (error) {
      attempts.outcomeOf(error);
      await pause(client);
    }
  }
  await Promise.all(rest);
}

async function settleConsumed(client: Client, message: ConsumedMessage): Promise<void> {
  const { random, attempts } = client;
  const choice = random.next();
  // Some are held for longer than their lease lasts without the server's renewal.
  await sleep(random.chance(0.05) ? random.between(1_000, 3_000) : random.between(0, 50));
  if (choice < 0.8 && !isPoison(client, message)) {
    const startedMs = nowMs();
    const result = await attempts.once(() => message.ack());
    recordDeleted(client, message, startedMs, result.outcome, answerOf(result));
    return;
  }
  const delayMs = random.between(0, 500);
  await recordGivenBack(client, message, () =>
    choice % 0.1 < 0.06
      ? message.nack({ delayMs })
      : message.reject("CRASH_TEST", "no", { delayMs }),
  );
}

const answerOf = <Value>(result: Attempted<Value>): Value | undefined =>
  result.outcome === "ok" ? result.value : undefined;

function recordDeleted(
  { history }: Client,
  { messageId, receiptHandle, body }: Seen,
  startedMs: number,
  outcome: Outcome,
  done: Done,
  attemptCount?: number,
): void {
  history.add({
    kind: "deleted",
    messageId,
    key: keyOf(body),
    handle: receiptHandle,
    outcome,
    hasRemoved: done === "DELETED",
    startedMs,
    endedMs: nowMs(),
    ...(attemptCount !== undefined && { attemptCount }),
  });
}

async function recordGivenBack(
  { attempts, history }: Client,
  { messageId }: Seen,
  call: () => Promise<unknown>,
): Promise<void> {
  const startedMs = nowMs();
  const { outcome } = await attempts.once(call);
  history.add({ kind: "given_back", messageId, outcome, startedMs, endedMs: nowMs() });
}
