// What messages of topics are delivered to, in the process of the test, which outlives every server: a webhook, a function, and
// consumers of streams. Each writes down what it gets. They take a moment for each message, so that a server that is killed
// leaves some under way.

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ForebayClient } from "@forebay/client";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import {
  type DeliverRequest,
  DeliverResponse,
  ReceiverServiceService,
} from "../../src/gen/forebay/topic/v1/receiver_service.js";
import { hashOf, keyOf } from "./history.js";
import type { Delivered } from "./topic-checker.js";

export type Note = (event: Delivered) => void;

/** A target that listens. */
export interface ListeningTarget {
  readonly endpoint: string;
  close(): void;
}

const answerMs = 15;

export function deliveryOf(target: string, body: string, copy: string): Delivered {
  return { kind: "delivered", target, key: keyOf(body), bodyHash: hashOf(body), copy };
}

/** Takes messages alone, without an envelope. */
export async function startWebhook(
  name: string,
  host: string,
  note: Note,
): Promise<ListeningTarget> {
  const server = createServer((request, response) => {
    void bodyOf(request).then(async (body) => {
      const type = request.headers["x-amz-sns-message-type"];
      const id = String(request.headers["x-amz-sns-message-id"]);
      if (type === "Notification") note(deliveryOf(name, body, id));
      await sleep(answerMs);
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${host}:${port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  // A server that is killed breaks off in the middle: then nothing was delivered.
  request.on("error", () => undefined);
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

export async function startFunction(
  name: string,
  host: string,
  note: Note,
): Promise<ListeningTarget> {
  const server = new Server();
  const deliver = async ({ notifications }: DeliverRequest): Promise<DeliverResponse> => {
    for (const { notification } of notifications) {
      const { body, messageId = "" } = notification ?? {};
      if (body?.$case === "text") note(deliveryOf(name, body.value, messageId));
    }
    await sleep(answerMs);
    const results = notifications.map(({ notification }) => ({
      messageId: notification?.messageId ?? "",
      result: { $case: "ack" as const, value: {} },
    }));
    return DeliverResponse.fromPartial({ results });
  };
  server.addService(ReceiverServiceService, {
    deliver: (
      call: { readonly request: DeliverRequest },
      done: (error: null, value: DeliverResponse) => void,
    ) => void deliver(call.request).then((response) => done(null, response)),
    confirm: (
      call: { readonly request: { readonly token: string } },
      done: (error: null, value: object) => void,
    ) => done(null, { token: call.request.token }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { endpoint: `grpc://${host}:${port}`, close: () => server.forceShutdown() };
}

export interface StreamPlan {
  readonly name: string;
  readonly subscription: string;
  /** Asked for anew whenever a stream has failed: that of the next node. */
  readonly nextClient: () => ForebayClient;
  readonly stopping: AbortSignal;
}

const reopenMs = 50;
/** A stream that brought nothing for so long may be one to a node that is cut off. */
const consumeMsMax = 3_000;

/** Takes the messages of a stream and acknowledges them, until it is told to stop. */
export async function consumeStream(plan: StreamPlan, note: Note): Promise<void> {
  const { name, subscription, nextClient, stopping } = plan;
  while (!stopping.aborted) {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(consumeMsMax)]);
    try {
      const messages = nextClient().subscription(subscription).consume({ signal });
      for await (const message of messages) {
        note(deliveryOf(name, message.text, message.messageId));
        // One that is not answered comes again.
        message.ack().catch(() => undefined);
      }
    } catch {
      // The server is away, or leads no more.
      await sleep(reopenMs);
    }
  }
}
