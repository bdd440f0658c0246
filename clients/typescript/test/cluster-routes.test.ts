// A client of a cluster: it finds the node that leads, goes on at another one, and repeats only what is safe to repeat.

import { type AddressInfo, createServer, type Socket } from "node:net";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { ConsumeRequest, ConsumeResponse } from "../gen/forebay/queue/v1/queue_service.js";
import { QueueServiceService } from "../gen/forebay/queue/v1/queue_service.js";
import { ErrorInfo, RetryInfo } from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import { ForebayClient, type ForebayClientOptions, ForebayError } from "../src/index.js";
import { Routes } from "../src/routes.js";

type Handle = (call: ServerUnaryCall<unknown, unknown>, respond: sendUnaryData<unknown>) => void;

/** The service, with answers that have no fields. */
const emptyAnswers = Object.fromEntries(
  Object.entries(QueueServiceService).map(([name, definition]) => [
    name,
    { ...definition, responseSerialize: () => Buffer.alloc(0) },
  ]),
);

/** A node that answers a few methods, as a test says. */
class FakeNode {
  readonly calls: {
    readonly method: string;
    readonly request: unknown;
    readonly metadata: Metadata;
  }[] = [];
  readonly streams: ServerDuplexStream<ConsumeRequest, ConsumeResponse>[] = [];
  handle: Handle = (_, respond) => respond(null, {}, this.trailers());
  leader = "";
  position: string | undefined;
  #server = new Server();
  #port = 0;

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  trailers(): Metadata {
    const metadata = new Metadata();
    if (this.leader !== "") metadata.set("forebay-leader", this.leader);
    if (this.position !== undefined) metadata.set("forebay-position", this.position);
    return metadata;
  }

  refuse(reason: string, options: { readonly namesLeader?: boolean } = {}): Handle {
    return (_, respond) => {
      const info = ErrorInfo.encode({ reason, domain: "forebay", metadata: new Map() }).finish();
      const retry = RetryInfo.encode({ retryDelay: { seconds: 0n, nanos: 1_000_000 } }).finish();
      const type = "type.googleapis.com/google.rpc.";
      const details = [
        { typeUrl: `${type}ErrorInfo`, value: info },
        { typeUrl: `${type}RetryInfo`, value: retry },
      ];
      const metadata = options.namesLeader === true ? this.trailers() : new Metadata();
      const bytes = Status.encode({ code: status.UNAVAILABLE, message: reason, details }).finish();
      metadata.set("grpc-status-details-bin", Buffer.from(bytes));
      respond({ code: status.UNAVAILABLE, details: reason, metadata } as ServiceError);
    };
  }

  async start(): Promise<this> {
    const server = new Server();
    this.#server = server;
    const implementation = Object.fromEntries(
      (
        [
          "sendMessage",
          "deleteMessage",
          "receiveMessage",
          "peekMessages",
          "getQueueAttributes",
        ] as const
      ).map((method) => [
        method,
        (call: ServerUnaryCall<unknown, unknown>, respond: sendUnaryData<unknown>) => {
          this.calls.push({ method, request: call.request, metadata: call.metadata });
          this.handle(call, respond);
        },
      ]),
    );
    server.addService(emptyAnswers, {
      ...implementation,
      consume: (stream: ServerDuplexStream<ConsumeRequest, ConsumeResponse>) => {
        stream.on("data", () => undefined).on("error", () => undefined);
        stream.sendMetadata(this.trailers());
        this.streams.push(stream);
      },
    } as never);
    this.#port = await new Promise((resolve, reject) => {
      server.bindAsync(
        `127.0.0.1:${this.#port}`,
        ServerCredentials.createInsecure(),
        (error, port) => (error === null ? resolve(port) : reject(error)),
      );
    });
    return this;
  }

  kill(): void {
    this.#server.forceShutdown();
  }
}

let one: FakeNode;
let other: FakeNode;
let clients: ForebayClient[];

beforeEach(async () => {
  one = await new FakeNode().start();
  other = await new FakeNode().start();
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  one.kill();
  other.kill();
});

function connect(options: ForebayClientOptions = {}): ForebayClient {
  const client = new ForebayClient({
    endpoint: [one.endpoint, other.endpoint],
    verifyMd5: false,
    timeoutMs: 5_000,
    ...options,
  });
  clients.push(client);
  return client;
}

const peek = async (client: ForebayClient, options = {}): Promise<void> => {
  for await (const _ of client.queue("orders").peek(options)) break;
};

/** Reads until the node that was named is asked directly; whoever was asked before forgets it. */
async function directed(client: ForebayClient): Promise<void> {
  await expect
    .poll(async () => {
      await peek(client);
      return other.calls.length;
    })
    .toBe(1);
  one.calls.length = other.calls.length = 0;
}

