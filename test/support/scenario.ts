// One behaviour, told over a real socket: a whole server in this process on a port of its own, an empty store on disk, a
// queue, and a clock that the test moves by hand.
//
//   const t = await scenario({ visibilityTimeoutMs: 30_000 });
//   await t.send("pay #7");
//   await t.receive();
//   await t.advance(29_999);
//
// Everything is taken down when the test ends. A test fails by itself when the server logs an error, says that it must end,
// leaves a promise rejected, or leaves a store that contradicts itself.

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Log } from "../../src/base/log.js";
import { type Config, loadConfig } from "../../src/config.js";
import {
  DeleteOutcome,
  type Message,
  type MessageAttributeValue,
  MessageState,
  MessageSystemAttributeName,
} from "../../src/gen/forebay/queue/v1/message.js";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  type MoveEdit,
  type MoveFilter,
  MoveTaskStatus,
  type QueueAttributes,
  ReceiptPolicy,
  RedrivePermission,
} from "../../src/gen/forebay/queue/v1/queue.js";
import type { Duration } from "../../src/gen/google/protobuf/duration.js";
import type { Timestamp } from "../../src/gen/google/protobuf/timestamp.js";
import { type RunningServer, startServer } from "../../src/server.js";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { ManualClock } from "./manual-clock.js";
import {
  type CallOptions,
  type ConsumeCall,
  type ProduceCall,
  QueueClient,
  type RequestPart,
  type ResponseOf,
  type UnaryMethod,
} from "./queue-client.js";
import { openTestStore } from "./temporary-store.js";

/** The attributes of a queue in a test's words; what is left out is the server's default. */
export interface QueueOptions {
  readonly visibilityTimeoutMs?: number;
  readonly retentionMs?: number;
  readonly delayMs?: number;
  readonly messageBytesMax?: number;
  readonly receiveWaitMs?: number;
  readonly inFlightMax?: number;
  readonly receiptPolicy?: "lenient" | "strict";
  readonly type?: "fifo";
  readonly contentBasedDeduplication?: boolean;
  readonly deduplicationScope?: "queue" | "messageGroup";
  readonly throughputLimit?: "perQueue" | "perMessageGroupId";
  readonly dedupWindowMs?: number;
  /** Where messages go after so many deliveries; `none` takes the policy away. */
  readonly redrive?: { readonly to: string; readonly after: number } | "none";
  /** Which queues may send their dead letters here; `unset` takes the policy away. */
  readonly redriveAllow?: "all" | "nobody" | "unset" | readonly string[];
  readonly isPaused?: boolean;
  /** Waits between deliveries; `none` takes the policy away. */
  readonly retry?:
    | { readonly minimumMs: number; readonly maximumMs?: number; readonly factor?: number }
    | "none";
  readonly groupInFlightMax?: number;
  readonly priorityAgeingMs?: number;
}

export interface ScenarioOptions extends QueueOptions {
  /** The queue that helpers act on; `orders` if not given. */
  readonly queue?: string;
  /** `none`: the store stays empty until the test creates a queue. */
  readonly create?: "queue" | "none";
  /** `real`: time passes by itself, for bounds that are given in real time. */
  readonly time?: "manual" | "real";
  readonly config?: Partial<Config>;
}

export interface SendOptions {
  readonly queue?: string;
  readonly delayMs?: number;
  readonly attributes?: Readonly<Record<string, string | MessageAttributeValue>>;
  readonly groupId?: string;
  readonly dedupId?: string;
  readonly traceHeader?: string;
  readonly requestId?: string;
  readonly priority?: number;
  readonly timeToLiveMs?: number;
  /** The instant it joins the queue at. */
  readonly deliverAt?: number;
}

export interface RejectOptions {
  readonly queue?: string;
  readonly reason?: string;
  readonly error?: string;
  readonly delayMs?: number;
  /** To the dead-letter queue at once. */
  readonly isDeadLetter?: boolean;
}

