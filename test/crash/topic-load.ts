// Topics under load while servers die: a standard topic and a FIFO topic, publishers of both, and a subscription of every kind of
// target. What is published and what comes is written down, and judged in the end (topic-checker.ts).
//
// The targets and publishers live in the process of the test. Queues are read in the end: until then nobody takes anything from
// them, so that what is in them shows all that was ever copied.

import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient, type Queue, type SubscriptionTarget } from "@forebay/client";
import { nowMs } from "./history.js";
import {
  judgeTopics,
  type TargetPromise,
  type TopicEvent,
  type TopicJudgement,
} from "./topic-checker.js";
import { NodeClients, publishAll } from "./topic-publishers.js";
import {
  consumeStream,
  deliveryOf,
  type ListeningTarget,
  startFunction,
  startWebhook,
} from "./topic-targets.js";

const standard = "news";
const inOrder = "news.fifo";

const queueTargets = [
  { name: "raw", topic: standard, isRaw: true },
  { name: "wrapped", topic: standard, isRaw: false },
  { name: "raw.fifo", topic: inOrder, isRaw: true },
  { name: "wrapped.fifo", topic: inOrder, isRaw: false },
  { name: "raw-unordered", topic: inOrder, isRaw: true },
] as const;

/** Longer than a lease of a message that was under way to a target when its server was killed. */
const settleMsMax = 60_000;
const settleLookMs = 200;

export interface TopicPlace {
  /** Of every node. */
  readonly endpoints: readonly string[];
  /** Where this process is reached by the nodes. */
  readonly host: string;
  readonly seed: number;
  /** How many publishers each topic has. */
  readonly publisherCount: number;
}

export class TopicLoad {
  readonly #place: TopicPlace;
  readonly #events: TopicEvent[] = [];
  readonly #promises: TargetPromise[] = [];
  readonly #subscriptions: string[] = [];
  readonly #listening: ListeningTarget[] = [];
  readonly #client: ForebayClient;
  readonly #stopping = new AbortController();
  readonly #ending = new AbortController();
  #publishers: Promise<void>[] = [];
  #consumers: Promise<void>[] = [];
  #userCount = 0;

  private constructor(place: TopicPlace) {
    this.#place = place;
    const [endpoint = ""] = place.endpoints;
    this.#client = new ForebayClient({ endpoint, timeoutMs: settleMsMax });
  }

  /** The servers must be there. */
  static async begin(place: TopicPlace): Promise<TopicLoad> {
    const load = new TopicLoad(place);
    try {
      await load.#subscribeAll();
      load.#startPublishers();
      return load;
    } catch (error) {
      await load.end();
      throw error;
    }
  }

  /** How much was published and answered up to now. */
  get acknowledgedCount(): number {
    return this.#events.filter((event) => event.kind === "published" && event.outcome === "ok")
      .length;
  }

  #user(): NodeClients {
    this.#userCount += 1;
    return new NodeClients(this.#place.endpoints, this.#userCount);
  }

