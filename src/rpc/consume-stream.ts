// Consume: messages as they come, within the credits granted, leased for as long as the stream lives.
//
// The stream has one receive under way at a time, in line with everybody else who waits for the queue. Leases are renewed
// by the server; acks, nacks and rejects are answered in order once durable. However the stream ends, what it holds is
// visible again at once. It never touches the lease of a message that somebody else has received since.

import { status } from "@grpc/grpc-js";
import {
  type DurationMs,
  type EpochMs,
  milliseconds,
  type Namespace,
  seconds,
} from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { Engine, Wait } from "../engine/engine.js";
import { DeleteOutcome } from "../gen/forebay/queue/v1/message.js";
import type {
  ConsumeAck,
  ConsumeCredit,
  ConsumeNack,
  ConsumeReject,
  ConsumeRequest,
  ConsumeResponse,
  ConsumeResult,
  ConsumeStart,
} from "../gen/forebay/queue/v1/queue_service.js";
import { type ChangeVisibility, decideChangeVisibility } from "../queue/change-visibility.js";
import { decideDeleteMessages } from "../queue/delete-messages.js";
import { limits } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { Receipt, ReceiptCodec } from "../queue/receipt.js";
import type { MessagesReceived } from "../queue/receive-messages.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { CallContext, MessageStream, StreamHandler } from "./call.js";
import { OrderedResults } from "./ordered-results.js";
import { parseAddress } from "./parse-queue.js";
import { shuttingDown } from "./produce-stream.js";
import { type ReceiveOutcome, receiveCommand, undoReceive } from "./receive.js";
import { parseSelection, renderReceived, type Selection, timestamp } from "./render.js";
import { statusOf, WireFault } from "./status-details.js";
import { parseDuration, Violations } from "./violations.js";
import { faultOf, translateFault } from "./wire-errors.js";

export interface ConsumeParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly namespace: Namespace;
  readonly receipts: ReceiptCodec;
  readonly draining: AbortSignal;
}

type Stream = MessageStream<ConsumeRequest, ConsumeResponse>;

/** A message this stream holds. */
interface Held {
  readonly receipt: Receipt;
  readonly leasedAt: EpochMs;
}

/** Everything known once `start` was read. */
interface Started {
  readonly address: QueueAddress;
  readonly timeoutMs: DurationMs | undefined;
  readonly selection: Selection;
}

/** Bytes of messages in one response: small enough that a slow reader holds little memory. */
const responseBytesMax = 1_048_576;
/** A receive under way is asked again after this; it ends earlier with the stream. */
const receiveWaitMs = 3_600_000;
/** Leases are renewed when a third has passed, so two renewals may fail before one ends. */
const renewalsPerLease = 3;
const timeoutMsMin = seconds(1);
/** Handles of acks, nacks and rejects that may wait for the disk before the stream is not read from. */
const waitingHandlesMax = 10_000;

export function createConsumeHandler(
  parts: ConsumeParts,
): StreamHandler<ConsumeRequest, ConsumeResponse> {
  return (stream, context) => {
    new ConsumeStream(parts, stream, context).begin();
  };
}

class ConsumeStream {
  readonly #parts: ConsumeParts;
  readonly #stream: Stream;
  readonly #context: CallContext;
  readonly #results: OrderedResults<ConsumeResult>;
  readonly #held = new Map<string, Held>();
  #started: Started | undefined;
  #creditMessages = 0;
  #creditBytes = 0;
  #receive: Wait<ReceiveOutcome, QueueRejection> | undefined;
  #renewal: Timer | undefined;
  #renewMs = 0;
  #renewAtMs = 0;
  #waitingHandles = 0;
  #isPaused = false;
  #isWritable = true;
  #isOver = false;