export interface MoveOptions {
  /** `dead` if not given. */
  readonly source?: string;
  readonly destination?: string;
  readonly perSecond?: number;
  readonly requestId?: string;
  readonly filter?: RequestPart<"startMessageMoveTask">["filter"];
  readonly edit?: RequestPart<"startMessageMoveTask">["edit"];
}

/** A move task in a test's words. */
export interface ListedTask {
  readonly handle: string;
  readonly status: "RUNNING" | "COMPLETED" | "CANCELLING" | "CANCELLED" | "FAILED" | "?";
  readonly source: string;
  readonly destination: string;
  readonly perSecond: number;
  readonly moved: number;
  readonly toMove: number;
  readonly skipped: number;
  readonly failure: string;
  readonly startedAt: number;
  /** NaN while it runs. */
  readonly endedAt: number;
  readonly filter: MoveFilter | undefined;
  readonly edit: MoveEdit | undefined;
}

export interface ReceiveOptions {
  readonly queue?: string;
  readonly max?: number;
  readonly visibilityTimeoutMs?: number;
  readonly waitMs?: number;
  readonly attributes?: readonly string[];
  readonly maxBytes?: number;
  readonly requestId?: string;
  readonly attemptId?: string;
}

/** A received message in a test's words. */
export interface Received {
  readonly id: string;
  readonly handle: string;
  readonly body: string;
  readonly receiveCount: number;
  readonly message: Message;
}

export const durationOf = (spanMs: number): Duration => ({
  seconds: BigInt(Math.trunc(spanMs / 1_000)),
  nanos: Math.round((spanMs % 1_000) * 1_000_000),
});
export const msOf = (time: Duration | Timestamp | undefined): number =>
  time === undefined ? Number.NaN : Number(time.seconds) * 1_000 + time.nanos / 1_000_000;
const optionalDuration = (spanMs: number | undefined): Duration | undefined =>
  spanMs === undefined ? undefined : durationOf(spanMs);

/** A String attribute, or any other as it is. */
export const attributesOf = (
  attributes: SendOptions["attributes"] = {},
): Map<string, MessageAttributeValue> =>
  new Map(
    Object.entries(attributes).map(([name, value]) => [
      name,
      typeof value === "string"
        ? { dataType: "String", value: { $case: "stringValue", value } }
        : value,
    ]),
  );

const redriveOf = (redrive: QueueOptions["redrive"]): QueueAttributes["redrivePolicy"] =>
  redrive === undefined
    ? undefined
    : redrive === "none"
      ? { deadLetterQueue: "", maxReceiveCount: 0 }
      : { deadLetterQueue: redrive.to, maxReceiveCount: redrive.after };

const redriveAllowOf = (
  allow: QueueOptions["redriveAllow"],
): QueueAttributes["redriveAllowPolicy"] =>
  allow === undefined
    ? undefined
    : typeof allow === "string"
      ? {
          permission: {
            all: RedrivePermission.ALLOW_ALL,
            nobody: RedrivePermission.DENY_ALL,
            unset: RedrivePermission.UNSPECIFIED,
          }[allow],
          sourceQueues: [],
        }
      : { permission: RedrivePermission.BY_QUEUE, sourceQueues: [...allow] };

const retryOf = (retry: QueueOptions["retry"]) =>
  retry === undefined
    ? undefined
    : retry === "none"
      ? {}
      : {
          minimumBackoff: durationOf(retry.minimumMs),
          maximumBackoff: optionalDuration(retry.maximumMs),
          factor: retry.factor,
        };

