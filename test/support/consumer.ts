// A Consume stream as a test drives it: started with credit, read by hand, its messages and results in the test's words.

import type { ConsumeResult } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { type CallError, callErrorOfStatus } from "./call-error.js";
import type { ConsumeCall, QueueClient } from "./queue-client.js";
import { durationOf, msOf, type Received, receivedOf, type Scenario } from "./scenario.js";

export interface ConsumerOptions {
  readonly queue?: string;
  readonly visibilityTimeoutMs?: number;
  /** Ten if not given. */
  readonly messages?: number;
  readonly bytes?: number;
  readonly client?: QueueClient;
  readonly keepLeases?: boolean;
}

export class Consumer {
  readonly stream: ConsumeCall;
  readonly #t: Scenario;
  #readCount = 0;

  constructor(t: Scenario, stream: ConsumeCall) {
    this.#t = t;
    this.stream = stream;
  }

  get ended(): Promise<CallError | undefined> {
    return this.stream.ended;
  }

  async #newResponses() {
    await this.#t.settle();
    const responses = this.stream.responses.slice(this.#readCount);
    this.#readCount = this.stream.responses.length;
    return responses.map(({ response }) => response);
  }

  /** The messages that came since the last reading; fails on anything else. */
  async messages(): Promise<Received[]> {
    return (await this.#newResponses()).flatMap((response) => {
      if (response?.$case !== "messages") throw new Error(`Expected messages: ${shown(response)}`);
      return response.value.messages.map(receivedOf);
    });
  }

  /** What became of acks, nacks and rejects since the last reading; fails on anything else. */
  async results(): Promise<ConsumeResult[]> {
    return (await this.#newResponses()).flatMap((response) => {
      if (response?.$case !== "results") throw new Error(`Expected results: ${shown(response)}`);
      return response.value.results;
    });
  }

  /** Results in words: `DELETED`, `visible in <ms>`, `held for <ms>`, `CODE REASON`. */
  async outcomes(): Promise<string[]> {
    return (await this.results()).map((result) => this.#outcomeOf(result));
  }

  #outcomeOf({ result }: ConsumeResult): string {
    switch (result?.$case) {
      case "deleted":
        return result.value === 1 ? "DELETED" : "ALREADY_GONE";
      case "visibleTime": {
        return `visible in ${msOf(result.value) - this.#t.now}`;
      }
      case "leaseEndTime": {
        return `held for ${msOf(result.value) - this.#t.now}`;
      }
      case "error": {
        const { code, reason } = callErrorOfStatus(result.value);
        return `${code} ${reason}`;
      }
      default:
        return "nothing";
    }
  }

  /** All that came since the last reading, by kind: what one record brings about is told in any order. */
  async news(): Promise<{
    readonly messages: Received[];
    readonly outcomes: string[];
    readonly lost: string[];
  }> {
    const responses = await this.#newResponses();
    return {
      messages: responses.flatMap((response) =>
        response?.$case === "messages" ? response.value.messages.map(receivedOf) : [],
      ),
      outcomes: responses.flatMap((response) =>
        response?.$case === "results"
          ? response.value.results.map((result) => this.#outcomeOf(result))
          : [],
      ),
      lost: responses.flatMap((response) =>
        response?.$case === "lost" ? response.value.receiptHandles : [],
      ),
    };
  }

  /** The handles reported as lost since the last reading; fails on anything else. */
  async lost(): Promise<string[]> {
    return (await this.#newResponses()).flatMap((response) => {
      if (response?.$case !== "lost") throw new Error(`Expected lost leases: ${shown(response)}`);
      return response.value.receiptHandles;
    });
  }

  credit(messages: number, bytes = 0): void {
    this.stream.write({
      request: { $case: "credit", value: { messages, bytes: BigInt(bytes) } },
    });
  }

  ack(...receiptHandles: string[]): void {
    this.stream.write({ request: { $case: "ack", value: { receiptHandles } } });
  }

  nack(receiptHandles: string[], delayMs?: number): void {
    const delay = delayMs === undefined ? undefined : durationOf(delayMs);
    this.stream.write({ request: { $case: "nack", value: { receiptHandles, delay } } });
  }

  hold(...receiptHandles: string[]): void {
    this.stream.write({ request: { $case: "hold", value: { receiptHandles } } });
  }

  reject(receiptHandles: string[], reason: string, error = "", delayMs?: number): void {
    const delay = delayMs === undefined ? undefined : durationOf(delayMs);
    this.stream.write({
      request: { $case: "reject", value: { receiptHandles, reason, error, delay } },
    });
  }

  deadLetter(receiptHandles: string[], reason: string): void {
    this.stream.write({
      request: { $case: "reject", value: { receiptHandles, reason, deadLetter: true } },
    });
  }
}

/** A stream that has been started; the server has it when this resolves. */
export async function consumer(t: Scenario, options: ConsumerOptions = {}): Promise<Consumer> {
  const stream = (options.client ?? t.client).consume();
  const { visibilityTimeoutMs: timeoutMs } = options;
  stream.write({
    request: {
      $case: "start",
      value: {
        queue: options.queue ?? t.queue,
        visibilityTimeout: timeoutMs === undefined ? undefined : durationOf(timeoutMs),
        credit: { messages: options.messages ?? 10, bytes: BigInt(options.bytes ?? 0) },
        systemAttributeNames: [1],
        messageAttributeNames: ["All"],
        keepLeases: options.keepLeases ?? false,
      },
    },
  });
  await t.settle();
  return new Consumer(t, stream);
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each));
