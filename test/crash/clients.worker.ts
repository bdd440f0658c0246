// A process of a crash test: clients of every kind, working on one queue while their server is killed, and writing down what
// they did and were told. SIGTERM ends it: clients stop asking, and wait for what they asked to be answered.

import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumedMessage,
  ForebayClient,
  ForebayError,
  type Message,
  type ReceivedMessage,
} from "@forebay/client";
import { type Arrived, bodyOf, History, hashOf, keyOf, nowMs, type Outcome } from "./history.js";
import type { ClientKind, ClientPlan } from "./plan.js";
import { Random } from "./random.js";

const plan: ClientPlan = JSON.parse(process.argv[2] ?? "");
const history = new History(plan.historyPath);
const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());

/** How long a call is repeated; far longer than the server is ever away. */
const repeatForMs = 20_000;
const attemptMs = 4_000;

/** Refusals that are part of the test. Anything else but a lost connection is a surprise. */
const expectedRefusals = new Set([
  "STORAGE_FULL",
  "COMMIT_BACKLOG",
  "MESSAGE_NOT_IN_FLIGHT",
  "MESSAGE_NOT_FOUND",
]);

// The library's repetition is tried by half of the clients; the others repeat by themselves, so that it is known how often.
const repeating = new ForebayClient({ endpoint: plan.endpoint });
const plain = new ForebayClient({
  endpoint: plan.endpoint,
  retry: false,
  batching: false,
  timeoutMs: attemptMs,
});
const queue = plain.queue(plan.queue);
const repeatingQueue = repeating.queue(plan.queue);

type Attempted<Value> =
  | { readonly outcome: "ok"; readonly value: Value; readonly attemptCount: number }
  | { readonly outcome: "refused" | "unknown"; readonly attemptCount: number };

/** Calls once and says what came of it. */
async function attempt<Value>(call: () => Promise<Value>): Promise<Attempted<Value>> {
  try {
    return { outcome: "ok", value: await call(), attemptCount: 1 };
  } catch (error) {
    return { outcome: outcomeOf(error), attemptCount: 1 };
  }
}

/** Calls until it is answered. A refusal after an attempt that nobody can tell the outcome of is unknown itself. */
async function repeat<Value>(call: () => Promise<Value>): Promise<Attempted<Value>> {
  const giveUpMs = nowMs() + repeatForMs;
  let isUnknown = false;
  for (let attemptCount = 1; ; attemptCount += 1) {
    const result = await attempt(call);
    if (result.outcome === "ok") return { ...result, attemptCount };
    if (result.outcome === "unknown") isUnknown = true;
    if (result.outcome === "refused" || nowMs() > giveUpMs) {
      return { outcome: isUnknown ? "unknown" : "refused", attemptCount };
    }
    await sleep(50 + 100 * Math.random());
  }
}

function outcomeOf(error: unknown): "refused" | "unknown" {
  if (error instanceof ForebayError) {
    if (error.status === "UNAVAILABLE" || error.status === "DEADLINE_EXCEEDED") return "unknown";
    if (expectedRefusals.has(error.reason)) return "refused";
  }
  history.add({ kind: "surprise", atMs: nowMs(), what: String(error) });
  return "unknown";
}