export const queueAttributesOf = (options: QueueOptions) => ({
  visibilityTimeout: optionalDuration(options.visibilityTimeoutMs),
  messageRetentionPeriod: optionalDuration(options.retentionMs),
  delay: optionalDuration(options.delayMs),
  maximumMessageBytes: options.messageBytesMax,
  receiveMessageWaitTime: optionalDuration(options.receiveWaitMs),
  maxInFlight: options.inFlightMax,
  receiptPolicy:
    options.receiptPolicy === undefined
      ? ReceiptPolicy.UNSPECIFIED
      : { lenient: ReceiptPolicy.LENIENT, strict: ReceiptPolicy.STRICT }[options.receiptPolicy],
  fifoQueue: options.type === "fifo" ? true : undefined,
  contentBasedDeduplication: options.contentBasedDeduplication,
  deduplicationScope:
    options.deduplicationScope === undefined
      ? DeduplicationScope.UNSPECIFIED
      : {
          queue: DeduplicationScope.QUEUE,
          messageGroup: DeduplicationScope.MESSAGE_GROUP,
        }[options.deduplicationScope],
  fifoThroughputLimit:
    options.throughputLimit === undefined
      ? FifoThroughputLimit.UNSPECIFIED
      : {
          perQueue: FifoThroughputLimit.PER_QUEUE,
          perMessageGroupId: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }[options.throughputLimit],
  dedupWindow: optionalDuration(options.dedupWindowMs),
  redrivePolicy: redriveOf(options.redrive),
  redriveAllowPolicy: redriveAllowOf(options.redriveAllow),
  deliveryPaused: options.isPaused,
  retryPolicy: retryOf(options.retry),
  maxInFlightPerGroup: options.groupInFlightMax,
  priorityAgeing: optionalDuration(options.priorityAgeingMs),
});

/** Bodies of a list of received messages, the part most tests are about. */
export const bodiesOf = (messages: readonly { readonly body: string }[]): string[] =>
  messages.map(({ body }) => body);

/** Their receipt handles. */
export const handlesOf = (messages: readonly { readonly handle: string }[]): string[] =>
  messages.map(({ handle }) => handle);

/** A running server and how a test speaks with it. */
export async function scenario(options: ScenarioOptions = {}): Promise<Scenario> {
  const t = new Scenario(options);
  onTestFinished(async () => await t.finish());
  await t.start();
  if (options.create !== "none") await t.createQueue(t.queue, options);
  return t;
}

/** A scenario about a FIFO queue, `orders.fifo`, that needs no deduplication ids as long as bodies differ. */
export async function fifoScenario(options: ScenarioOptions = {}): Promise<Scenario> {
  const t = await scenario({
    queue: "orders.fifo",
    type: "fifo",
    contentBasedDeduplication: true,
    ...options,
  });
  // Off the beat of the sweeper's seconds: what comes at its instant is then not the sweeper's doing.
  await t.advance(137);
  return t;
}

const mapSizeBytes = 128 * 1_048_576;
/** A larger store is not checked after each test: a check reads all of it. */
const checkedBytesMax = 64 * 1_048_576;

interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

export class Scenario {
  readonly queue: string;
  readonly logged: LogLine[] = [];
  readonly #clock: ManualClock | undefined;
  readonly #config: { -readonly [Name in keyof Config]?: Config[Name] };
  readonly #root = mkdtempSync(join(tmpdir(), "forebay-scenario-"));
  /** Where the files of each server are that was ever started. */
  readonly #servers = new Map<RunningServer, string>();
  /** Servers whose files were looked at when they stopped. */
  readonly #checked = new Set<RunningServer>();
  readonly #clients: QueueClient[] = [];
  readonly #failures: Error[] = [];
  #directory: string;
  #directoryCount = 0;
  #server: RunningServer | undefined;
  #client: QueueClient | undefined;
  #areErrorsExpected = false;
  /** What the check of a store says that contradicts itself. */
  readonly #contradictions: string[] = [];
  #isDamaged = false;

  constructor({ queue = "orders", time = "manual", config = {} }: ScenarioOptions) {
    this.queue = queue;
    this.#config = { ...config };
    this.#clock =
      time === "manual" ? new ManualClock({ settle: async () => await this.settle() }) : undefined;
    this.#directory = this.#newDirectory();
  }

  #newDirectory(): string {
    this.#directoryCount += 1;
    const directory = join(this.#root, String(this.#directoryCount));
    mkdirSync(directory);
    return directory;
  }

  async start(): Promise<void> {
    const { server, client } = await this.#serve(this.#directory);
    this.#server = server;
    this.#client = client;
  }

