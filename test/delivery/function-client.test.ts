// Calling functions: real gRPC servers that implement ReceiverService, well and badly.

import { Metadata, Server, ServerCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { seconds } from "../../src/base/brands.js";
import { createSystemClock } from "../../src/base/clock.js";
import { readFunctionEndpoint } from "../../src/delivery/endpoint.js";
import {
  FunctionClient,
  type FunctionClientParts,
  type FunctionTarget,
} from "../../src/delivery/function-client.js";
import { outcomeOfStatus, outcomesOfResponse } from "../../src/delivery/function-outcome.js";
import {
  DeliveredNotification,
  type DeliverRequest,
  type DeliverResult,
  ReceiverServiceService,
} from "../../src/gen/forebay/topic/v1/receiver_service.js";
import { RetryInfo } from "../../src/gen/google/rpc/error_details.js";
import { Status } from "../../src/gen/google/rpc/status.js";
import { ManualClock } from "../support/manual-clock.js";
import {
  closedRules,
  type LocalCertificate,
  localCertificate,
  loopbackOpened,
  networksOf,
  rawReceiver,
  until,
} from "./receivers.js";

type Answer =
  | { readonly results: DeliverResult[] }
  | { readonly code: status; readonly metadata?: Metadata }
  | "nothing";

interface FunctionServer {
  readonly port: number;
  readonly calls: {
    readonly request: DeliverRequest;
    readonly metadata: Metadata;
    readonly authority: string;
  }[];
}

async function functionServer(
  answer: (request: DeliverRequest) => Answer,
  certificate?: LocalCertificate,
): Promise<FunctionServer> {
  const calls: FunctionServer["calls"] = [];
  const server = new Server();
  server.addService(ReceiverServiceService, {
    deliver: (
      call: { request: DeliverRequest; metadata: Metadata; getHost(): string },
      done: (error: Partial<ServiceError> | null, value?: { results: DeliverResult[] }) => void,
    ) => {
      calls.push({ request: call.request, metadata: call.metadata, authority: call.getHost() });
      const answered = answer(call.request);
      if (answered === "nothing") return;
      if ("results" in answered) done(null, answered);
      else done({ ...answered, details: "secret of the inside" });
    },
    confirm: (
      call: { request: { token: string; topic: string } },
      done: (error: null, value: { token: string }) => void,
    ) => done(null, { token: call.request.topic === "liar" ? "other" : call.request.token }),
  });
  const credentials =
    certificate === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          {
            cert_chain: Buffer.from(certificate.certificate),
            private_key: Buffer.from(certificate.key),
          },
        ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return { port, calls };
}

function client(parts: Partial<FunctionClientParts> = {}): FunctionClient {
  const made = new FunctionClient({
    clock: createSystemClock(),
    rules: loopbackOpened,
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ...parts,
  });
  onTestFinished(() => made.close());
  return made;
}

function targetAt(text: string, more: Partial<FunctionTarget> = {}): FunctionTarget {
  const read = readFunctionEndpoint(text);
  if (read.kind === "invalid") throw new Error(read.why);
  return { endpoint: read.endpoint, timeoutMs: seconds(10), ...more };
}

const notifications = (...ids: readonly string[]): DeliveredNotification[] =>
  ids.map((messageId) =>
    DeliveredNotification.fromPartial({
      attempt: 2,
      notification: { messageId, body: { $case: "text", value: `text of ${messageId}` } },
    }),
  );

const ack = (messageId: string): DeliverResult => ({
  messageId,
  result: { $case: "ack", value: {} },
});

test("a function gets the messages, and its answer for each counts", async () => {
  const server = await functionServer(() => ({
    results: [
      { messageId: "c", result: { $case: "reject", value: { reason: "too old" } } },
      {
        messageId: "b",
        result: { $case: "retry", value: { delay: { seconds: 5n, nanos: 1_000_000 } } },
      },
      ack("a"),
      ack("unknown"),
    ],
  }));
  const call = { subscription: "s-1", notifications: notifications("a", "b", "c") };
  const target = targetAt(`grpc://functions.example:${server.port}`, { bearerToken: "t0k" });
  const outcomes = await client().deliver(target, call);
  expect(outcomes).toMatchObject([
    { kind: "delivered" },
    { kind: "retryable", reason: "receiver_asked", hint: { kind: "asked", delayMs: 5_001 } },
    { kind: "permanent", reason: "rejected", error: "too old" },
  ]);
  expect(server.calls).toHaveLength(1);
  expect(server.calls[0]?.request).toEqual({
    subscription: "s-1",
    notifications: call.notifications,
  });
  expect(server.calls[0]?.metadata.get("authorization")).toEqual(["Bearer t0k"]);
  expect(server.calls[0]?.authority).toBe(`functions.example:${server.port}`);
});

describe("an answer", () => {
  test("that leaves a message out, or says nothing about it, is to be asked again", () => {
    const results = [ack("a"), { messageId: "b" }];
    expect(outcomesOfResponse(["a", "b", "c"], { results })).toMatchObject([
      { kind: "delivered" },
      { kind: "retryable", reason: "not_answered", hint: undefined },
      { kind: "retryable", reason: "not_answered", hint: undefined },
    ]);
  });

  test("that says two things of a message says the first", () => {
    const reject = { messageId: "a", result: { $case: "reject", value: { reason: "" } } } as const;
    expect(outcomesOfResponse(["a"], { results: [ack("a"), reject] })).toMatchObject([
      { kind: "delivered" },
    ]);
    expect(outcomesOfResponse(["a"], { results: [reject, ack("a")] })).toMatchObject([
      { kind: "permanent", error: "The receiver rejected it." },
    ]);
  });

  test.each([
    ["any time", undefined, undefined],
    ["no time", { seconds: 0n, nanos: 0 }, 0],
    ["12 h", { seconds: 43_200n, nanos: 0 }, 43_200_000],
    ["less than no time", { seconds: -1n, nanos: 0 }, undefined],
  ])("that asks for a message after %s", (_, delay, delayMs) => {
    const result = { $case: "retry", value: { delay } } as const;
    const [outcome] = outcomesOfResponse(["a"], { results: [{ messageId: "a", result }] });
    expect(outcome?.kind === "retryable" ? outcome.hint?.delayMs : "none").toBe(delayMs);
  });

  test("has a reason of 1,024 bytes at most, and no half character", () => {
    const result = { $case: "reject", value: { reason: `x${"ü".repeat(600)}` } } as const;
    const [outcome] = outcomesOfResponse(["a"], { results: [{ messageId: "a", result }] });
    const error = outcome?.kind === "permanent" ? outcome.error : "";
    expect(error).toBe(`x${"ü".repeat(511)}`);
  });
});

describe("a status", () => {
  test.each([
    ["CANCELLED", "retryable"],
    ["UNKNOWN", "retryable"],
    ["DEADLINE_EXCEEDED", "retryable"],
    ["RESOURCE_EXHAUSTED", "retryable"],
    ["ABORTED", "retryable"],
    ["INTERNAL", "retryable"],
    ["UNAVAILABLE", "retryable"],
    ["INVALID_ARGUMENT", "permanent"],
    ["NOT_FOUND", "permanent"],
    ["ALREADY_EXISTS", "permanent"],
    ["PERMISSION_DENIED", "permanent"],
    ["UNAUTHENTICATED", "permanent"],
    ["FAILED_PRECONDITION", "permanent"],
    ["OUT_OF_RANGE", "permanent"],
    ["UNIMPLEMENTED", "permanent"],
    ["DATA_LOSS", "permanent"],
  ] as const)("%s is %s, for every message of the call", async (name, kind) => {
    const server = await functionServer(() => ({ code: status[name] }));
    const call = { subscription: "s", notifications: notifications("a", "b") };
    const outcomes = await client().deliver(targetAt(`grpc://f.example:${server.port}`), call);
    const expected = { kind, answer: { statusCode: status[name], text: name } };
    expect(outcomes).toMatchObject([expected, expected]);
    expect(JSON.stringify(outcomes)).not.toContain("secret");
    // gRPC's own retries are off.
    expect(server.calls).toHaveLength(1);
  });

  test("with RetryInfo says when to come back", () => {
    const metadata = new Metadata();
    const value = RetryInfo.encode({ retryDelay: { seconds: 7n, nanos: 500_000_000 } }).finish();
    const details = [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value }];
    const bytes = Status.encode({ code: 8, message: "", details }).finish();
    metadata.set("grpc-status-details-bin", Buffer.from(bytes));
    expect(outcomeOfStatus({ code: status.RESOURCE_EXHAUSTED, metadata })).toMatchObject({
      reason: "throttled",
      hint: { kind: "not_before", delayMs: 7_500 },
    });
    metadata.set("grpc-status-details-bin", Buffer.from([255, 255, 255]));
    expect(outcomeOfStatus({ code: status.UNAVAILABLE, metadata })).toMatchObject({
      kind: "retryable",
      hint: undefined,
    });
  });
});

