// Load on RabbitMQ through amqplib: persistent messages with publisher confirms into a quorum queue, acknowledged by the
// consumer. The promises are those of Forebay: a confirm means on disk, an ack means gone.

import { type ChannelModel, type ConsumeMessage, connect } from "amqplib";
import type { CycleOrder } from "./client.worker.js";
import { answerOrders } from "./orders.js";

export interface AmqpCycleOrder extends CycleOrder {
  /** Messages acknowledged with one frame (`multiple`); 1: each by itself. */
  readonly acksTogether: number;
}

let connection: ChannelModel | undefined;

function opened(): ChannelModel {
  if (connection === undefined) throw new Error("connect first");
  return connection;
}

async function cycle(order: AmqpCycleOrder): Promise<{ readonly elapsedMs: number }> {
  const startedMs = performance.now();
  await Promise.all([sendAll(order), consumeAll(order)]);
  return { elapsedMs: performance.now() - startedMs };
}

async function sendAll(order: AmqpCycleOrder): Promise<void> {
  const channel = await opened().createConfirmChannel();
  const body = Buffer.alloc(order.bodyBytes, "x");
  let sentCount = 0;
  let confirmedCount = 0;
  await new Promise<void>((resolve, reject) => {
    const onConfirm = (error: unknown): void => {
      if (error !== null && error !== undefined) {
        reject(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      confirmedCount += 1;
      if (confirmedCount === order.messageCount) resolve();
      else sendMore();
    };
    const sendMore = (): void => {
      while (sentCount < order.messageCount && sentCount - confirmedCount < order.sendsInFlight) {
        sentCount += 1;
        channel.sendToQueue(order.queue, body, { persistent: true }, onConfirm);
      }
    };
    sendMore();
  });
  await channel.close();
}

async function consumeAll(order: AmqpCycleOrder): Promise<void> {
  const channel = await opened().createChannel();
  await channel.prefetch(order.receivesInFlight);
  let receivedCount = 0;
  await new Promise<void>((resolve, reject) => {
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null || message.content.length !== order.bodyBytes) {
        reject(new Error("a message came back changed"));
        return;
      }
      receivedCount += 1;
      const isLast = receivedCount === order.messageCount;
      if (receivedCount % order.acksTogether === 0 || isLast) channel.ack(message, true);
      if (isLast) resolve();
    };
    channel.consume(order.queue, onMessage).catch(reject);
  });
  // Acks have no answer of their own; one that comes behind them says that they arrived.
  const { messageCount } = await channel.checkQueue(order.queue);
  if (messageCount !== 0) throw new Error(`${messageCount} messages are left`);
  await channel.close();
}

const handlers = {
  connect: async ({ address, queue }: { readonly address: string; readonly queue: string }) => {
    connection = await connect(`amqp://guest:guest@${address}`, { noDelay: true });
    const channel = await connection.createChannel();
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.close();
    return { version: String(connection.connection.serverProperties.version) };
  },
  cycle,
};

export type AmqpHandlers = typeof handlers;

answerOrders(handlers);