/** Where connections are taken and nothing is ever said, as where a firewall drops what is sent. */
async function silentEndpoint(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the node that leads", () => {
  test("is asked directly once an answer has named it and a connection to it stands", async () => {
    one.leader = other.leader = other.endpoint;
    const client = connect({ endpoint: one.endpoint });
    await directed(client);
    await peek(client);
    await client.queue("orders").receive();
    expect([one.calls.length, other.calls.length]).toEqual([0, 2]);
  });

  test("is asked directly for the next stream once a stream has named it", async () => {
    one.leader = other.leader = other.endpoint;
    const client = connect({ endpoint: one.endpoint });
    const consumer = client.queue("orders").consume();
    const next = consumer.next();
    await expect.poll(() => one.streams.length).toBe(1);
    one.streams[0]?.emit("error", {
      code: status.UNAVAILABLE,
      details: "over",
      metadata: one.trailers(),
    });
    await expect.poll(() => other.streams.length, { timeout: 5_000 }).toBe(1);
    expect(one.streams).toHaveLength(1);
    await consumer.close();
    await next;
  });

  test("that cannot be reached is left for the ones that were given", async () => {
    one.leader = "127.0.0.1:1";
    const client = connect({ endpoint: one.endpoint });
    for (let count = 0; count < 4; count += 1) await peek(client);
    expect(one.calls).toHaveLength(4);
  });

  test("that never answers holds up nobody, neither calls nor streams", { retry: 2 }, async () => {
    one.leader = await silentEndpoint();
    const client = connect({ endpoint: one.endpoint });
    const startedMs = performance.now();
    for (let count = 0; count < 20; count += 1) await peek(client);
    const consumer = client.queue("orders").consume();
    const next = consumer.next();
    await expect.poll(() => one.streams.length).toBe(1);
    for (let count = 0; count < 20; count += 1) await client.queue("orders").receive();
    expect(performance.now() - startedMs).toBeLessThan(1_500);
    expect(one.calls).toHaveLength(40);
    await consumer.close();
    await next;
    // It was given up meanwhile, and calls go on as before.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await peek(client);
    expect(one.calls).toHaveLength(41);
  });
});

describe("another node", () => {
  test("is asked when one has died, also for a send, which it never got", async () => {
    one.kill();
    await connect().queue("orders").send("m");
    expect(other.calls.map(({ method }) => method)).toEqual(["sendMessage"]);
  });

  test("is asked when one knows nobody who leads, whatever the call is: nothing was done", async () => {
    one.handle = one.refuse("NOT_LEADER");
    await connect().queue("orders").receive();
    expect([one.calls.length, other.calls.length]).toEqual([1, 1]);
  });

  test("is not asked for a receive whose outcome is unknown", async () => {
    one.handle = one.refuse("LEADERSHIP_LOST");
    const error: unknown = await connect()
      .queue("orders")
      .receive()
      .catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ForebayError);
    expect((error as ForebayError).reason).toBe("LEADERSHIP_LOST");
    expect([one.calls.length, other.calls.length]).toEqual([1, 0]);
  });

  test("is asked for a send whose outcome is unknown, under the same request id", async () => {
    one.handle = one.refuse("LEADERSHIP_LOST");
    await connect({ batching: false }).queue("orders").send("m");
    const ids = [...one.calls, ...other.calls].map(
      ({ request }) => (request as { requestId: string }).requestId,
    );
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });
});

describe("consistency and durability", () => {
  test("are said on the wire, of a call or of a client", async () => {
    const client = connect({ consistency: "quorum", acks: "all" });
    await peek(client);
    await peek(client, { consistency: { atLeast: "3/42" } });
    await client.queue("orders").receive();
    const said = one.calls.map(({ request, metadata }) => [
      (request as { consistency?: { kind: unknown } }).consistency?.kind,
      metadata.get("forebay-acks")[0],
    ]);
    expect(said).toEqual([
      [{ $case: "mode", value: 2 }, "all"],
      [{ $case: "atLeast", value: "3/42" }, "all"],
      [undefined, "all"],
    ]);
  });

  test("of one send or delete are its own, and join nobody's batch", async () => {
    const client = connect();
    const queue = client.queue("orders");
    await Promise.all([
      queue.send("a", { acks: "all" }),
      queue.delete("handle", { acks: "quorum" }),
    ]);
    const said = one.calls.map(({ method, metadata }) => [method, metadata.get("forebay-acks")[0]]);
    expect(said.sort()).toEqual([
      ["deleteMessage", "quorum"],
      ["sendMessage", "all"],
    ]);
  });

  test("reads that any node may answer go to the nearest, the others to the leader", async () => {
    one.leader = other.leader = other.endpoint;
    const client = connect();
    await directed(client);
    await peek(client, { consistency: "any" });
    await peek(client, { consistency: { maxStalenessMs: 1_000 } });
    await peek(client, { consistency: "quorum" });
    expect([one.calls.length, other.calls.length]).toEqual([2, 1]);
  });

  test("the latest position is known, and never an earlier one than before", async () => {
    const client = connect();
    expect(client.position).toBeUndefined();
    for (const position of ["2/9", "2/10", "2/8", "1/99"]) {
      one.position = position;
      await peek(client);
    }
    expect(client.position).toBe("2/10");
  });
});

describe("routes", () => {
  test("turn to the next one given, round and round, and once for many calls that failed together", () => {
    const routes = new Routes(["a:1", "b:1", "c:1"]);
    routes.failed("a:1", "unreachable");
    routes.failed("a:1", "unreachable");
    expect(routes.leader).toBe("b:1");
    routes.failed("b:1", "no_leader");
    routes.failed("c:1", "no_leader");
    expect(routes.leader).toBe("a:1");
  });

  test("a leader that is gone is forgotten, not the way to the others", () => {
    const routes = new Routes(["a:1"]);
    routes.leads("x:1");
    expect([routes.leader, routes.nearest, routes.hasOthers]).toEqual(["x:1", "a:1", true]);
    routes.failed("x:1", "unreachable");
    expect([routes.leader, routes.hasOthers]).toEqual(["a:1", false]);
    expect(routes.isWorthReaching("x:1")).toBe(false);
  });

  test("only a node that is not asked already, and was not out of reach lately, is worth reaching", () => {
    const routes = new Routes(["a:1", "b:1"]);
    expect(routes.isWorthReaching("a:1")).toBe(false);
    expect(routes.isWorthReaching("b:1")).toBe(true);
    routes.leads("b:1");
    expect(routes.isWorthReaching("b:1")).toBe(false);
    routes.leads("a:1");
    routes.cannotReach("b:1");
    expect(routes.isWorthReaching("b:1")).toBe(false);
  });
});