describe("a function that is not there", () => {
  const call = { subscription: "s", notifications: notifications("a") };

  test("does not answer in time", async () => {
    const server = await functionServer(() => "nothing");
    const target = targetAt(`grpc://f.example:${server.port}`, { timeoutMs: seconds(0.2) });
    expect(await client().deliver(target, call)).toMatchObject([
      { kind: "retryable", answer: { text: "DEADLINE_EXCEEDED" } },
    ]);
  });

  test("is something else", async () => {
    const { port } = await rawReceiver((socket) => socket.end("220 mail.example\r\n"));
    const outcomes = await client().deliver(targetAt(`grpc://f.example:${port}`), call);
    expect(outcomes).toMatchObject([{ kind: "retryable" }]);
  });

  test("answers without end", async () => {
    const reason = "x".repeat(2_000_000);
    const server = await functionServer(() => ({
      results: [{ messageId: "a", result: { $case: "reject", value: { reason } } }],
    }));
    const outcomes = await client().deliver(targetAt(`grpc://f.example:${server.port}`), call);
    expect(outcomes).toMatchObject([{ kind: "retryable", answer: { text: "RESOURCE_EXHAUSTED" } }]);
  });

  test("is asked no more when the client is closed", async () => {
    const server = await functionServer(() => "nothing");
    const closing = client();
    const target = targetAt(`grpc://f.example:${server.port}`);
    const outcomes = closing.deliver(target, call);
    await until(() => server.calls.length === 1);
    closing.close();
    expect(await outcomes).toMatchObject([{ kind: "retryable", reason: "shut_down" }]);
    expect(await closing.deliver(target, call)).toMatchObject([{ reason: "shut_down" }]);
  });
});

