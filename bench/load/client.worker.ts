// Load through @forebay/client, as an application makes it.

import { ForebayClient, type Queue } from "@forebay/client";
import { type LoadResult, runLoad, type Until } from "./load-run.js";
import { answerOrders } from "./orders.js";

export interface ClientSendOrder {
  readonly queue: string;
  readonly bodyBytes: number;
  /** Whether the client joins sends made at the same time, as it does unless told otherwise. */
  readonly isBatching: boolean;
  /** Sends awaited at the same time. */
  readonly inFlight: number;
  readonly until: Until;
}

export interface CycleOrder {
  readonly queue: string;
  readonly bodyBytes: number;
  readonly messageCount: number;
  /** Sent and not yet acknowledged, at most. */
  readonly sendsInFlight: number;
  /** Received and not yet deleted, at most. */
  readonly receivesInFlight: number;
}

let clients: { readonly batching: ForebayClient; readonly single: ForebayClient } | undefined;

function queueOf(name: string, isBatching: boolean): Queue {
  if (clients === undefined) throw new Error("connect first");
  return (isBatching ? clients.batching : clients.single).queue(name);
}

export const textOf = (bytes: number): string => "x".repeat(bytes);

function send(order: ClientSendOrder): Promise<LoadResult> {
  const queue = queueOf(order.queue, order.isBatching);
  const body = textOf(order.bodyBytes);
  return runLoad(
    (settle) => {
      queue.send(body).then(
        () => settle(1),
        (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
      );
    },
    order.inFlight,
    order.until,
  );
}

/** Sends and consumes so many messages at the same time; the time until the last delete is durable. */
async function cycle(order: CycleOrder): Promise<{ readonly elapsedMs: number }> {
  const queue = queueOf(order.queue, true);
  const startedMs = performance.now();
  await Promise.all([sendAll(queue, order), consumeAll(queue, order)]);
  return { elapsedMs: performance.now() - startedMs };
}

async function sendAll(queue: Queue, order: CycleOrder): Promise<void> {
  const body = textOf(order.bodyBytes);
  const sends: Promise<unknown>[] = [];
  await using producer = queue.producer({ maxInFlight: order.sendsInFlight });
  for (let sent = 0; sent < order.messageCount; sent += 1) {
    await producer.ready();
    sends.push(producer.send(body));
  }
  await Promise.all(sends);
}

async function consumeAll(queue: Queue, order: CycleOrder): Promise<void> {
  const acks: Promise<unknown>[] = [];
  for await (const message of queue.consume({ maxMessages: order.receivesInFlight })) {
    if (message.body.length !== order.bodyBytes) throw new Error("a message came back changed");
    acks.push(message.ack());
    if (acks.length === order.messageCount) break;
  }
  for (const outcome of await Promise.all(acks)) {
    if (outcome !== "DELETED") throw new Error(`a message was ${String(outcome)}`);
  }
}

const handlers = {
  connect: async ({ address, queue }: { readonly address: string; readonly queue: string }) => {
    clients = {
      batching: new ForebayClient({ endpoint: address }),
      single: new ForebayClient({ endpoint: address, batching: false }),
    };
    await clients.single.createQueue(queue);
  },
  send,
  cycle,
};

export type ClientHandlers = typeof handlers;

answerOrders(handlers);
