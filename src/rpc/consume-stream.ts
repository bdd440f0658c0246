// Consume: messages as they come, within the credits granted, leased for as long as the stream lives.
//
// The stream has one receive under way at a time, in line with everybody else who waits for the queue. Leases are renewed
// by the server (held-leases.ts); acks, nacks and rejects are answered in order once durable. However the stream ends, what
// it holds is visible again at once, unless its caller asked that it be kept over an end that the server makes. Renewals,
// nacks, rejects and giving back touch a lease only while it is the newest of its message. An ack is a delete: by the queue's
// receipt policy LENIENT it also removes what somebody else has received since.
//
// A leader that dies gives nothing back, as its leases are rows of the log. The caller opens another stream and has it hold what
// he still has: those leases are then the stream's as if it had received them.
//
// Memory is bounded by reading: no request is read while the caller does not read its answers, nor while many wait for the
// disk.

import { status } from "@grpc/grpc-js";
import { type DurationMs, type Namespace, seconds } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { Wait } from "../engine/engine.js";
import type {
  ConsumeAck,
  ConsumeCredit,
  ConsumeHold,
  ConsumeNack,
  ConsumeReject,
  ConsumeRequest,
  ConsumeResponse,
  ConsumeResult,
  ConsumeStart,
} from "../gen/forebay/queue/v1/queue_service.js";
import { decideGiveBack } from "../queue/change-visibility.js";
import { decideDeleteMessages } from "../queue/delete-messages.js";
import { decideHoldLeases, type HoldResult } from "../queue/hold-leases.js";
import { limits } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { MessagesReceived } from "../queue/received.js";
import type { QueueRejection } from "../queue/rejections.js";
import { BoundQueue } from "./bound-queue.js";
import type { CallContext, MessageStream, StreamHandler } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { checkCredit, checkHandles } from "./consume-checks.js";
import { refusedResult, renderDeleted, renderGivenBack, renderHeld } from "./consume-results.js";
import { type GiveBackHow, parseGiveBackDelay, parseReject } from "./give-back.js";
import { handleBytes } from "./handler-context.js";
import { HeldLeases, isGone, type Lease } from "./held-leases.js";
import { LeaseHolders } from "./lease-holders.js";
import { OrderedResults } from "./ordered-results.js";
import { parseAddress } from "./parse-queue.js";
import { shuttingDown } from "./produce-stream.js";
import { type ReceiveOutcome, undoReceive } from "./receive.js";
import { ReleaseLane } from "./release-lane.js";
import { checkSelection, parseSelection, renderReceived, type Selection } from "./render.js";
import type { WireFault } from "./status-details.js";
import { parseDuration, Violations } from "./violations.js";
import { faultOf, translateFault } from "./wire-errors.js";

export interface ConsumeParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  readonly namespace: Namespace;
  readonly receipts: ReceiptCodec;
  readonly draining: AbortSignal;
}

type Stream = MessageStream<ConsumeRequest, ConsumeResponse>;

/** Everything known once `start` was read and its queue found. */
interface Started {
  readonly queue: BoundQueue;
  readonly leases: HeldLeases;
  readonly timeoutMs: DurationMs | undefined;
  readonly selection: Selection;
  /** Whether what is held stays leased when the server ends the stream. */
  readonly keepsLeases: boolean;
}

/** What became of one handle. */
interface Answer {
  readonly result: ConsumeResult;
  /** True when the lease, if there was one, is as before. */
  readonly isLeft: boolean;
  /** What the stream holds from now on. */
  readonly held?: Lease;
}

/** What streams have in common. */
interface Shared {
  readonly lane: ReleaseLane;
  readonly holders: LeaseHolders;
}

/** Bytes of messages in one response: small enough that a slow reader holds little memory. */
const responseBytesMax = 1_048_576;
/** A receive under way is asked again after this; it ends earlier with the stream. */
const receiveWaitMs = 3_600_000;
const timeoutMsMin = seconds(1);
/** Handles of acks, nacks and rejects not yet answered beyond which the stream is not read from. */
const waitingHandlesMax = 10_000;
/** How long to wait for room in the engine, where it does not say. */
const retryMsDefault = 200;

