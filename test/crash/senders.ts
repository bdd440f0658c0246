// Clients of a crash test that send. Keys, groups and sizes are the seed's, whatever the server does.

import { setTimeout as sleep } from "node:timers/promises";
import type { SendOptions } from "@forebay/client";
import { type Client, isFifo, pause } from "./client.js";
import { bodyOf, hashOf, nowMs, type Outcome } from "./history.js";

/** Groups of a FIFO queue: few enough to be shared by all senders, more than one for round robin. */
const groupCount = 8;

interface SentBody {
  readonly key: string;
  readonly body: string | Uint8Array;
  readonly place: number;
  /** Undefined: not to a FIFO queue. */
  readonly group: string | undefined;
}

/** The messages of one client. */
class Bodies {
  readonly #client: Client;
  #count = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  next(): SentBody {
    const { name, random, plan } = this.#client;
    this.#count += 1;
    const key = `${name}-${this.#count}`;
    const bytesMax = random.chance(plan.largeBodyShare) ? plan.bodyBytesMax : 500;
    return {
      key,
      body: bodyOf(key, random.between(20, bytesMax)),
      place: this.#count,
      group: isFifo(this.#client) ? `group-${random.between(1, groupCount)}` : undefined,
    };
  }
}

/** What makes a message of a FIFO queue one, however often it is sent. */
const optionsOf = ({ key, group }: SentBody): SendOptions =>
  group === undefined ? {} : { groupId: group, dedupId: key };

interface Answer {
  readonly messageId: string;
  readonly sequenceNumber: string | undefined;
}

function recordSent(
  client: Client,
  { key, body, place, group }: SentBody,
  startedMs: number,
  result: { outcome: Outcome; attemptCount: number; value?: Answer | undefined },
): void {
  const { outcome, attemptCount, value } = result;
  const sequence = value?.sequenceNumber;
  client.history.add({
    kind: "sent",
    key,
    bodyHash: hashOf(body),
    outcome,
    attemptCount,
    startedMs,
    endedMs: nowMs(),
    ...(value !== undefined && { messageId: value.messageId }),
    ...(group !== undefined && {
      order: {
        group,
        client: client.name,
        place,
        ...(sequence !== undefined && { sequence: Number(sequence) }),
      },
    }),
  });
}

export async function send(client: Client): Promise<void> {
  const { queue, attempts, stopping } = client;
  const bodies = new Bodies(client);
  while (!stopping.aborted) {
    const sent = bodies.next();
    const startedMs = nowMs();
    // On a FIFO queue the deduplication id alone makes the repetitions one message.
    const options = isFifo(client) ? optionsOf(sent) : { requestId: sent.key };
    const result = await attempts.repeated(() => queue.send(sent.body, options));
    recordSent(client, sent, startedMs, result);
    await pause(client);
  }
}

export async function sendHastily(client: Client): Promise<void> {
  const { repeatingQueue, attempts, random, stopping } = client;
  const bodies = new Bodies(client);
  while (!stopping.aborted) {
    const burst = Array.from({ length: random.between(1, 8) }, () => bodies.next());
    await Promise.all(
      burst.map(async (sent) => {
        const startedMs = nowMs();
        const result = await attempts.once(() => repeatingQueue.send(sent.body, optionsOf(sent)));
        recordSent(client, sent, startedMs, result);
      }),
    );
    await pause(client);
  }
}

export async function sendBatches(client: Client): Promise<void> {
  const { name, queue, attempts, random, stopping } = client;
  const bodies = new Bodies(client);
  while (!stopping.aborted) {
    const batch = Array.from({ length: random.between(1, 10) }, () => bodies.next());
    const options = isFifo(client) ? {} : { requestId: `${name}-${batch[0]?.key}` };
    const startedMs = nowMs();
    const result = await attempts.repeated(() =>
      queue.sendBatch(
        batch.map((sent) => ({ body: sent.body, ...optionsOf(sent) })),
        options,
      ),
    );
    const { outcome, attemptCount } = result;
    const answer = result.outcome === "ok" ? result.value : undefined;
    for (const { id, error } of answer?.failed ?? []) attempts.surprise(`entry ${id}: ${error}`);
    for (const [index, sent] of batch.entries()) {
      const value = answer?.successful.find(({ id }) => id === String(index));
      recordSent(client, sent, startedMs, { outcome, attemptCount, value });
    }
    await pause(client);
  }
}

export async function produce(client: Client): Promise<void> {
  const { queue, attempts, stopping } = client;
  const bodies = new Bodies(client);
  await using producer = queue.producer({ maxInFlight: 20 });
  const results: Promise<void>[] = [];
  let isBroken = false;
  while (!stopping.aborted) {
    // Without a server every message would be lost at once, thousands of them.
    if (isBroken) await sleep(100);
    await producer.ready();
    const sent = bodies.next();
    const startedMs = nowMs();
    const answered = attempts
      .once(() => producer.send(sent.body, optionsOf(sent)))
      .then((result) => {
        recordSent(client, sent, startedMs, result);
        isBroken = result.outcome === "unknown";
      });
    results.push(answered);
    await pause(client);
  }
  await Promise.all(results);
}
