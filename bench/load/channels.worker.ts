// Load on channels through @forebay/client: one publisher, and subscribers that are all told of every message.

import { ForebayClient } from "@forebay/client";
import { type ChannelOrder, publishToAll } from "./channel-load.js";
import { answerOrders } from "./orders.js";

/** With rings that are longer than what is on its way, so that nothing is lost. */
const cache = "channels";

let client: ForebayClient | undefined;

function connected(): ForebayClient {
  if (client === undefined) throw new Error("connect first");
  return client;
}

async function use(order: ChannelOrder): ReturnType<typeof publishToAll> {
  const channels = connected().cache(cache);
  const stop = new AbortController();
  const listen = async (onReady: () => void, heard: () => void): Promise<void> => {
    const { signal } = stop;
    for await (const { kind } of channels.subscribe({
      channels: [order.channel],
      onReady,
      signal,
    })) {
      if (kind === "discontinuity") throw new Error("a message was lost");
      heard();
    }
  };
  try {
    return await publishToAll(order, {
      subscribe: ({ heard, failed }) =>
        new Promise((resolve) => {
          listen(resolve, heard).catch(failed);
        }),
      publish: async (text) => (await channels.publish(order.channel, text)).receivers,
    });
  } finally {
    stop.abort();
  }
}

const handlers = {
  connect: async ({ address }: { readonly address: string }): Promise<void> => {
    client = new ForebayClient({ endpoint: address });
    await client.caches.create(cache, { channelRetainMessages: 100_000 });
  },
  use,
};

export type ChannelHandlers = typeof handlers;

answerOrders(handlers);
