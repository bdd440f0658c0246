// The same load on Redis through ioredis: a connection for each subscriber, since that is what one takes.

import { Redis } from "ioredis";
import { type ChannelOrder, publishToAll } from "./channel-load.js";
import { answerOrders } from "./orders.js";

let port: number | undefined;
let publisher: Redis | undefined;

const connectTo = (at: number): Redis => new Redis({ host: "127.0.0.1", port: at });

async function use(order: ChannelOrder): ReturnType<typeof publishToAll> {
  const [at, speaker] = [port, publisher];
  if (at === undefined || speaker === undefined) throw new Error("connect first");
  const subscribers: Redis[] = [];
  try {
    return await publishToAll(order, {
      subscribe: async ({ heard, failed }) => {
        const subscriber = connectTo(at);
        subscribers.push(subscriber);
        subscriber.on("message", heard).on("error", failed);
        await subscriber.subscribe(order.channel);
      },
      publish: (text) => speaker.publish(order.channel, text),
    });
  } finally {
    for (const subscriber of subscribers) subscriber.disconnect();
  }
}

const handlers = {
  connect: async ({ port: at }: { readonly port: number }): Promise<void> => {
    port = at;
    publisher = new Redis({ host: "127.0.0.1", port: at, enableAutoPipelining: true });
    await publisher.ping();
  },
  use,
};

export type RedisChannelHandlers = typeof handlers;

answerOrders(handlers);
