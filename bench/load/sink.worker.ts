// A receiver of webhooks that does nothing: a local HTTP server in a process of its own, which reads each request to its end and
// answers 200. It keeps the token that it is asked for consent with, and counts the rest.

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { answerOrders } from "./orders.js";

let received = 0;
let awaited: { readonly count: number; readonly resolve: () => void } | undefined;
let openConnections = 0;
let mostConnections = 0;
let giveToken: (token: string) => void = () => undefined;
const token = new Promise<string>((resolve) => {
  giveToken = resolve;
});

function take({ headers }: IncomingMessage, body: string): void {
  if (headers["x-amz-sns-message-type"] === "SubscriptionConfirmation") {
    giveToken(String((JSON.parse(body) as Record<string, unknown>)["Token"]));
    return;
  }
  received += 1;
  if (awaited !== undefined && received >= awaited.count) awaited.resolve();
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    response.writeHead(200).end();
    take(request, Buffer.concat(chunks).toString("utf8"));
  });
});
server.on("connection", (socket) => {
  openConnections += 1;
  mostConnections = Math.max(mostConnections, openConnections);
  socket.on("close", () => {
    openConnections -= 1;
  });
});

const handlers = {
  listen: async (): Promise<{ readonly port: number }> => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { port: (server.address() as AddressInfo).port };
  },
  token: (): Promise<string> => token,
  /** Begins to count anew. */
  begin: async (): Promise<void> => {
    received = 0;
    mostConnections = openConnections;
  },
  /** Resolves when so many have come since the beginning. */
  until: async ({ count }: { readonly count: number }) => {
    if (received < count) {
      await new Promise<void>((resolve) => {
        awaited = { count, resolve };
      });
    }
    return { mostConnections };
  },
};

export type SinkHandlers = typeof handlers;

answerOrders(handlers);
