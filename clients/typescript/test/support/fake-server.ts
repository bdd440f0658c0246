// A server that does what the tests of the client need, on a real socket: a few queues in memory, failures on demand, streams
// that break, and a record of every call. It keeps no rule of the contract that the client does not depend on.

import { createHash, randomUUID } from "node:crypto";
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
import { DeleteOutcome, type Message } from "../../gen/forebay/queue/v1/message.js";
import {
  type ChangeMessageVisibilityBatchRequest,
  type ChangeMessageVisibilityRequest,
  type ConsumeRequest,
  type ConsumeResponse,
  type ConsumeResult,
  type DeleteMessageBatchRequest,
  type DeleteMessageRequest,
  type ProduceRequest,
  type ProduceResponse,
  QueueServiceService,
  type ReceiveMessageRequest,
  type RejectMessageRequest,
  type SendMessageBatchRequest,
  type SendMessageBatchRequestEntry,
  type SendMessageRequest,
} from "../../gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceService } from "../../gen/forebay/queue/v1/schedule_service.js";
import type { Duration } from "../../gen/google/protobuf/duration.js";
import { ErrorInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";

export interface RecordedCall {
  readonly method: string;
  readonly request: unknown;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
}

/** What a call fails with: a status as the server would build it. */
export interface Failure {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

export type ConsumeStream = ServerDuplexStream<ConsumeRequest, ConsumeResponse>;
type Unary = (request: never, isCancelled: () => boolean) => unknown;

interface Stored {
  readonly queue: string;
  readonly groupId: string | undefined;
  readonly message: Message;
  readonly order: number;
  visibleAtMs: number;
  receiveCount: number;
}

const unaryMethods = [
  "createQueue",
  "getQueueUrl",
  "getQueueAttributes",
  "setQueueAttributes",
  "listQueues",
  "deleteQueue",
  "purgeQueue",
  "tagQueue",
  "untagQueue",
  "listQueueTags",
  "sendMessage",
  "sendMessageBatch",
  "receiveMessage",
  "deleteMessage",
  "deleteMessageBatch",
  "changeMessageVisibility",
  "changeMessageVisibilityBatch",
  "peekMessages",
  "listDeadLetterSourceQueues",
  "startMessageMoveTask",
  "previewMessageMoveTask",
  "cancelMessageMoveTask",
  "listMessageMoveTasks",
  "addPermission",
  "removePermission",
  "rejectMessage",
  "describeMessage",
  "explainMessage",
  "listScheduledMessages",
  "cancelScheduledMessage",
] as const;
const scheduleMethods = ["putSchedule", "getSchedule", "listSchedules", "deleteSchedule"] as const;
type UnaryMethod = (typeof unaryMethods)[number] | (typeof scheduleMethods)[number];

export class FakeServer {
  readonly calls: RecordedCall[] = [];
  readonly stored = new Map<string, Stored>();
  readonly consumeStreams = new Set<ConsumeStream>();
  readonly produceStreams = new Set<ServerDuplexStream<ProduceRequest, ProduceResponse>>();
  readonly consumeRequests: ConsumeRequest[] = [];
  /** Answers a request of a Consume stream in another way, by returning true. */
  overrideConsume: (stream: ConsumeStream, request: ConsumeRequest["request"]) => boolean = () =>
    false;
  /** Whether Produce streams are answered. */
  isAnswering = true;
  /** Where rejects with `dead_letter` go; without one they are refused with DLQ_NOT_FOUND. */
  deadLetterQueue: string | undefined;
  port = 0;
  #server: Server | undefined;
  #order = 0;
  readonly #failures = new Map<UnaryMethod, Failure[]>();
  readonly #overrides = new Map<UnaryMethod, Unary>();
  readonly #held = new Map<ConsumeStream, Held>();

  static async start(port = 0): Promise<FakeServer> {
    const server = new FakeServer();
    await server.listen(port);
    return server;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  async listen(port = this.port): Promise<void> {
    const server = new Server();
    server.addService(QueueServiceService, {
      ...Object.fromEntries(unaryMethods.map((method) => [method, this.#unary(method)])),
      produce: (stream: ServerDuplexStream<ProduceRequest, ProduceResponse>) =>
        this.#produce(stream),
      consume: (stream: ConsumeStream) => this.#consume(stream),
    });
    server.addService(
      ScheduleServiceService,
      Object.fromEntries(scheduleMethods.map((method) => [method, this.#unary(method)])),
    );
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    this.#server = server;
  }

  /** Hangs up on everybody at once. What is stored stays; what streams held is given back, as by a server that saw them break. */
  kill(): void {
    for (const stream of [...this.#held.keys()]) this.#giveBack(stream);
    this.die();
  }

  /** The same as a killed process does it, which gives nothing back. */
  die(): void {
    this.consumeStreams.clear();
    this.#held.clear();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
  }

  /** Makes the next calls of a method fail, one for each failure. */
  fail(method: UnaryMethod, ...failures: Failure[]): void {
    this.#failures.set(method, [...(this.#failures.get(method) ?? []), ...failures]);
  }

  /** Answers a method in another way. */
  override(method: UnaryMethod, handler: Unary): void {
    this.#overrides.set(method, handler);
  }

  callsOf<Request = unknown>(method: UnaryMethod): (RecordedCall & { request: Request })[] {
    return this.calls.filter((call) => call.method === method) as (RecordedCall & {
      request: Request;
    })[];
  }

  bodies(): (string | Uint8Array)[] {
    return [...this.stored.values()].map(({ message }) => message.body?.value ?? "");
  }

  /** What a receive may get, in order; of a FIFO group what is before the first message that is leased or delayed. */
  visible(): Stored[] {
    const inOrder = [...this.stored.values()].sort((left, right) => left.order - right.order);
    const blocked = new Set<string | undefined>();
    return inOrder.filter(({ queue, groupId, visibleAtMs }) => {
      const isVisible = visibleAtMs <= Date.now() && !blocked.has(groupId);
      if (!isVisible && queue.endsWith(".fifo")) blocked.add(groupId);
      return isVisible;
    });
  }

  #unary(method: UnaryMethod) {
    return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
      const deadline = call.getDeadline();
      this.calls.push({
        method,
        request: call.request,
        metadata: call.metadata,
        deadlineMs: typeof deadline === "number" ? deadline : deadline.getTime(),
      });
      const failure = this.#failures.get(method)?.shift();
      if (failure !== undefined) {
        callback(serviceError(failure));
        return;
      }
      const handler = this.#overrides.get(method) ?? this.#defaults[method] ?? (() => undefined);
      Promise.resolve()
        .then(() => handler(call.request as never, () => call.cancelled))
        .then(
          (response) => callback(null, response),
          (error: ServiceError) => callback(error),
        );
    };
  }

  readonly #defaults: Partial<Record<UnaryMethod, Unary>> = {
    createQueue: ({ queue }: { queue: string }) => ({ queue, created: true, replayed: false }),
    getQueueUrl: ({ queue }: { queue: string }) => ({ queue }),
    deleteQueue: () => ({}),
    purgeQueue: () => ({ purgedCount: BigInt(this.stored.size), replayed: false }),
    sendMessage: (request: SendMessageRequest) => this.store({ ...request, id: "" }, request.queue),
    sendMessageBatch: ({ queue, entries }: SendMessageBatchRequest) => ({
      successful: entries.map((entry) => this.store(entry, queue)),
      failed: [],
      replayed: false,
    }),
    receiveMessage: (request: ReceiveMessageRequest, isCancelled) =>
      this.#receive(request, isCancelled),
    deleteMessage: ({ receiptHandle }: DeleteMessageRequest) => ({
      outcome: this.#delete(receiptHandle),
    }),
    deleteMessageBatch: ({ entries }: DeleteMessageBatchRequest) => ({
      successful: entries.map(({ id, receiptHandle }) => ({
        id,
        outcome: this.#delete(receiptHandle),
      })),
      failed: [],
    }),
    changeMessageVisibility: (request: ChangeMessageVisibilityRequest) => {
      if (!this.#changeVisibility(request.receiptHandle, durationMs(request.visibilityTimeout))) {
        throw serviceError({ code: status.NOT_FOUND, reason: "MESSAGE_NOT_FOUND" });
      }
      return { visibleTime: { seconds: 0n, nanos: 0 } };
    },
    rejectMessage: (request: RejectMessageRequest) => this.#reject(request),
    changeMessageVisibilityBatch: ({ entries }: ChangeMessageVisibilityBatchRequest) => {
      const successful: unknown[] = [];
      const failed: unknown[] = [];
      for (const { id, receiptHandle, visibilityTimeout } of entries) {
        if (this.#changeVisibility(receiptHandle, durationMs(visibilityTimeout))) {
          successful.push({ id, visibleTime: { seconds: 0n, nanos: 0 } });
        } else {
          const reason = "MESSAGE_NOT_FOUND";
          failed.push({ id, code: status.NOT_FOUND, reason, message: reason, senderFault: true });
        }
      }
      return { successful, failed };
    },
  };

  #reject({ receiptHandle, delay, deadLetter }: RejectMessageRequest) {
    if (deadLetter) {
      if (this.deadLetterQueue === undefined) {
        throw serviceError({ code: status.FAILED_PRECONDITION, reason: "DLQ_NOT_FOUND" });
      }
      this.#delete(receiptHandle);
      return { deadLetterQueue: this.deadLetterQueue };
    }
    if (!this.#changeVisibility(receiptHandle, durationMs(delay))) {
      throw serviceError({ code: status.NOT_FOUND, reason: "MESSAGE_NOT_FOUND" });
    }
    return { visibleTime: { seconds: 0n, nanos: 0 }, deadLetterQueue: "" };
  }

  /** Appends a message and answers as the contract does. */
  store(entry: SendMessageBatchRequestEntry, queue = "orders") {
    const messageId = randomUUID();
    const body = entry.body?.value ?? "";
    const md5OfBody = createHash("md5").update(body).digest("hex");
    this.#order += 1;
    this.stored.set(messageId, {
      queue,
      groupId: entry.groupId || undefined,
      message: {
        messageId,
        receiptHandle: "",
        body: entry.body,
        md5OfBody,
        attributes: entry.attributes,
        md5OfAttributes: "",
        systemAttributes: undefined,
        visibleTime: undefined,
      },
      order: this.#order,
      visibleAtMs: 0,
      receiveCount: 0,
    });
    for (const stream of this.#held.keys()) this.#deliver(stream);
    return {
      id: entry.id,
      messageId,
      md5OfBody,
      md5OfAttributes: "",
      md5OfSystemAttributes: "",
      sequenceNumber: "",
      duplicate: false,
      replayed: false,
    };
  }

  async #receive(
    request: ReceiveMessageRequest,
    isCancelled: () => boolean,
  ): Promise<{ messages: Message[] }> {
    const endsAtMs = Date.now() + Number(request.waitTime?.seconds ?? 0n) * 1_000;
    const timeoutMs = Number(request.visibilityTimeout?.seconds ?? 30n) * 1_000;
    for (;;) {
      if (isCancelled()) return { messages: [] };
      const messages = this.visible()
        .slice(0, request.maxMessages ?? 1)
        .map((stored) => this.#lease(stored, timeoutMs));
      if (messages.length > 0 || Date.now() >= endsAtMs) return { messages };
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #lease(stored: Stored, timeoutMs: number): Message {
    stored.visibleAtMs = Date.now() + timeoutMs;
    stored.receiveCount += 1;
    return {
      ...stored.message,
      receiptHandle: `${stored.message.messageId}#${stored.receiveCount}`,
      systemAttributes: { receiveCount: stored.receiveCount, groupId: stored.groupId },
    };
  }

  #delete(receiptHandle: string): DeleteOutcome {
    const messageId = receiptHandle.split("#")[0] ?? "";
    return this.stored.delete(messageId) ? DeleteOutcome.DELETED : DeleteOutcome.ALREADY_GONE;
  }

  /** Whether a handle is of a lease that runs. */
  #isLeased(receiptHandle: string): boolean {
    const [messageId = "", count] = receiptHandle.split("#");
    const stored = this.stored.get(messageId);
    return stored?.receiveCount === Number(count) && stored.visibleAtMs > Date.now();
  }

  #changeVisibility(receiptHandle: string, timeoutMs: number): boolean {
    const stored = this.stored.get(receiptHandle.split("#")[0] ?? "");
    if (stored === undefined) return false;
    stored.visibleAtMs = Date.now() + timeoutMs;
    return true;
  }

  #produce(stream: ServerDuplexStream<ProduceRequest, ProduceResponse>): void {
    this.produceStreams.add(stream);
    let index = 0;
    stream.on("data", ({ entries }) => {
      if (!this.isAnswering) return;
      const results = entries.map((entry: SendMessageBatchRequestEntry) => ({
        result:
          entry.body?.value === "bad"
            ? { $case: "error" as const, value: statusOf({ code: 3, reason: "MESSAGE_TOO_LONG" }) }
            : { $case: "sent" as const, value: this.store(entry) },
      }));
      stream.write({ firstIndex: BigInt(index), results });
      index += results.length;
    });
    stream.on("end", () => stream.end());
    stream.on("error", () => this.produceStreams.delete(stream));
    stream.on("close", () => this.produceStreams.delete(stream));
  }

  #consume(stream: ConsumeStream): void {
    this.consumeStreams.add(stream);
    this.#held.set(stream, { handles: new Set(), credit: 0 });
    stream.on("data", (request) => {
      this.consumeRequests.push(request);
      if (!this.overrideConsume(stream, request.request)) this.#told(stream, request);
    });
    stream.on("end", () => {
      this.#giveBack(stream);
      stream.end();
    });
    stream.on("error", () => this.#giveBack(stream));
    stream.on("cancelled", () => this.#giveBack(stream));
  }

  #told(stream: ConsumeStream, { request }: ConsumeRequest): void {
    const held = this.#held.get(stream);
    if (held === undefined || request === undefined) return;
    switch (request.$case) {
      case "start":
        held.credit += request.value.credit?.messages ?? 0;
        break;
      case "credit":
        held.credit += request.value.messages;
        break;
      case "hold": {
        const results = request.value.receiptHandles.map((receiptHandle): ConsumeResult => {
          if (!this.#isLeased(receiptHandle)) return { receiptHandle, result: leaseGone() };
          held.handles.add(receiptHandle);
          const result = { $case: "leaseEndTime" as const, value: { seconds: 0n, nanos: 0 } };
          return { receiptHandle, result };
        });
        stream.write({ response: { $case: "results", value: { results } } });
        break;
      }
      default: {
        const results = request.value.receiptHandles.map((receiptHandle) => {
          const result = this.#consumed(receiptHandle, request);
          if (result.$case !== "error") held.handles.delete(receiptHandle);
          return { receiptHandle, result };
        });
        stream.write({ response: { $case: "results", value: { results } } });
      }
    }
    this.#deliver(stream);
  }

  #consumed(
    receiptHandle: string,
    request: Extract<ConsumeRequest["request"], { $case: "ack" | "nack" | "reject" }>,
  ): NonNullable<ConsumeResult["result"]> {
    if (request.$case === "ack") return { $case: "deleted", value: this.#delete(receiptHandle) };
    if (request.$case === "reject" && request.value.deadLetter) {
      const { deadLetterQueue } = this;
      if (deadLetterQueue === undefined) {
        return { $case: "error", value: statusOf({ code: 9, reason: "DLQ_NOT_FOUND" }) };
      }
      this.#delete(receiptHandle);
      return { $case: "deadLetterQueue", value: deadLetterQueue };
    }
    if (!this.#isLeased(receiptHandle)) return leaseGone();
    this.#changeVisibility(receiptHandle, durationMs(request.value.delay));
    return { $case: "visibleTime", value: { seconds: 0n, nanos: 0 } };
  }

  #deliver(stream: ConsumeStream): void {
    const held = this.#held.get(stream);
    if (held === undefined) return;
    const messages = this.visible()
      .slice(0, held.credit)
      .map((stored) => this.#lease(stored, 3_600_000));
    if (messages.length === 0) return;
    held.credit -= messages.length;
    for (const { receiptHandle } of messages) held.handles.add(receiptHandle);
    stream.write({ response: { $case: "messages", value: { messages } } });
  }

  #giveBack(stream: ConsumeStream): void {
    this.consumeStreams.delete(stream);
    for (const handle of this.#held.get(stream)?.handles ?? []) this.#changeVisibility(handle, 0);
    this.#held.delete(stream);
  }
}

const leaseGone = () => ({
  $case: "error" as const,
  value: statusOf({ code: 9, reason: "MESSAGE_NOT_IN_FLIGHT" }),
});

function durationMs(duration: Duration | undefined): number {
  return Number(duration?.seconds ?? 0n) * 1_000 + (duration?.nanos ?? 0) / 1e6;
}

interface Held {
  readonly handles: Set<string>;
  credit: number;
}

/** A Status as a Forebay server attaches it. */
function statusOf({ code, reason = "", message = reason, details = [] }: Failure): Status {
  const metadata = new Map<string, string>();
  const info = ErrorInfo.encode({ reason, domain: "forebay", metadata }).finish();
  const typeUrl = "type.googleapis.com/google.rpc.ErrorInfo";
  return {
    code,
    message,
    details: reason === "" ? [...details] : [{ typeUrl, value: info }, ...details],
  };
}

/** A failed call as a Forebay server answers it; without a reason it is one that no server of ours made. */
export function serviceError(failure: Failure): ServiceError {
  const metadata = new Metadata();
  if (failure.reason !== undefined) {
    metadata.set("grpc-status-details-bin", Buffer.from(Status.encode(statusOf(failure)).finish()));
  }
  const details = failure.message ?? failure.reason ?? "";
  return Object.assign(new Error(details), { code: failure.code, details, metadata });
}