  async #serve(dataDir: string): Promise<{ server: RunningServer; client: QueueClient }> {
    const { config } = loadConfig({ args: [], env: {}, workingDirectory: this.#root });
    const server = await startServer(
      {
        ...config,
        mapSizeBytes,
        ...this.#config,
        dataDir,
        listen: { host: "127.0.0.1", port: 0 },
        managementListen: { host: "127.0.0.1", port: 0 },
      },
      this.#log(),
      {
        ...(this.#clock !== undefined && { clock: this.#startClock(this.#clock) }),
        failed: (error) => this.#failures.push(error),
      },
    );
    this.#servers.set(server, dataDir);
    return { server, client: this.#connect(server) };
  }

  #connect(server: RunningServer): QueueClient {
    const client = new QueueClient(server.dataAddress);
    this.#clients.push(client);
    return client;
  }

  /** A restarted server goes on where the clock stands; it must never begin before what the store has seen. */
  #startClock(clock: ManualClock) {
    return (notBefore: number): ManualClock => {
      if (clock.now() < notBefore)
        throw new Error("The store has seen a later time than the test.");
      return clock;
    };
  }

  #log(): Log {
    const at =
      (level: string) =>
      (fields: object, message = ""): void => {
        this.logged.push({ level, message, fields });
      };
    const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
    return Object.fromEntries(levels.map((level) => [level, at(level)])) as unknown as Log;
  }

  /** Another connection to the server that runs now. */
  newClient(): QueueClient {
    return this.#connect(this.server);
  }

