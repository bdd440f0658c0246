// Those who publish while servers are killed. Each publishes one message after another, with a name of its own for each. Most repeat
// a call that was not answered, with the same request id or deduplication id, until it is; a hasty one goes on with the next.

import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { Attempts } from "./attempts.js";
import { bodyOf, hashOf, nowMs, type Outcome } from "./history.js";
import { Random } from "./random.js";
import type { Published, TopicEvent } from "./topic-checker.js";

/** A call may wait so long. */
const callMsMax = 3_000;

/**
 * One user's way to a server, or to any node of a cluster. Whenever a call was not answered the user asks the next one, with a new
 * client, since one that failed to connect waits before it tries again.
 */
export class NodeClients {
  readonly #endpoints: readonly string[];
  #number: number;
  #client: ForebayClient | undefined;

  constructor(endpoints: readonly string[], number: number) {
    this.#endpoints = endpoints;
    this.#number = number;
  }

  get current(): ForebayClient {
    const endpoint = this.#endpoints[this.#number % this.#endpoints.length] ?? "";
    this.#client ??= new ForebayClient({ endpoint, retry: false, timeoutMs: callMsMax });
    return this.#client;
  }

  next(): ForebayClient {
    this.close();
    this.#number += 1;
    return this.current;
  }

  close(): void {
    void this.#client?.close();
    this.#client = undefined;
  }
}

export interface PublisherPlan {
  readonly name: string;
  readonly topic: string;
  /** Goes on with the next message whatever came of the one before. */
  readonly isHasty: boolean;
  readonly seed: number;
  readonly clients: NodeClients;
  readonly stopping: AbortSignal;
}

const pauseMsMax = 20;
const bodyBytesMax = 400;
const largeBodyShare = 0.03;
const largeBodyBytesMax = 20_000;
const repeatMs = 30;

export async function publishAll(
  plan: PublisherPlan,
  note: (event: TopicEvent) => void,
): Promise<void> {
  const { name, topic, stopping } = plan;
  const random = new Random(plan.seed);
  const attempts = new Attempts((what) => note({ kind: "surprise", what: `${name}: ${what}` }));
  for (let place = 0; !stopping.aborted; place += 1) {
    const key = `${name}-${place}`;
    const bytesMax = random.chance(largeBodyShare) ? largeBodyBytesMax : bodyBytesMax;
    const body = String(bodyOf(key, random.between(0, bytesMax)));
    const startedMs = nowMs();
    const message: Omit<Published, "outcome"> = {
      kind: "published",
      topic,
      key,
      bodyHash: hashOf(body),
      publisher: name,
      place,
      startedMs,
    };
    note({ ...message, outcome: await publishOne(plan, attempts, { key, body }) });
    await sleep(random.between(0, pauseMsMax));
  }
  plan.clients.close();
}

async function publishOne(
  { name, topic, isHasty, clients, stopping }: PublisherPlan,
  attempts: Attempts,
  { key, body }: { readonly key: string; readonly body: string },
): Promise<Outcome> {
  const ids = topic.endsWith(".fifo") ? { groupId: name, dedupId: key } : { requestId: key };
  for (;;) {
    const { outcome } = await attempts.once(() => clients.current.topic(topic).publish(body, ids));
    if (outcome !== "unknown") return outcome;
    clients.next();
    if (isHasty || stopping.aborted) return outcome;
    await sleep(repeatMs);
  }
}