describe("the guard", () => {
  const call = { subscription: "s", notifications: notifications("a") };
  const good = () => functionServer(() => ({ results: [ack("a")] }));

  test("refuses private addresses, by name and as they are", async () => {
    const server = await good();
    const closed = client({ rules: { ...closedRules, ports: "any", isPlaintextAllowed: true } });
    for (const host of ["f.example", "127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]"]) {
      const outcomes = await closed.deliver(targetAt(`grpc://${host}:${server.port}`), call);
      expect(outcomes, host).toMatchObject([{ kind: "permanent", reason: "address_blocked" }]);
    }
    expect(server.calls).toEqual([]);
  });

  test("looks a name up anew after 30 s, and a name that turned around is refused", async () => {
    const server = await good();
    const clock = new ManualClock();
    let addresses = ["127.0.0.1"];
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return Promise.resolve(addresses);
    };
    const guarded = client({ clock, resolve });
    const target = targetAt(`grpc://f.example:${server.port}`);
    const kind = async () => (await guarded.deliver(target, call))[0]?.kind;
    expect(await kind()).toBe("delivered");
    addresses = ["169.254.169.254"];
    clock.advanceAtOnce(29_999);
    expect(await kind()).toBe("delivered");
    expect(asked).toBe(1);
    clock.advanceAtOnce(1);
    expect(await kind()).toBe("permanent");
    addresses = ["127.0.0.1"];
    expect(await kind()).toBe("delivered");
    expect(asked).toBe(3);
  });

  test("dials the addresses of one family, that of the first", async () => {
    const server = await good();
    const rules = { ...loopbackOpened, allowed: networksOf("127.0.0.0/8", "::1") };
    const resolve = () => Promise.resolve(["127.0.0.1", "::1"]);
    const target = targetAt(`grpc://f.example:${server.port}`);
    const outcomes = await client({ rules, resolve }).deliver(target, call);
    expect(outcomes).toMatchObject([{ kind: "delivered" }]);
    expect(server.calls).toHaveLength(1);
  });

  test("lets nothing but the address be dialled, whatever the authority", async () => {
    const server = await good();
    const target = targetAt(`grpc://127.0.0.1:${server.port}/inside.example:99`);
    expect(await client().deliver(target, call)).toMatchObject([{ kind: "delivered" }]);
    expect(server.calls[0]?.authority).toBe("inside.example:99");
  });

  test("lets a name that is unknown be tried again", async () => {
    const resolve = () => Promise.reject(new Error("no"));
    const outcomes = await client({ resolve }).deliver(targetAt("grpcs://f.example:443"), call);
    expect(outcomes).toMatchObject([{ kind: "retryable", reason: "name_not_resolved" }]);
  });
});