/** The messages of one client: keys and sizes are the seed's, whatever the server does. */
class Bodies {
  readonly #name: string;
  readonly #random: Random;
  #count = 0;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  next(): { readonly key: string; readonly body: string | Uint8Array } {
    this.#count += 1;
    const key = `${this.#name}-${this.#count}`;
    const bytesMax = this.#random.chance(plan.largeBodyShare) ? plan.bodyBytesMax : 500;
    return { key, body: bodyOf(key, this.#random.between(20, bytesMax)) };
  }
}

type SentBody = ReturnType<Bodies["next"]>;

function recordSent(
  { key, body }: SentBody,
  startedMs: number,
  result: { outcome: Outcome; attemptCount: number; messageId?: string | undefined },
): void {
  const { outcome, attemptCount, messageId } = result;
  history.add({
    kind: "sent",
    key,
    bodyHash: hashOf(body),
    outcome,
    attemptCount,
    startedMs,
    endedMs: nowMs(),
    ...(messageId !== undefined && { messageId }),
  });
}

async function send(name: string, random: Random): Promise<void> {
  const bodies = new Bodies(name, random);
  while (!stopping.signal.aborted) {
    const sent = bodies.next();
    const startedMs = nowMs();
    const result = await repeat(() => queue.send(sent.body, { requestId: sent.key }));
    const messageId = result.outcome === "ok" ? result.value.messageId : undefined;
    recordSent(sent, startedMs, { ...result, messageId });
    await pause(random);
  }
}

async function sendHastily(name: string, random: Random): Promise<void> {
  const bodies = new Bodies(name, random);
  while (!stopping.signal.aborted) {
    const burst = Array.from({ length: random.between(1, 8) }, () => bodies.next());
    await Promise.all(
      burst.map(async (sent) => {
        const startedMs = nowMs();
        const result = await attempt(() => repeatingQueue.send(sent.body));
        const messageId = result.outcome === "ok" ? result.value.messageId : undefined;
        recordSent(sent, startedMs, { ...result, messageId });
      }),
    );
    await pause(random);
  }
}

async function sendBatches(name: string, random: Random): Promise<void> {
  const bodies = new Bodies(name, random);
  while (!stopping.signal.aborted) {
    const batch = Array.from({ length: random.between(1, 10) }, () => bodies.next());
    const requestId = `${name}-${batch[0]?.key}`;
    const startedMs = nowMs();
    const result = await repeat(() =>
      queue.sendBatch(
        batch.map(({ body }) => body),
        { requestId },
      ),
    );
    const { outcome, attemptCount } = result;
    if (result.outcome === "ok") {
      for (const { id, error } of result.value.failed) {
        history.add({ kind: "surprise", atMs: nowMs(), what: `entry ${id}: ${error}` });
      }
    }
    for (const [index, sent] of batch.entries()) {
      const stored =
        result.outcome === "ok"
          ? result.value.successful.find(({ id }) => id === String(index))
          : undefined;
      recordSent(sent, startedMs, { outcome, attemptCount, messageId: stored?.messageId });
    }
    await pause(random);
  }
}

async function produce(name: string, random: Random): Promise<void> {
  const bodies = new Bodies(name, random);
  await using producer = plain.queue(plan.queue).producer({ maxInFlight: 20 });
  const results: Promise<void>[] = [];
  let isBroken = false;
  while (!stopping.signal.aborted) {
    // Without a server every message would be lost at once, thousands of them.
    if (isBroken) await sleep(100);
    await producer.ready();
    const sent = bodies.next();
    const startedMs = nowMs();
    const answered = attempt(() => producer.send(sent.body)).then((result) => {
      const messageId = result.outcome === "ok" ? result.value.messageId : undefined;
      recordSent(sent, startedMs, { ...result, messageId });
      isBroken = result.outcome === "unknown";
    });
    results.push(answered);
    await pause(random);
  }
  await Promise.all(results);
}

async function receive(name: string, random: Random): Promise<void> {
  const rest: Promise<void>[] = [];
  for (let call = 1; !stopping.signal.aborted; call += 1) {
    const visibilityTimeoutMs = random.between(500, 4_000);
    const maxMessages = random.between(1, 10);
    const startedMs = nowMs();
    const result = await repeat(() =>
      queue.receive({
        maxMessages,
        visibilityTimeoutMs,
        waitTimeMs: 500,
        requestId: `${name}-${call}`,
      }),
    );
    if (result.outcome !== "ok") continue;
    for (const message of result.value) {
      recordArrived(message, startedMs, { kind: "receive", visibilityTimeoutMs });
    }
    // What becomes of them is decided later by others of them, so that deletes meet leases that have ended.
    rest.push(settle(result.value, random));
    await pause(random);
  }
  await Promise.all(rest);
}

async function settle(messages: readonly ReceivedMessage[], random: Random): Promise<void> {
  const choice = random.next();
  if (random.chance(0.1)) await sleep(random.between(100, 3_000));
  if (choice < 0.45) await deleteTogether(messages);
  else if (choice < 0.8) await Promise.all(messages.map((message) => deleteAlone(message)));
  else if (choice < 0.92) await Promise.all(messages.map((message) => giveBack(message, random)));
  // The rest are forgotten, and come back when their leases end.
}

async function deleteTogether(messages: readonly ReceivedMessage[]): Promise<void> {
  if (messages.length === 0) return;
  const startedMs = nowMs();
  const result = await repeat(() =>
    queue.deleteBatch(messages.map(({ receiptHandle }) => receiptHandle)),
  );
  for (const [index, { messageId }] of messages.entries()) {
    const done =
      result.outcome === "ok"
        ? result.value.successful.find(({ id }) => id === String(index))
        : undefined;
    if (result.outcome === "ok" && done === undefined) {
      history.add({ kind: "surprise", atMs: nowMs(), what: `delete of ${messageId} was refused` });
    }
    recordDeleted(messageId, startedMs, result.outcome, done?.outcome);
  }
}

async function deleteAlone({ messageId, receiptHandle }: ReceivedMessage): Promise<void> {
  const startedMs = nowMs();
  const result = await attempt(() => repeatingQueue.delete(receiptHandle));
  const value = result.outcome === "ok" ? result.value : undefined;
  recordDeleted(messageId, startedMs, result.outcome, value);
}

async function giveBack({ messageId, receiptHandle }: ReceivedMessage, random: Random) {
  const startedMs = nowMs();
  const visibilityTimeoutMs = random.chance(0.5) ? 0 : random.between(1, 2_000);
  const { outcome } = await attempt(() =>
    queue.changeVisibility(receiptHandle, visibilityTimeoutMs),
  );
  history.add({ kind: "given_back", messageId, outcome, startedMs, endedMs: nowMs() });
}

async function consume(_name: string, random: Random): Promise<void> {
  const rest: Promise<void>[] = [];
  while (!stopping.signal.aborted) {
    try {
      const messages = repeatingQueue.consume({
        maxMessages: 20,
        visibilityTimeoutMs: 2_000,
        signal: stopping.signal,
      });
      for await (const message of messages) {
        recordArrived(message, nowMs(), { kind: "stream" });
        rest.push(settleConsumed(message, random));
      }
    } catch (error) {
      outcomeOf(error);
      await pause(random);
    }
  }
  await Promise.all(rest);
}

async function settleConsumed(message: ConsumedMessage, random: Random): Promise<void> {
  const choice = random.next();
  // Some are held for longer than their lease lasts without the server's renewal.
  await sleep(random.chance(0.05) ? random.between(1_000, 3_000) : random.between(0, 50));
  const { messageId } = message;
  const startedMs = nowMs();
  if (choice < 0.8) {
    const result = await attempt(() => message.ack());
    const value = result.outcome === "ok" ? result.value : undefined;
    recordDeleted(messageId, startedMs, result.outcome, value);
    return;
  }
  const delayMs = random.between(0, 500);
  const { outcome } = await attempt<unknown>(() =>
    choice < 0.93 ? message.nack({ delayMs }) : message.reject("CRASH_TEST", "no", { delayMs }),
  );
  history.add({ kind: "given_back", messageId, outcome, startedMs, endedMs: nowMs() });
}

function recordArrived(message: Message, startedMs: number, lease: Arrived["lease"]): void {
  history.add({
    kind: "arrived",
    messageId: message.messageId,
    key: keyOf(message.body),
    bodyHash: hashOf(message.body),
    receiveCount: message.receiveCount ?? 0,
    lease,
    startedMs,
    endedMs: nowMs(),
  });
}

function recordDeleted(
  messageId: string,
  startedMs: number,
  outcome: Outcome,
  done: "DELETED" | "ALREADY_GONE" | undefined,
): void {
  const hasRemoved = done === "DELETED";
  history.add({ kind: "deleted", messageId, outcome, hasRemoved, startedMs, endedMs: nowMs() });
}

async function pause(random: Random): Promise<void> {
  await sleep(random.between(0, plan.pauseMsMax));
}

const kinds: Readonly<Record<ClientKind, (name: string, random: Random) => Promise<void>>> = {
  sender: send,
  hasty_sender: sendHastily,
  batch_sender: sendBatches,
  producer: produce,
  receiver: receive,
  consumer: consume,
};

const running = Object.entries(plan.clients).flatMap(([kind, count], place) =>
  Array.from({ length: count }, (_, index) => {
    const name = `${plan.name}-${kind}-${index}`;
    return kinds[kind as ClientKind](name, new Random(plan.seed + place * 1_000 + index));
  }),
);
await Promise.all(running);
await Promise.all([plain.close(), repeating.close()]);
await history.close();
