// One process of a soak: hands that each make one call after another on the queues of a family, and a ledger of what they were
// told. The calls are made once each; what nobody answered is unknown for ever.

import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumedMessage,
  ForebayClient,
  type Producer,
  type Queue,
  type ReceivedMessage,
  type SendOptions,
} from "@forebay/client";
import { type Attempted, Attempts } from "../crash/attempts.js";
import { Random } from "../crash/random.js";
import { Ledger } from "./ledger.js";
import type { SoakPlan } from "./plan.js";

const callMs = 10_000;
/** Between two looks whether the server is there again. */
const lookMs = 50;
/** More are not sent while so many may be stored. */
const openMax = 5_000;
const drainMs = 120_000;

/** A step of a hand, chosen by its weight. */
export interface Step {
  readonly weight: number;
  readonly act: () => Promise<void>;
}

export class Worker {
  readonly random: Random;
  readonly ledger = new Ledger();
  readonly attempts: Attempts;
  readonly client: ForebayClient;
  /** While the server is away: resolves when it answers. */
  #back: Promise<void> | undefined;
  readonly #plan: SoakPlan;
  readonly #counts: Record<string, number> = {};
  readonly #ending = new AbortController();
  #operations = 0;

  constructor(plan: SoakPlan) {
    this.#plan = plan;
    this.random = new Random(plan.seed);
    this.attempts = new Attempts((what) => this.ledger.violation(`A surprise: ${what}`));
    this.client = new ForebayClient({
      endpoint: plan.endpoint,
      retry: false,
      batching: false,
      timeoutMs: callMs,
    });
  }