export function createConsumeHandler(
  parts: ConsumeParts,
): StreamHandler<ConsumeRequest, ConsumeResponse> {
  const shared = { lane: new ReleaseLane(), holders: new LeaseHolders() };
  return (stream, context) => {
    new ConsumeStream(parts, shared, stream, context).begin();
  };
}

class ConsumeStream {
  readonly #parts: ConsumeParts;
  readonly #shared: Shared;
  readonly #stream: Stream;
  readonly #context: CallContext;
  readonly #results: OrderedResults<ConsumeResult>;
  /** The first request was read; its queue may still be looked for. */
  #isStarting = false;
  #started: Started | undefined;
  #creditMessages = 0;
  #creditBytes = 0;
  #receive: Wait<ReceiveOutcome, QueueRejection> | undefined;
  /** Resolves when what the last receive brought was sent or given back. */
  #receiveDone: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #waitingHandles = 0;
  /** Handles that this stream was asked to hold, ever. */
  #holdHandles = 0;
  #holdsUnderWay = 0;
  #isPaused = false;
  #isWritable = true;
  #isOver = false;

  constructor(parts: ConsumeParts, shared: Shared, stream: Stream, context: CallContext) {
    this.#parts = parts;
    this.#shared = shared;
    this.#stream = stream;
    this.#context = context;
    this.#results = new OrderedResults(limits.consumeHandlesMax, (results) => {
      this.#waitingHandles -= results.length;
      this.#write({ response: { $case: "results", value: { results: [...results] } } });
      this.#regulate();
    });
  }

  begin(): void {
    const { draining } = this.#parts;
    if (draining.aborted) {
      this.#stream.fail(shuttingDown());
      return;
    }
    const drain = (): void => this.#fail(shuttingDown());
    draining.addEventListener("abort", drain, { once: true });
    // Of every end: what the edge itself ends, as over bytes that are no request, comes here, too.
    this.#context.onCancelled(() => {
      draining.removeEventListener("abort", drain);
      this.#end();
    });
    this.#stream.onRequestsEnd(() => this.#end(() => this.#stream.end()));
    this.#stream.onRequest((request) => this.#take(request));
  }

  /** Ends the stream with a WireFault, or with a bug. */
  #fail(error: unknown): void {
    const isServers = translateFault(error)?.code === status.UNAVAILABLE;
    const isKept = isServers && this.#started?.keepsLeases === true;
    this.#end(() => this.#stream.fail(error), isKept);
  }

  /**
   * The one way out: takes no more, gives back what is held unless it is kept, and closes once that is durable and what was
   * asked before is answered. Without `close` the stream is closed already.
   */
  #end(close: () => void = () => undefined, isKept = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#retry?.cancel();
    this.#receive?.cancel();
    if (isKept) this.#started?.leases.keep();
    else this.#started?.leases.release();
    this.#results.whenIdle(() => {
      void Promise.all([this.#started?.leases.released(), this.#receiveDone]).then(close);
    });
  }

  #take({ request }: ConsumeRequest): void {
    if (this.#isOver) return;
    const started = this.#started;
    if (started === undefined) {
      if (request?.$case === "start") this.#start(request.value);
      else this.#refuse("start", "the first request of a stream is `start`");
      return;
    }
    switch (request?.$case) {
      case "credit":
        this.#grant(request.value);
        return;
      case "ack":
        this.#ack(started, request.value);
        return;
      case "nack":
        this.#nack(started, request.value);
        return;
      case "reject":
        this.#reject(started, request.value);
        return;
      case "hold":
        this.#hold(started, request.value);
        return;
      case "start":
        this.#refuse("start", "a stream is started once; open another for another queue");
        return;
      case undefined:
        this.#refuse("request", "one of start, credit, ack, nack, reject or hold is needed");
        return;
    }
  }

  #refuse(field: string, description: string): void {
    const violations = new Violations();
    violations.add("INVALID_PARAMETER", field, description);
    this.#fail(violations.fault());
  }

  /** True when there was nothing wrong. */
  #check(violations: Violations): boolean {
    const fault = violations.fault();
    if (fault !== undefined) this.#fail(fault);
    return fault === undefined;
  }

  #start(start: ConsumeStart): void {
    const violations = new Violations();
    const address = parseAddress(violations, start.queue, this.#parts.namespace, "start.queue");
    const timeoutMs = parseDuration(
      violations,
      "start.visibility_timeout",
      start.visibilityTimeout,
      {
        minMs: timeoutMsMin,
        maxMs: limits.visibilityTimeoutMsMax,
      },
    );
    const credit = start.credit ?? { messages: 0, bytes: 0n };
    checkCredit(violations, "start.credit", credit);
    checkSelection(violations, "start.", start);
    if (!this.#check(violations)) return;
    const selection = parseSelection(start.systemAttributeNames, start.messageAttributeNames);
    const hasDefaultBytes = credit.bytes === 0n && credit.messages > 0;
    this.#addCredit(
      credit.messages,
      hasDefaultBytes ? limits.consumeCreditBytesDefault : Number(credit.bytes),
    );
    this.#isStarting = true;
    this.#regulate();
    this.#findQueue(address, { timeoutMs, selection, keepsLeases: start.keepLeases });
  }

  #findQueue(address: QueueAddress, wishes: Omit<Started, "queue" | "leases">): void {
    BoundQueue.find(this.#parts.engine, address).then(
      (queue) => {
        this.#isStarting = false;
        if (this.#isOver) return;
        this.#started = { queue, leases: this.#holdLeases(queue), ...wishes };
        this.#regulate();
        this.#pump();
      },
      (error: unknown) => this.#retryOrFail(error, () => this.#findQueue(address, wishes)),
    );
  }

  #holdLeases(queue: BoundQueue): HeldLeases {
    const { engine, clock } = this.#parts;
    return new HeldLeases({
      engine,
      clock,
      queue,
      ...this.#shared,
      lost: (receiptHandles) =>
        this.#write({
          response: { $case: "lost", value: { receiptHandles: [...receiptHandles] } },
        }),
      failed: (error) => this.#fail(error),
    });
  }

  #grant(credit: ConsumeCredit): void {
    const violations = new Violations();
    checkCredit(violations, "credit", credit);
    if (!this.#check(violations)) return;
    this.#addCredit(credit.messages, Number(credit.bytes));
    this.#pump();
  }

  #addCredit(messages: number, bytes: number): void {
    this.#creditMessages = Math.min(
      this.#creditMessages + messages,
      limits.consumeCreditMessagesMax,
    );
    this.#creditBytes = Math.min(this.#creditBytes + bytes, limits.consumeCreditBytesMax);
  }

  /** Asks for messages, if there is credit, the caller reads, and nothing is asked yet. */
  #pump(): void {
    const started = this.#started;
    if (started === undefined || this.#isOver || !this.#isWritable) return;
    if (this.#receive !== undefined || this.#retry !== undefined) return;
    if (this.#creditMessages <= 0 || this.#creditBytes <= 0) return;
    const receive = this.#parts.engine.executeOrWait(
      started.queue.receiveCommand({
        countMax: Math.min(this.#creditMessages, limits.consumeBatchMax),
        bytesMax: Math.min(this.#creditBytes, responseBytesMax),
        visibilityTimeoutMs: started.timeoutMs,
        // A stream's lease must last until its first renewal, whatever the queue's default.
        visibilityTimeoutMsMin: timeoutMsMin,
        waitMs: receiveWaitMs,
        endsBy: undefined,
        identity: undefined,
        attemptId: undefined,
      }),
    );
    this.#receive = receive;
    this.#receiveDone = receive.decision
      .then(
        async (decision) => {
          this.#receive = undefined;
          if (decision.kind === "rejected") {
            this.#fail(faultOf(decision.rejection));
            return;
          }
          const received = decision.outcome.outcome;
          if (received !== undefined && received.messages.length > 0) {
            // Begun in this very turn: an engine that is stopping waits for what a reply sets off, not for more.
            await this.#deliver(started, received);
          }
          this.#pump();
        },
        (error: unknown) => {
          this.#receive = undefined;
          this.#retryOrFail(error, () => this.#pump());
        },
      )
      .catch((error: unknown) => this.#fail(error));
  }

  /** A bound of the engine's passes; anything else ends the stream. */
  #retryOrFail(error: unknown, retry: () => void): void {
    if (this.#isOver) return;
    const fault = translateFault(error);
    if (fault?.code !== status.RESOURCE_EXHAUSTED) {
      this.#fail(error);
      return;
    }
    this.#retry = this.#parts.clock.setTimer(retryMsOf(fault), () => {
      this.#retry = undefined;
      retry();
    });
  }

  /** Sends what was received, or undoes the receive. */
  async #deliver(started: Started, received: MessagesReceived): Promise<void> {
    if (this.#isOver || this.#context.isCancelled) {
      // If this is refused nobody is left to tell, and the leases end by themselves.
      await undoReceive(this.#parts.engine, started.queue.address, received).catch(() => undefined);
      return;
    }
    const { queue, messages } = received;
    const rendered = messages.map((message) => {
      const wire = renderReceived(message, queue, started.selection, this.#parts.receipts);
      const { sequence, ordinal, state } = message.delivery;
      if (state.kind === "leased") {
        const { until, leasedAt } = state;
        const receipt = { queue: queue.number, segment: queue.segment, sequence, ordinal };
        const orderedGroup = queue.isFifo ? message.delivery.groupId : undefined;
        const leaseMs = until - leasedAt;
        started.leases.hold(wire.receiptHandle, { receipt, leasedAt, leaseMs, orderedGroup });
      }
      this.#creditMessages -= 1;
      this.#creditBytes -= message.message.sizeBytes;
      return wire;
    });
    this.#write({ response: { $case: "messages", value: { messages: rendered } } });
  }

  #write(response: ConsumeResponse): void {
    if (this.#stream.write(response) || !this.#isWritable) return;
    this.#isWritable = false;
    this.#regulate();
    void this.#stream.drained().then(() => {
      this.#isWritable = true;
      this.#regulate();
      this.#pump();
    });
  }

  /** Stops reading while requests could not be answered, and goes on once they can. */
  #regulate(): void {
    if (this.#isOver) return;
    const isHeldUp = this.#isStarting || this.#holdsUnderWay > 0 || !this.#isWritable;
    if (!this.#isPaused && (isHeldUp || this.#waitingHandles > waitingHandlesMax)) {
      this.#isPaused = true;
      this.#stream.pauseRequests();
    } else if (this.#isPaused && !isHeldUp && this.#waitingHandles < waitingHandlesMax / 2) {
      this.#isPaused = false;
      this.#stream.resumeRequests();
    }
  }

  #ack({ queue, leases }: Started, { receiptHandles }: ConsumeAck): void {
    if (!this.#checkHandles("ack.receipt_handles", receiptHandles)) return;
    this.#answer(leases, receiptHandles, async () => {
      const results = await queue.run({
        name: "ConsumeAck",
        bytes: handleBytes * receiptHandles.length,
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideDeleteMessages(
            transaction,
            {
              address: queue.address,
              receipts: receiptHandles.map((handle) => this.#parts.receipts.decode(handle)),
            },
            stamp,
          ),
      });
      return results.map((result, index) => ({
        result: renderDeleted(receiptHandles[index] ?? "", result),
        isLeft: false,
      }));
    });
  }

  #nack(started: Started, { receiptHandles, delay }: ConsumeNack): void {
    const violations = new Violations();
    const delayMs = parseGiveBackDelay(violations, "nack.delay", delay);
    if (!this.#check(violations) || !this.#checkHandles("nack.receipt_handles", receiptHandles))
      return;
    this.#giveBack(started, receiptHandles, { delayMs, rejected: undefined, isDeadLetter: false });
  }

  #reject(started: Started, request: ConsumeReject): void {
    const { receiptHandles } = request;
    const violations = new Violations();
    const how = parseReject(violations, "reject.", request);
    if (!this.#check(violations) || !this.#checkHandles("reject.receipt_handles", receiptHandles))
      return;
    this.#giveBack(started, receiptHandles, how);
  }

  #giveBack({ queue, leases }: Started, handles: readonly string[], how: GiveBackHow): void {
    this.#answer(leases, handles, async () => {
      const followers = leases.followersOf(handles);
      const results = await queue.run({
        name: "ConsumeGiveBack",
        bytes: handleBytes * (handles.length + followers.length),
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideGiveBack(
            transaction,
            {
              address: queue.address,
              receipts: handles.map((handle) => this.#parts.receipts.decode(handle)),
              followers,
              ...how,
            },
            stamp,
          ),
      });
      leases.follow(followers.filter(({ index }) => results[index]?.kind === "changed"));
      return results.map((result, index) => ({
        result: renderGivenBack(handles[index] ?? "", result),
        isLeft: result.kind === "refused" && !isGone(result),
      }));
    });
  }

  #hold(started: Started, { receiptHandles }: ConsumeHold): void {
    const field = "hold.receipt_handles";
    if (!this.#checkHandles(field, receiptHandles)) return;
    this.#holdHandles += receiptHandles.length;
    if (this.#holdHandles > limits.consumeCreditMessagesMax) {
      this.#refuse(field, `a stream holds at most ${limits.consumeCreditMessagesMax} in this way`);
      return;
    }
    // From here on, lest the end of a stream that had them gives them back after all. What is refused is gone in any case.
    this.#shared.holders.takeOver(receiptHandles, started.leases);
    // A nack that follows must find what the stream holds, for the order of its group.
    this.#holdsUnderWay += 1;
    this.#answer(started.leases, receiptHandles, async () => {
      try {
        const results = await this.#onceThereIsRoom(() =>
          this.#decideHold(started, receiptHandles),
        );
        return results.map(
          (result, index): Answer => ({
            result: renderHeld(receiptHandles[index] ?? "", result),
            isLeft: !isGone(result),
            ...(result.kind === "held" && { held: result }),
          }),
        );
      } finally {
        this.#holdsUnderWay -= 1;
      }
    });
  }

  #decideHold(
    { queue, timeoutMs }: Started,
    handles: readonly string[],
  ): Promise<readonly HoldResult[]> {
    return queue.run({
      name: "ConsumeHold",
      bytes: handleBytes * handles.length,
      isGrowing: false,
      decide: (transaction, stamp) =>
        decideHoldLeases(
          transaction,
          {
            address: queue.address,
            receipts: handles.map((handle) => this.#parts.receipts.decode(handle)),
            timeoutMs,
            timeoutMsMin,
          },
          stamp,
        ),
    });
  }

  /**
   * A node that has just begun to lead is asked by everybody at once. Leases that it could not take over at the moment would be
   * nobody's, so that this waits; the stream is not read from meanwhile.
   */
  async #onceThereIsRoom<Outcome>(run: () => Promise<Outcome>): Promise<Outcome> {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        const fault = translateFault(error);
        // A full disk is another matter: the acks that make room again wait behind this.
        if (this.#isOver || fault?.reason !== "COMMIT_BACKLOG") throw error;
        await new Promise<void>((resolve) => {
          this.#parts.clock.setTimer(retryMsOf(fault), resolve);
        });
      }
    }
  }

  #checkHandles(field: string, handles: readonly string[]): boolean {
    const violations = new Violations();
    checkHandles(violations, field, handles);
    return this.#check(violations);
  }

  /** Runs what was asked for these handles and answers in order. */
  #answer(
    leases: HeldLeases,
    handles: readonly string[],
    decide: () => Promise<readonly Answer[]>,
  ): void {
    leases.ask(handles);
    const fill = this.#results.reserve();
    this.#waitingHandles += handles.length;
    this.#regulate();
    const settle = (answers: readonly Answer[]): void => {
      for (const { result, isLeft } of answers) leases.answered(result.receiptHandle, isLeft);
      for (const { result, held } of answers) {
        if (held !== undefined) leases.hold(result.receiptHandle, held);
      }
      fill(answers.map(({ result }) => result));
    };
    decide().then(settle, (error: unknown) => {
      const fault = translateFault(error);
      if (fault === undefined || fault.reason === "QUEUE_NOT_FOUND") {
        for (const handle of handles) leases.answered(handle, true);
        fill([]);
        this.#fail(error);
        return;
      }
      settle(handles.map((handle) => ({ result: refusedResult(handle, fault), isLeft: true })));
    });
  }
}

const retryMsOf = ({ fields }: WireFault): number => Number(fields.retryAfterMs ?? retryMsDefault);