  get client(): QueueClient {
    if (this.#client === undefined) throw new Error("The server has not been started.");
    return this.#client;
  }

  get server(): RunningServer {
    if (this.#server === undefined) throw new Error("The server has not been started.");
    return this.#server;
  }

  /** The test is about an error of the server's: logging one does not fail it. */
  expectErrors(): void {
    this.#areErrorsExpected = true;
  }

  /** The test changes what is stored behind the server's back: contradictions do not fail it. */
  expectContradictions(): void {
    this.#isDamaged = true;
  }

  // --- time ---------------------------------------------------------------------------------------------------------------

  get clock(): ManualClock {
    if (this.#clock === undefined) throw new Error("This scenario runs in real time.");
    return this.#clock;
  }

  /** Server time. */
  get now(): number {
    return this.clock.now();
  }

  /** Moves time on; every timer fires at its instant, and what it starts reaches disk and caller before the next. */
  async advance(spanMs: number): Promise<void> {
    await this.clock.advance(spanMs);
  }

  /** Moves time on in one leap, for long spans in which only the end counts. */
  async skip(spanMs: number): Promise<void> {
    await this.clock.skip(spanMs);
    await this.settle();
  }

  /**
   * Time stands later at once, and not one timer has fired: what the next call finds was not settled by anybody before. The
   * timers that are due fire with the next move.
   */
  async leap(spanMs: number): Promise<void> {
    await this.settle();
    this.clock.leap(spanMs);
  }

  /**
   * Lets what is under way reach the disk and the caller: a call that reads is answered after every record before it, and on
   * this connection after every answer before it.
   */
  async settle(): Promise<void> {
    await turns();
    if (this.#client === undefined) return;
    // A server that refuses or stops has settled.
    await this.#client.call("listQueues", { pageSize: 1 }).catch(() => undefined);
    await turns();
  }

  // --- calls --------------------------------------------------------------------------------------------------------------

  call<Method extends UnaryMethod>(
    method: Method,
    request: RequestPart<Method>,
    options?: CallOptions,
  ): Promise<ResponseOf<Method>> {
    return this.client.call(method, request, options);
  }

  createQueue(queue: string, options: QueueOptions = {}): Promise<ResponseOf<"createQueue">> {
    return this.call("createQueue", { queue, attributes: queueAttributesOf(options) });
  }

  setQueue(options: QueueOptions, queue = this.queue): Promise<ResponseOf<"setQueueAttributes">> {
    return this.call("setQueueAttributes", { queue, attributes: queueAttributesOf(options) });
  }

  deleteQueue(queue = this.queue): Promise<ResponseOf<"deleteQueue">> {
    return this.call("deleteQueue", { queue });
  }

  async purge(queue = this.queue): Promise<number> {
    return Number((await this.call("purgeQueue", { queue })).purgedCount);
  }

  /** Sends a text, or bytes. */
  send(body: string | Uint8Array, options: SendOptions = {}): Promise<ResponseOf<"sendMessage">> {
    return this.call("sendMessage", {
      queue: options.queue ?? this.queue,
      ...entryOf(body, options),
      requestId: options.requestId ?? "",
    });
  }

  /** Sends texts as one batch; their ids are `0`, `1`, … */
  sendBatch(
    bodies: readonly (string | Uint8Array)[],
    options: SendOptions = {},
  ): Promise<ResponseOf<"sendMessageBatch">> {
    return this.call("sendMessageBatch", {
      queue: options.queue ?? this.queue,
      entries: bodies.map((body, index) => ({ id: String(index), ...entryOf(body, options) })),
      requestId: options.requestId ?? "",
    });
  }

  /** Sends many messages over one stream, in their order, with whatever each entry has beside its body. */
  async pour(
    entries: readonly ({ readonly body: string } & Omit<SendOptions, "queue" | "requestId">)[],
  ): Promise<void> {
    const stream = this.produce();
    const requestEntriesMax = 1_000;
    for (let from = 0; from < entries.length; from += requestEntriesMax) {
      stream.write({
        queue: this.queue,
        entries: entries
          .slice(from, from + requestEntriesMax)
          .map(({ body, ...options }) => entryOf(body, options)),
      });
    }
    stream.halfClose();
    const error = await stream.ended;
    if (error !== undefined) throw error;
    const results = stream.responses.flatMap((response) => response.results);
    const sentCount = results.filter(({ result }) => result?.$case === "sent").length;
    if (sentCount !== entries.length) {
      throw new Error(`Of ${entries.length} entries ${sentCount} were stored.`);
    }
  }

  async receive(options: ReceiveOptions = {}, call: CallOptions = {}): Promise<Received[]> {
    const { messages } = await this.call("receiveMessage", this.receiveRequest(options), call);
    return messages.map(receivedOf);
  }

  /** The request that `receive` sends: all system attributes, and the attributes asked for. */
  receiveRequest(options: ReceiveOptions): RequestPart<"receiveMessage"> {
    return {
      queue: options.queue ?? this.queue,
      maxMessages: options.max,
      visibilityTimeout: optionalDuration(options.visibilityTimeoutMs),
      waitTime: optionalDuration(options.waitMs),
      systemAttributeNames: [MessageSystemAttributeName.ALL],
      messageAttributeNames: [...(options.attributes ?? [])],
      maxBytes: options.maxBytes,
      requestId: options.requestId ?? "",
      receiveAttemptId: options.attemptId ?? "",
    };
  }

  /** Exactly one message, received. */
  async receiveOne(options: ReceiveOptions = {}): Promise<Received> {
    const [message, ...others] = await this.receive(options);
    if (message === undefined || others.length > 0) {
      throw new Error(`Expected one message, received ${message === undefined ? 0 : "more"}.`);
    }
    return message;
  }

  /** Starts a receive that waits; the server has it when this resolves. */
  async poll(options: ReceiveOptions = {}, call: CallOptions = {}): Promise<Poll> {
    const poll = new Poll(
      (signal) => this.receive({ waitMs: 20_000, ...options }, { ...call, signal }),
      () => this.#clock?.now() ?? Date.now(),
    );
    await this.settle();
    return poll;
  }

  async delete(handle: string, queue = this.queue): Promise<"DELETED" | "ALREADY_GONE" | "?"> {
    const { outcome } = await this.call("deleteMessage", { queue, receiptHandle: handle });
    return outcomeNames[outcome] ?? "?";
  }

  /** Changes what is left of a lease; resolves with the instant it then ends. */
  async changeVisibility(handle: string, timeoutMs: number, queue = this.queue): Promise<number> {
    const { visibleTime } = await this.call("changeMessageVisibility", {
      queue,
      receiptHandle: handle,
      visibilityTimeout: durationOf(timeoutMs),
    });
    return msOf(visibleTime);
  }

  /** Gives a message back with a reason. */
  reject(handle: string, options: RejectOptions = {}): Promise<ResponseOf<"rejectMessage">> {
    return this.call("rejectMessage", {
      queue: options.queue ?? this.queue,
      receiptHandle: handle,
      reason: options.reason ?? "unprocessable",
      error: options.error ?? "",
      delay: optionalDuration(options.delayMs),
      deadLetter: options.isDeadLetter ?? false,
    });
  }

  /** Starts a task that moves messages out of a dead-letter queue; resolves with its handle. */
  async startMove(options: MoveOptions = {}): Promise<string> {
    return (await this.call("startMessageMoveTask", this.moveRequest(options))).taskHandle;
  }

  moveRequest(options: MoveOptions = {}) {
    return {
      source: options.source ?? "dead",
      destination: options.destination ?? "",
      maxPerSecond: options.perSecond,
      requestId: options.requestId ?? "",
      filter: options.filter,
      edit: options.edit,
    };
  }

  /** Messages moved so far. */
  async cancelMove(taskHandle: string): Promise<number> {
    return Number((await this.call("cancelMessageMoveTask", { taskHandle })).movedMessageCount);
  }

  /** The move tasks of a source, newest first, at most ten. */
  async moveTasks(source = "dead"): Promise<ListedTask[]> {
    const { tasks } = await this.call("listMessageMoveTasks", { source, pageSize: 10 });
    return tasks.map((task) => ({
      handle: task.taskHandle,
      status: taskStatusNames[task.status] ?? "?",
      source: task.source,
      destination: task.destination,
      perSecond: task.maxPerSecond,
      moved: Number(task.movedMessageCount),
      toMove: Number(task.toMoveMessageCount),
      skipped: Number(task.skippedMessageCount),
      failure: task.failureReason,
      startedAt: msOf(task.startTime),
      endedAt: msOf(task.endTime),
      filter: task.filter,
      edit: task.edit,
    }));
  }

  /** Visible, in flight and delayed messages. */
  async counts(queue = this.queue): Promise<string> {
    const { visible, inFlight, delayed } = await this.counters(queue);
    return `${visible}/${inFlight}/${delayed}`;
  }

  /** All counters as plain numbers. Checks what must hold between them. */
  async counters(queue = this.queue) {
    const { counters } = await this.call("getQueueAttributes", { queue });
    if (counters === undefined) throw new Error("The answer has no counters.");
    const numbers = {
      visible: Number(counters.visibleMessageCount),
      inFlight: Number(counters.inFlightMessageCount),
      delayed: Number(counters.delayedMessageCount),
      stored: Number(counters.storedMessageCount),
      storedBytes: Number(counters.storedBytes),
      sent: Number(counters.sentCount),
      received: Number(counters.receivedCount),
      deleted: Number(counters.deletedCount),
      expired: Number(counters.expiredCount),
      purged: Number(counters.purgedCount),
      deduplicated: Number(counters.deduplicatedCount),
      deadLettered: Number(counters.deadLetteredCount),
      moved: Number(counters.movedCount),
      arrived: Number(counters.arrivedCount),
      groupsInFlight: Number(counters.groupsInFlightCount),
    };
    const came = numbers.sent + numbers.arrived;
    const went =
      numbers.deleted + numbers.expired + numbers.purged + numbers.deadLettered + numbers.moved;
    const isSound =
      numbers.visible + numbers.inFlight + numbers.delayed === numbers.stored &&
      numbers.stored === came - went;
    if (!isSound) throw new Error(`Counters contradict each other: ${JSON.stringify(numbers)}`);
    return numbers;
  }

  /** The bodies of the visible messages in the order in which receives return them; asked of a copy, so nothing changes. */
  async order(): Promise<string[]> {
    await this.settle();
    const { server, client } = await this.#serve(this.#copyFiles());
    const order: string[] = [];
    for (;;) {
      const answer = await client.call("receiveMessage", this.receiveRequest({ max: 10 }));
      if (answer.messages.length === 0) break;
      order.push(...bodiesOf(answer.messages.map(receivedOf)));
    }
    client.close();
    await this.#stopServer(server);
    return order;
  }

  /** What a peek shows, each as `state body xcount`. */
  async peek(request: Omit<RequestPart<"peekMessages">, "queue"> = {}): Promise<string[]> {
    const { messages } = await this.call("peekMessages", { queue: this.queue, ...request });
    return messages.map(
      ({ state, body, systemAttributes }) =>
        `${stateNames[state] ?? "?"} ${textOf(body)} x${systemAttributes?.receiveCount ?? 0}`,
    );
  }

  produce(): ProduceCall {
    return this.client.produce();
  }

  consume(): ConsumeCall {
    return this.client.consume();
  }

  /** How many calls of a method ended with a code, as the server's metrics count them. */
  async callCount(method: string, code: string): Promise<number> {
    const { host, port } = this.server.managementAddress;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const line = new RegExp(`^forebay_rpc_requests_total\\{[^}]*method="${method}",code="${code}"`);
    return text
      .split("\n")
      .filter((each) => line.test(each))
      .reduce((sum, each) => sum + Number(each.split(" ").at(-1)), 0);
  }

  // --- life ---------------------------------------------------------------------------------------------------------------

  /** Stops the server cleanly; calls under way are answered as a drain answers them. */
  async stop(): Promise<void> {
    await this.#stopServer(this.server);
  }

  async #stopServer(server: RunningServer): Promise<void> {
    let isStopped = false;
    const stopped = server.stop().finally(() => {
      isStopped = true;
    });
    // The drain's own bound is a timer of the clock: it must pass for calls that hang.
    for (let round = 0; !isStopped && this.#clock !== undefined; round += 1) {
      await turns();
      if (round > 200) await this.#clock.skip(1_000);
      await new Promise<void>((resolve) => {
        setTimeout(resolve, round > 20 ? 5 : 0);
      });
    }
    await stopped;
    await this.#checkFiles(server);
  }

  /** What a server leaves must not contradict itself. */
  async #checkFiles(server: RunningServer): Promise<void> {
    const directory = this.#servers.get(server);
    if (directory === undefined || this.#isDamaged || this.#checked.has(server)) return;
    this.#checked.add(server);
    if (statSync(join(directory, "data.mdb")).size > checkedBytesMax) return;
    const store = openTestStore(directory, { isReadOnly: true });
    try {
      const report = await checkStore(store);
      if (report.contradictionCount > 0) this.#contradictions.push(renderCheckReport(report));
    } finally {
      await store.close();
    }
  }

  /** Stops cleanly and starts again on the same directory, with other settings if given. */
  async restart(config: Partial<Config> = {}): Promise<void> {
    await this.settle();
    this.client.close();
    await this.stop();
    Object.assign(this.#config, config);
    await this.start();
  }

  /** Where the server keeps its files. */
  get directory(): string {
    return this.#directory;
  }

  /** Changes one byte on disk, behind the back of a server that is stopped meanwhile: the last one of the text, everywhere. */
  async corrupt(text: string): Promise<void> {
    this.expectContradictions();
    this.client.close();
    await this.stop();
    const path = join(this.#directory, "data.mdb");
    const bytes = readFileSync(path);
    let count = 0;
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
      const last = at + Buffer.byteLength(text) - 1;
      bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
      count += 1;
    }
    if (count === 0) throw new Error(`"${text}" is not on disk.`);
    writeFileSync(path, bytes);
    await this.start();
  }

  /**
   * Goes on as after a crash at this instant: a new server over a copy of the files as they are on disk now, with nothing
   * drained and nothing of the old process's memory. (Child processes are killed for real in the tests of durability.)
   */
  async crash(): Promise<void> {
    await this.settle();
    this.#directory = this.#copyFiles();
    await this.start();
  }

  /** The files as they are on disk; whole only when nothing is being written. */
  #copyFiles(): string {
    const copy = this.#newDirectory();
    copyFileSync(join(this.#directory, "data.mdb"), join(copy, "data.mdb"));
    return copy;
  }

  async finish(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const server of this.#servers.keys()) await this.#stopServer(server);
    rmSync(this.#root, { recursive: true, force: true });
    const [failure] = this.#failures;
    if (failure !== undefined && !this.#areErrorsExpected) throw failure;
    if (this.#contradictions.length > 0) throw new Error(this.#contradictions.join("\n"));
    const errors = this.logged.filter(({ level }) => level === "error" || level === "fatal");
    if (errors.length > 0 && !this.#areErrorsExpected) {
      throw new Error(`The server logged ${errors.length} error(s): ${describeLine(errors[0])}`);
    }
  }
}

/** A receive that is under way. */
export class Poll {
  /** The messages; rejects as the call does. */
  readonly answer: Promise<Received[]>;
  isAnswered = false;
  /** Server time at the answer. */
  answeredAt: number | undefined;
  readonly #cancel = new AbortController();

  constructor(receive: (signal: AbortSignal) => Promise<Received[]>, now: () => number) {
    this.answer = receive(this.#cancel.signal).finally(() => {
      this.isAnswered = true;
      this.answeredAt = now();
    });
    // A poll that nobody awaits may be cancelled at the end of the test.
    this.answer.catch(() => undefined);
  }

  cancel(): void {
    this.#cancel.abort();
  }
}

function entryOf(body: string | Uint8Array, options: SendOptions) {
  return {
    body:
      typeof body === "string"
        ? ({ $case: "text", value: body } as const)
        : ({ $case: "data", value: body } as const),
    delay: optionalDuration(options.delayMs),
    attributes: attributesOf(options.attributes),
    systemAttributes:
      options.traceHeader === undefined ? undefined : { traceHeader: options.traceHeader },
    groupId: options.groupId ?? "",
    dedupId: options.dedupId ?? "",
    priority: options.priority,
    timeToLive: optionalDuration(options.timeToLiveMs),
    deliverTime: optionalDuration(options.deliverAt),
  };
}

const textOf = (body: Message["body"]): string =>
  body === undefined
    ? ""
    : body.$case === "text"
      ? body.value
      : Buffer.from(body.value).toString("latin1");

export const receivedOf = (message: Message): Received => ({
  id: message.messageId,
  handle: message.receiptHandle,
  body: textOf(message.body),
  receiveCount: message.systemAttributes?.receiveCount ?? 0,
  message,
});

const outcomeNames: Partial<Record<DeleteOutcome, "DELETED" | "ALREADY_GONE">> = {
  [DeleteOutcome.DELETED]: "DELETED",
  [DeleteOutcome.ALREADY_GONE]: "ALREADY_GONE",
};

const taskStatusNames: Partial<Record<MoveTaskStatus, ListedTask["status"]>> = {
  [MoveTaskStatus.RUNNING]: "RUNNING",
  [MoveTaskStatus.COMPLETED]: "COMPLETED",
  [MoveTaskStatus.CANCELLING]: "CANCELLING",
  [MoveTaskStatus.CANCELLED]: "CANCELLED",
  [MoveTaskStatus.FAILED]: "FAILED",
};

const stateNames: Partial<Record<MessageState, string>> = {
  [MessageState.VISIBLE]: "visible",
  [MessageState.IN_FLIGHT]: "in flight",
  [MessageState.DELAYED]: "delayed",
};

function describeLine(line: LogLine | undefined): string {
  const { err } = (line?.fields ?? {}) as { err?: Error };
  return `${line?.message} ${JSON.stringify(line?.fields)} ${err?.stack ?? ""}`;
}

/** Turns of the event loop: sockets of this process that are ready get their turn, and ever other moments are reached. */
export async function turns(count = 4): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