  constructor(parts: ConsumeParts, stream: Stream, context: CallContext) {
    this.#parts = parts;
    this.#stream = stream;
    this.#context = context;
    this.#results = new OrderedResults(limits.consumeHandlesMax, (results) => {
      this.#write({ response: { $case: "results", value: { results: [...results] } } });
    });
  }

  begin(): void {
    const { draining } = this.#parts;
    if (draining.aborted) {
      this.#stream.fail(shuttingDown());
      return;
    }
    const drain = (): void => this.#closeWith(shuttingDown());
    draining.addEventListener("abort", drain, { once: true });
    this.#context.onCancelled(() => {
      draining.removeEventListener("abort", drain);
      this.#release();
    });
    this.#stream.onRequestsEnd(() => {
      draining.removeEventListener("abort", drain);
      if (this.#isOver) return;
      this.#release();
      this.#results.whenIdle(() => this.#stream.end());
    });
    this.#stream.onRequest((request) => this.#take(request));
  }

  #closeWith(fault: WireFault): void {
    if (this.#isOver) return;
    this.#release();
    this.#results.whenIdle(() => this.#stream.fail(fault));
  }

  #take({ request }: ConsumeRequest): void {
    if (this.#isOver) return;
    if (this.#started === undefined) {
      if (request?.$case === "start") this.#start(request.value);
      else this.#refuse("start", "the first request of a stream is `start`");
      return;
    }
    switch (request?.$case) {
      case "credit":
        this.#grant(request.value);
        return;
      case "ack":
        this.#ack(request.value);
        return;
      case "nack":
        this.#nack(request.value);
        return;
      case "reject":
        this.#reject(request.value);
        return;
      case "start":
        this.#refuse("start", "a stream is started once; open another for another queue");
        return;
      case undefined:
        this.#refuse("request", "one of start, credit, ack, nack or reject is needed");
        return;
    }
  }

  #refuse(field: string, description: string): void {
    const violations = new Violations();
    violations.add("INVALID_PARAMETER", field, description);
    this.#closeWith(violations.fault() as WireFault);
  }

  /** True when there was nothing wrong. */
  #check(violations: Violations): boolean {
    const fault = violations.fault();
    if (fault !== undefined) this.#closeWith(fault);
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
    if (!this.#check(violations)) return;
    this.#started = {
      address,
      timeoutMs,
      selection: parseSelection(start.systemAttributeNames, start.messageAttributeNames),
    };
    const hasDefaultBytes = credit.bytes === 0n && credit.messages > 0;
    this.#addCredit(
      credit.messages,
      hasDefaultBytes ? limits.consumeCreditBytesDefault : Number(credit.bytes),
    );
    this.#pump();
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
    if (started === undefined || this.#isOver || this.#receive !== undefined || !this.#isWritable)
      return;
    if (this.#creditMessages <= 0 || this.#creditBytes <= 0) return;
    const receive = this.#parts.engine.executeOrWait(
      receiveCommand({
        address: started.address,
        countMax: Math.min(this.#creditMessages, limits.consumeBatchMax),
        bytesMax: Math.min(this.#creditBytes, responseBytesMax),
        visibilityTimeoutMs: started.timeoutMs,
        // A stream's lease must last until its first renewal, whatever the queue's default.
        visibilityTimeoutMsMin: timeoutMsMin,
        waitMs: receiveWaitMs,
        endsBy: undefined,
        identity: undefined,
        unsupportedField: undefined,
      }),
    );
    this.#receive = receive;
    receive.decision.then(
      (decision) => {
        this.#receive = undefined;
        if (decision.kind === "rejected") {
          this.#closeWith(faultOf(decision.rejection));
          return;
        }
        const received = decision.outcome.outcome;
        if (received !== undefined && received.messages.length > 0)
          this.#deliver(started, received);
        this.#pump();
      },
      (error: unknown) => {
        this.#receive = undefined;
        this.#retryOrFail(error);
      },
    );
  }

  /** The engine's bound passes; anything else ends the stream. */
  #retryOrFail(error: unknown): void {
    if (this.#isOver) return;
    const fault = translateFault(error);
    if (fault?.reason === "COMMIT_BACKLOG") {
      this.#parts.clock.setTimer(Number(fault.fields.retryAfterMs ?? 200), () => this.#pump());
    } else if (fault !== undefined) this.#closeWith(fault);
    else {
      this.#release();
      this.#stream.fail(error);
    }
  }

  #deliver(started: Started, received: MessagesReceived): void {
    if (this.#isOver || this.#context.isCancelled) {
      undoReceive(this.#parts.engine, started.address, received).catch(() => {
        // Nobody is left to tell, as in `#release`.
      });
      return;
    }
    const { queue, messages } = received;
    const rendered = messages.map((message) => {
      const wire = renderReceived(message, queue, started.selection, this.#parts.receipts);
      const { delivery } = message;
      if (delivery.state.kind === "leased") {
        this.#held.set(wire.receiptHandle, {
          receipt: {
            queue: queue.number,
            segment: queue.segment,
            sequence: delivery.sequence,
            ordinal: delivery.ordinal,
          },
          leasedAt: delivery.state.leasedAt,
        });
        this.#scheduleRenewal(delivery.state.until - delivery.state.leasedAt);
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
    void this.#stream.drained().then(() => {
      this.#isWritable = true;
      this.#pump();
    });
  }

  /** Renews in time for a lease of this length, given now: the earlier of this and what is scheduled already. */
  #scheduleRenewal(leaseMs: number): void {
    const { clock } = this.#parts;
    this.#renewMs = leaseMs / renewalsPerLease;
    const renewAtMs = clock.monotonicMs() + this.#renewMs;
    if (this.#renewal !== undefined && this.#renewAtMs <= renewAtMs) return;
    this.#renewal?.cancel();
    this.#renewAtMs = renewAtMs;
    this.#renewal = clock.setTimer(this.#renewMs, () => {
      this.#renewal = undefined;
      void this.#renew();
    });
  }

  /** Extends every lease held to its full length again, as far as the 12 h allow. */
  async #renew(): Promise<void> {
    const started = this.#started;
    if (this.#isOver || started === undefined || this.#held.size === 0) return;
    const now = this.#parts.engine.now;
    const leaseMs = this.#renewMs * renewalsPerLease;
    const entries = [...this.#held];
    this.#scheduleRenewal(leaseMs);
    for (let from = 0; from < entries.length; from += limits.settleMax) {
      const slice = entries.slice(from, from + limits.settleMax);
      try {
        await this.#renewSome(started, slice, leaseMs, now);
      } catch (error) {
        // A renewal that finds the engine busy is tried again with the next; a lease has three.
        if (translateFault(error) === undefined) this.#stream.fail(error);
        return;
      }
    }
  }

  async #renewSome(
    started: Started,
    slice: readonly (readonly [string, Held])[],
    leaseMs: number,
    now: EpochMs,
  ): Promise<void> {
    const decision = await this.#change({
      address: started.address,
      entries: slice.map(([, { receipt, leasedAt }]) => ({
        receipt,
        timeoutMs: milliseconds(
          Math.max(0, Math.min(leaseMs, leasedAt + limits.leaseMsMax - now - clockSlackMs)),
        ),
      })),
    });
    const lost = slice
      .filter((_, index) => decision[index]?.kind === "refused")
      .map(([handle]) => handle)
      // Acked while the renewal was under way: not lost.
      .filter((handle) => this.#held.delete(handle));
    if (lost.length > 0 && !this.#isOver) {
      this.#write({ response: { $case: "lost", value: { receiptHandles: lost } } });
    }
  }

  async #change(command: Omit<ChangeVisibility, "isOwnLeaseOnly">, isOwed = false) {
    const decision = await this.#parts.engine.execute({
      name: "ConsumeVisibility",
      bytes: 128 * command.entries.length,
      isGrowing: false,
      isOwed,
      decide: (transaction, stamp) =>
        decideChangeVisibility(transaction, { ...command, isOwnLeaseOnly: true }, stamp),
    });
    if (decision.kind === "rejected") throw faultOf(decision.rejection);
    return decision.outcome;
  }

  #ack({ receiptHandles }: ConsumeAck): void {
    if (!this.#checkHandles("ack.receipt_handles", receiptHandles)) return;
    const started = this.#started as Started;
    const decide = async (): Promise<ConsumeResult[]> => {
      const decision = await this.#parts.engine.execute({
        name: "ConsumeAck",
        bytes: 128 * receiptHandles.length,
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideDeleteMessages(
            transaction,
            {
              address: started.address,
              receipts: receiptHandles.map((handle) => this.#parts.receipts.decode(handle)),
            },
            stamp,
          ),
      });
      if (decision.kind === "rejected") throw faultOf(decision.rejection);
      return decision.outcome.map((result, index): ConsumeResult => {
        const receiptHandle = receiptHandles[index] ?? "";
        if (result.kind === "refused")
          return refusedResult(receiptHandle, faultOf(result.rejection));
        return {
          receiptHandle,
          result: {
            $case: "deleted",
            value: result.kind === "deleted" ? DeleteOutcome.DELETED : DeleteOutcome.ALREADY_GONE,
          },
        };
      });
    };
    this.#answer(receiptHandles, decide);
  }

  #nack({ receiptHandles, delay }: ConsumeNack): void {
    const violations = new Violations();
    const timeoutMs = parseDelay(violations, "nack.delay", delay);
    if (!this.#check(violations) || !this.#checkHandles("nack.receipt_handles", receiptHandles))
      return;
    this.#answer(receiptHandles, () => this.#giveBack(receiptHandles, timeoutMs, undefined));
  }

  #reject({ receiptHandles, reason, error, delay }: ConsumeReject): void {
    const violations = new Violations();
    const timeoutMs = parseDelay(violations, "reject.delay", delay);
    if (reason === "") violations.add("MISSING_PARAMETER", "reject.reason", "a reason is needed");
    if (reason.length > limits.rejectReasonCharactersMax) {
      violations.add(
        "INVALID_PARAMETER",
        "reject.reason",
        `must have 1 to ${limits.rejectReasonCharactersMax} characters`,
      );
    }
    if (Buffer.byteLength(error) > limits.rejectErrorBytesMax) {
      violations.add(
        "INVALID_PARAMETER",
        "reject.error",
        `must have at most ${limits.rejectErrorBytesMax} bytes`,
      );
    }
    if (!this.#check(violations) || !this.#checkHandles("reject.receipt_handles", receiptHandles))
      return;
    this.#answer(receiptHandles, () =>
      this.#giveBack(receiptHandles, timeoutMs, { reason, error }),
    );
  }

  async #giveBack(
    handles: readonly string[],
    timeoutMs: DurationMs,
    rejected: ChangeVisibility["rejected"],
  ): Promise<ConsumeResult[]> {
    const results = await this.#change({
      address: (this.#started as Started).address,
      entries: handles.map((handle) => ({
        receipt: this.#parts.receipts.decode(handle),
        timeoutMs,
      })),
      ...(rejected !== undefined && { rejected }),
    });
    return results.map((result, index): ConsumeResult => {
      const receiptHandle = handles[index] ?? "";
      return result.kind === "refused"
        ? refusedResult(receiptHandle, faultOf(result.rejection))
        : { receiptHandle, result: { $case: "visibleTime", value: timestamp(result.visibleAt) } };
    });
  }

  #checkHandles(field: string, handles: readonly string[]): boolean {
    const violations = new Violations();
    if (handles.length === 0)
      violations.add("MISSING_PARAMETER", field, "at least one handle is needed");
    if (handles.length > limits.consumeHandlesMax) {
      violations.add(
        "INVALID_PARAMETER",
        field,
        `at most ${limits.consumeHandlesMax} handles, not ${handles.length}`,
      );
    }
    return this.#check(violations);
  }

  /** Runs what was asked for these handles and answers in order. From the asking on, the stream no longer holds them. */
  #answer(handles: readonly string[], decide: () => Promise<ConsumeResult[]>): void {
    for (const handle of handles) this.#held.delete(handle);
    const fill = this.#results.reserve();
    this.#waitingHandles += handles.length;
    if (this.#waitingHandles > waitingHandlesMax && !this.#isPaused) {
      this.#isPaused = true;
      this.#stream.pauseRequests();
    }
    const settle = (results: readonly ConsumeResult[]): void => {
      this.#waitingHandles -= handles.length;
      fill(results);
      if (this.#isPaused && this.#waitingHandles < waitingHandlesMax / 2) {
        this.#isPaused = false;
        this.#stream.resumeRequests();
      }
    };
    decide().then(settle, (error: unknown) => {
      const fault = error instanceof WireFault ? error : translateFault(error);
      if (fault === undefined) {
        settle([]);
        this.#stream.fail(error);
        return;
      }
      if (fault.code === status.NOT_FOUND) {
        settle([]);
        this.#closeWith(fault);
        return;
      }
      settle(handles.map((handle) => refusedResult(handle, fault)));
    });
  }

  /** Takes no more and gives back what is held. */
  #release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#renewal?.cancel();
    this.#receive?.cancel();
    const held = [...this.#held.values()];
    this.#held.clear();
    const started = this.#started;
    if (started === undefined) return;
    for (let from = 0; from < held.length; from += limits.settleMax) {
      const entries = held
        .slice(from, from + limits.settleMax)
        .map(({ receipt }) => ({ receipt, timeoutMs: milliseconds(0) }));
      // Nobody is left to tell. If the queue is gone there is nothing to give back; if the store failed, the process ends.
      this.#change({ address: started.address, entries }, true).catch(() => undefined);
    }
  }
}

/** A renewal is decided a little after its length is computed; the 12 h must not be passed by that. */
const clockSlackMs = 100;

const refusedResult = (receiptHandle: string, fault: WireFault): ConsumeResult => ({
  receiptHandle,
  result: { $case: "error", value: statusOf(fault) },
});

const parseDelay = (
  violations: Violations,
  field: string,
  delay: ConsumeNack["delay"],
): DurationMs =>
  parseDuration(violations, field, delay, { minMs: 0, maxMs: limits.visibilityTimeoutMsMax }) ??
  milliseconds(0);

function checkCredit(
  violations: Violations,
  field: string,
  { messages, bytes }: ConsumeCredit,
): void {
  if (messages < 0 || messages > limits.consumeCreditMessagesMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.messages`,
      `must be from 0 to ${limits.consumeCreditMessagesMax}, not ${messages}`,
    );
  }
  if (bytes < 0n || bytes > BigInt(limits.consumeCreditBytesMax)) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.bytes`,
      `must be from 0 to ${limits.consumeCreditBytesMax}, not ${bytes}`,
    );
  }
}