test("a name that nobody answers for is given up after 3 s", async () => {
  const clock = new ManualClock();
  const asking = client({ clock, resolve: () => new Promise(() => undefined) });
  const call = { subscription: "s", notifications: notifications("a") };
  const outcomes = asking.deliver(targetAt("grpcs://f.example:443"), call);
  await until(() => clock.timerCount === 1);
  await clock.advance(3_000);
  expect(await outcomes).toMatchObject([{ kind: "retryable", reason: "name_not_resolved" }]);
});

test("a token that cannot be sent is a failure of the subscription", async () => {
  const server = await functionServer(() => "nothing");
  const target = targetAt(`grpc://f.example:${server.port}`, { bearerToken: "a\r\nb: c" });
  const call = { subscription: "s", notifications: notifications("a") };
  expect(await client().deliver(target, call)).toMatchObject([{ reason: "request_invalid" }]);
});

describe("TLS", () => {
  const call = { subscription: "s", notifications: notifications("a") };
  const certificate = localCertificate("f.example");

  test("goes by the name, though an address is dialled", async () => {
    const server = await functionServer(() => ({ results: [ack("a")] }), certificate);
    const tls = { caCertificates: certificate.certificate };
    const target = targetAt(`grpcs://f.example:${server.port}`, { tls });
    expect(await client().deliver(target, call)).toMatchObject([{ kind: "delivered" }]);
    const other = targetAt(`grpcs://g.example:${server.port}`, { tls });
    expect(await client().deliver(other, call)).toMatchObject([{ kind: "retryable" }]);
    const named = targetAt(`grpcs://g.example:${server.port}/f.example`, { tls });
    expect(await client().deliver(named, call)).toMatchObject([{ kind: "delivered" }]);
  });

  test("wants a certificate that somebody vouches for", async () => {
    const server = await functionServer(() => ({ results: [ack("a")] }), certificate);
    const target = targetAt(`grpcs://f.example:${server.port}`);
    expect(await client().deliver(target, call)).toMatchObject([{ kind: "retryable" }]);
    expect(server.calls).toEqual([]);
  });

  test("with certificates that cannot be read is a failure of the subscription", async () => {
    const tls = { caCertificates: "no PEM", certificate: "no PEM", key: "no PEM" };
    const target = targetAt("grpcs://f.example:443", { tls });
    expect(await client().deliver(target, call)).toMatchObject([
      { kind: "permanent", reason: "endpoint_invalid" },
    ]);
  });
});

test("a function that wants messages sends the token back, and nothing else will do", async () => {
  const server = await functionServer(() => "nothing");
  const target = targetAt(`grpc://f.example:${server.port}`);
  const asking = client();
  const request = { topic: "billing/orders", subscription: "s", token: "t" };
  expect((await asking.confirm(target, request)).kind).toBe("delivered");
  expect(await asking.confirm(target, { ...request, topic: "liar" })).toMatchObject({
    kind: "permanent",
    reason: "rejected",
  });
});