  get operations(): number {
    return this.#operations;
  }
  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }
  /** Aborted when enough was done. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  #count(kind: string, count = 1): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + count;
    this.#operations += count;
    if (this.#operations >= this.#plan.operations) this.#ending.abort();
  }

  /** Hands that take steps until enough was done. */
  async run(hands: number, steps: readonly Step[]): Promise<void> {
    const total = steps.reduce((sum, { weight }) => sum + weight, 0);
    const hand = async (): Promise<void> => {
      while (!this.ending.aborted) {
        let at = this.random.next() * total;
        const step = steps.find(({ weight }) => {
          at -= weight;
          return at < 0;
        });
        await step?.act();
      }
    };
    await Promise.all(Array.from({ length: hands }, hand));
  }

  /** Nobody goes on until a call is answered, or nearly every call would be one that nobody answers. */
  async untilBack(): Promise<void> {
    this.#back ??= this.#lookUntilBack().finally(() => {
      this.#back = undefined;
    });
    await this.#back;
  }

  async #lookUntilBack(): Promise<void> {
    for (;;) {
      await sleep(lookMs);
      // Over the same connection as all calls, which takes its time to be made again.
      const isThere = await this.client
        .queue("nobody")
        .exists()
        .catch(() => undefined);
      if (isThere !== undefined) return;
    }
  }

  /** Makes a call of another kind than sending, receiving and deleting. */
  async call<Value>(kind: string, call: () => Promise<Value>): Promise<Attempted<Value>> {
    const result = await this.attempts.once(call);
    this.#count(kind);
    if (result.outcome === "unknown") await this.untilBack();
    return result;
  }

  // Sends.

  #body(number: number): string {
    return `${number} ${"x".repeat(this.random.between(0, this.random.chance(0.02) ? 20_000 : 200))}`;
  }

  /** Whether so much is stored that nothing is to be sent now. */
  get isFull(): boolean {
    return this.ledger.openCount > openMax;
  }

  async send(queue: Queue, options: SendOptions): Promise<string | undefined> {
    const number = this.ledger.begin();
    const result = await this.attempts.once(() => queue.send(this.#body(number), options));
    await this.#sent(number, result);
    return result.outcome === "ok" ? result.value.messageId : undefined;
  }

  async #sent(number: number, result: Attempted<unknown>): Promise<void> {
    this.ledger.sent(number, result.outcome);
    this.#count("sent");
    if (result.outcome === "unknown") await this.untilBack();
  }

  async sendBatch(queue: Queue, optionsOf: () => SendOptions): Promise<void> {
    const numbers = Array.from({ length: 10 }, () => this.ledger.begin());
    const result = await this.attempts.once(() =>
      queue.sendBatch(
        numbers.map((number) => ({ body: this.#body(number), ...optionsOf(), id: String(number) })),
      ),
    );
    const failed = new Set(result.outcome === "ok" ? result.value.failed.map(({ id }) => id) : []);
    for (const number of numbers) {
      const outcome = failed.has(String(number)) ? "refused" : result.outcome;
      this.ledger.sent(number, outcome);
    }
    this.#count("sent", numbers.length);
    if (result.outcome === "unknown") await this.untilBack();
  }

  async produce(producer: Producer, optionsOf: () => SendOptions): Promise<void> {
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        await producer.ready();
        const number = this.ledger.begin();
        const send = () => producer.send(this.#body(number), optionsOf());
        await this.#sent(number, await this.attempts.once(send));
      }),
    );
  }

  // Receives.

  async receive(queue: Queue, visibilityTimeoutMs: number): Promise<readonly ReceivedMessage[]> {
    const startedMs = performance.now();
    const result = await this.attempts.once(() =>
      queue.receive({ maxMessages: 10, waitTimeMs: 100, visibilityTimeoutMs }),
    );
    if (result.outcome !== "ok") {
      await this.untilBack();
      return [];
    }
    for (const message of result.value) this.ledger.arrived(numberOf(message), startedMs);
    this.#count("received", result.value.length);
    return result.value;
  }

  async deleteAll(queue: Queue, messages: readonly ReceivedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const handles = messages.map(({ receiptHandle }) => receiptHandle);
    const result = await this.attempts.once(() => queue.deleteBatch(handles));
    for (const [index, message] of messages.entries()) {
      const entries = result.outcome === "ok" ? result.value.successful : [];
      const done = entries.find(({ id }) => id === String(index))?.outcome;
      const { outcome } = result;
      this.ledger.deleted(numberOf(message), { outcome, hasRemoved: done === "DELETED" });
    }
    this.#count("deleted", messages.length);
    if (result.outcome === "unknown") await this.untilBack();
  }

  async delete(message: ReceivedMessage): Promise<void> {
    const result = await this.attempts.once(() => message.delete());
    const hasRemoved = result.outcome === "ok" && result.value === "DELETED";
    this.ledger.deleted(numberOf(message), { outcome: result.outcome, hasRemoved });
    this.#count("deleted");
  }

  /** Consumes over a stream until enough was done, parting with each message at once. */
  async consume(queue: Queue): Promise<void> {
    while (!this.ending.aborted) {
      try {
        const consumer = queue.consume({
          maxMessages: 200,
          visibilityTimeoutMs: 3_000,
          signal: this.ending,
        });
        const parting = new Set<Promise<void>>();
        for await (const message of consumer) {
          this.ledger.arrived(numberOf(message), undefined);
          this.#count("received");
          const parted = this.#part(message).finally(() => parting.delete(parted));
          parting.add(parted);
        }
        await Promise.all(parting);
      } catch (error) {
        this.attempts.outcomeOf(error);
        await this.untilBack();
      }
    }
  }

  async #part(message: ConsumedMessage): Promise<void> {
    const choice = this.random.next();
    if (choice < 0.92) {
      const result = await this.attempts.once(() => message.ack());
      const hasRemoved = result.outcome === "ok" && result.value === "DELETED";
      // When the stream broke the client repeats an ack as a delete, which may then find the message gone.
      const isUnsure = result.outcome === "ok" && !hasRemoved;
      const outcome = isUnsure ? "unknown" : result.outcome;
      this.ledger.deleted(numberOf(message), { outcome, hasRemoved });
      this.#count("deleted");
      return;
    }
    const delayMs = this.random.between(0, 1_000);
    await this.call("given back", async () =>
      choice < 0.96
        ? await message.nack({ delayMs })
        : await message.reject("SOAK", "no", { delayMs }),
    );
  }

  /** Receives and deletes until nothing is stored; the server is not killed any more. */
  async drain(queue: Queue): Promise<void> {
    const giveUpMs = performance.now() + drainMs;
    for (;;) {
      const messages = await this.receive(queue, 30_000);
      await this.deleteAll(queue, messages);
      const { storedMessageCount, scheduledMessageCount } = (await queue.attributes()).counters;
      if (storedMessageCount + scheduledMessageCount === 0) return;
      if (performance.now() > giveUpMs) {
        this.ledger.violation(`${queue.name} still holds ${storedMessageCount} messages.`);
        return;
      }
    }
  }
}

export const numberOf = ({ text }: Pick<ReceivedMessage, "text">): number =>
  Number(text.slice(0, text.indexOf(" ")));