  readonly #note = (event: TopicEvent): void => {
    this.#events.push(event);
  };

  // ---- in the beginning --------------------------------------------------------------------------------------------------

  async #subscribeAll(): Promise<void> {
    const client = this.#client;
    await client.createTopic(standard);
    await client.createTopic(inOrder);
    for (const { name, topic, isRaw } of queueTargets) {
      const isInOrder = name.endsWith(".fifo");
      await client.createQueue(name, isInOrder ? { attributes: { fifoQueue: true } } : {});
      await this.#subscribe({ name, topic, isInOrder, isOnce: true }, { queue: name }, isRaw);
    }
    const { host } = this.#place;
    const webhook = await startWebhook("webhook", host, this.#note);
    const receiver = await startFunction("function", host, this.#note);
    this.#listening.push(webhook, receiver);
    const leastOnce = { isOnce: false, isInOrder: false };
    await this.#subscribe(
      { name: "webhook", topic: standard, ...leastOnce },
      { webhook: webhook.endpoint },
      true,
    );
    await this.#subscribe(
      { name: "function", topic: standard, ...leastOnce },
      { function: receiver.endpoint },
      false,
    );
    await this.#stream("stream", standard, false);
    await this.#stream("ordered-stream", inOrder, true);
  }

  async #subscribe(
    promise: Omit<TargetPromise, "confirmedMs">,
    target: SubscriptionTarget,
    isRaw: boolean,
  ): Promise<string> {
    const client = this.#client;
    const topic = client.topic(promise.topic);
    const settings = {
      ...(isRaw && { rawMessageDelivery: true }),
      // The least there is: what was under way at a kill soon comes again.
      ...("stream" in target && { stream: { ackDeadlineMs: 10_000 } }),
      ...("function" in target && { function: { timeoutMs: 2_000 } }),
    };
    const { subscription } = await topic.subscribe(target, { settings });
    const id = subscription.subscription;
    if (subscription.state === "PENDING") {
      await topic.confirm((await client.subscription(id).pendingToken()).token);
    }
    this.#promises.push({ ...promise, confirmedMs: nowMs() });
    this.#subscriptions.push(id);
    return id;
  }

  async #stream(name: string, topic: string, isInOrder: boolean): Promise<void> {
    const promise = { name, topic, isInOrder, isOnce: false };
    const subscription = await this.#subscribe(promise, { stream: name }, false);
    const user = this.#user();
    const { signal: stopping } = this.#ending;
    const plan = { name, subscription, nextClient: () => user.next(), stopping };
    this.#consumers.push(consumeStream(plan, this.#note));
  }

  #startPublishers(): void {
    const { publisherCount, seed } = this.#place;
    this.#publishers = [standard, inOrder].flatMap((topic, topicNumber) =>
      Array.from({ length: publisherCount }, (_, number) =>
        publishAll(
          {
            name: `p${topicNumber}${number}`,
            topic,
            isHasty: topic === standard && number === 0,
            seed: seed + 1_000 * topicNumber + number,
            clients: this.#user(),
            stopping: this.#stopping.signal,
          },
          this.#note,
        ),
      ),
    );
  }

  // ---- in the end --------------------------------------------------------------------------------------------------------

  /** Lets publishers end, waits until everything is delivered, reads the queues, and judges. The servers must be there. */
  async finish(): Promise<TopicJudgement> {
    this.#stopping.abort();
    await Promise.all(this.#publishers);
    await this.#settled();
    this.#ending.abort();
    await Promise.all(this.#consumers);
    for (const { name } of queueTargets) await this.#read(this.#client.queue(name), name);
    return judgeTopics(this.#events, this.#promises);
  }

  /** Waits until no subscription has anything left. */
  async #settled(): Promise<void> {
    const giveUpMs = performance.now() + settleMsMax;
    for (;;) {
      const left = await this.#leftOver();
      if (left.length === 0) return;
      if (performance.now() > giveUpMs) throw new Error(`Not delivered: ${left.join(", ")}`);
      await sleep(settleLookMs);
    }
  }

  async #leftOver(): Promise<string[]> {
    const found: string[] = [];
    for (const [number, id] of this.#subscriptions.entries()) {
      const { counters, state } = await this.#client.subscription(id).describe();
      const count = counters?.backlogCount ?? 0;
      if (count > 0) found.push(`${count} to ${this.#promises[number]?.name} (${state})`);
    }
    return found;
  }

  /** Everything in a queue, in the order in which it comes. */
  async #read(queue: Queue, name: string): Promise<void> {
    const isWrapped = queueTargets.some((target) => target.name === name && !target.isRaw);
    while ((await queue.attributes()).counters.storedMessageCount > 0) {
      const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
      for (const { text, messageId } of messages) {
        const body = isWrapped ? String(JSON.parse(text).Message) : text;
        this.#note(deliveryOf(name, body, messageId));
      }
      await queue.deleteBatch(messages.map(({ receiptHandle }) => receiptHandle));
    }
  }

  /** Ends everything, however it went. */
  async end(): Promise<void> {
    this.#stopping.abort();
    this.#ending.abort();
    await Promise.all([...this.#publishers, ...this.#consumers]);
    for (const target of this.#listening) target.close();
    await this.#client.close();
  }
}
