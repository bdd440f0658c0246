// Consume on a durable stream: messages within the credits granted, each the consumer's until it is acknowledged, given back or
// its deadline passes. Unlike a queue's stream nothing is renewed by itself: a consumer that hangs loses what it holds.
//
// The stream has one receive under way at a time, in line with the other consumers of the subscription. However it ends, what it
// holds is visible again at once. Memory is bounded by reading: no request is read while the consumer does not read its answers,
// nor while many handles wait for the disk.

import { status } from "@grpc/grpc-js";
import { type DurationMs, milliseconds, seconds } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import { effectiveDeliveryPolicy } from "../delivery/delivery-policy.js";
import type { Wait } from "../engine/engine.js";
import type {
  ConsumeAck,
  ConsumeExtend,
  ConsumeNack,
  ConsumeReject,
  ConsumeRequest,
  ConsumeResponse,
  ConsumeStart,
} from "../gen/forebay/topic/v1/topic_service.js";
import { decideChangeVisibility, decideGiveBack } from "../queue/change-visibility.js";
import { decideDeleteMessages } from "../queue/delete-messages.js";
import { limits } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { Receipt, ReceiptCodec } from "../queue/receipt.js";
import { decideUndoReceive } from "../queue/receive-messages.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import {
  decideFindStream,
  decideReceiveStream,
  decideRejectStream,
  type StreamReceived,
  type StreamRejection,
} from "../topic/stream-consume.js";
import { streamLimits } from "../topic/stream-limits.js";
import { addressOf } from "../topic/stream-queue.js";
import type { FoundSubscription } from "../topic/topic-name.js";
import type { StateTransaction } from "../topic/view.js";
import type { CallContext, MessageStream, StreamHandler } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, handleBytes } from "./handler-context.js";
import { OrderedResults } from "./ordered-results.js";
import { shuttingDown } from "./produce-stream.js";
import { ReleaseLane } from "./release-lane.js";
import { duration, timestamp } from "./render.js";
import type { TopicDecision } from "./topic-handler-context.js";
import { HeldMessages } from "./topic-held-messages.js";
import { parseSubscriptionId } from "./topic-names.js";
import { renderNotification } from "./topic-notification.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import { parseDuration, Violations } from "./violations.js";
import { translateFault } from "./wire-errors.js";

export interface TopicConsumeParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  readonly receipts: ReceiptCodec;
  readonly draining: AbortSignal;
}

type Stream = MessageStream<ConsumeRequest, ConsumeResponse>;

/** Known once `start` was read and its subscription found. */
interface Started {
  readonly id: Buffer;
  /** Of the queue behind the stream. */
  readonly address: QueueAddress;
  readonly number: Receipt["queue"];
  readonly held: HeldMessages;
}

/** What became of some handles alike. */
interface Result {
  readonly handles: readonly string[];
  /** Empty: it is done. */
  readonly reason: "" | "HANDLE_EXPIRED" | "HANDLE_INVALID";
}

type Decide<Outcome> = (
  transaction: StateTransaction,
  stamp: Stamp,
  receipts: readonly (Receipt | undefined)[],
) => TopicDecision<readonly Outcome[]>;

/** A receive under way is asked again after this; it ends earlier with the stream. */
const receiveWaitMs = 3_600_000;
const heartbeatMs = seconds(30);
/** Handles not yet answered beyond which the stream is not read from. */
const waitingHandlesMax = 10_000;

export function createTopicConsumeHandler(
  parts: TopicConsumeParts,
): StreamHandler<ConsumeRequest, ConsumeResponse> {
  const lane = new ReleaseLane();
  return (stream, context) => {
    new TopicConsumeStream(parts, lane, stream, context).begin();
  };
}

class TopicConsumeStream {
  readonly #parts: TopicConsumeParts;
  readonly #lane: ReleaseLane;
  readonly #stream: Stream;
  readonly #context: CallContext;
  readonly #results: OrderedResults<Result>;
  #isStarting = false;
  #started: Started | undefined;
  #credit = 0;
  #receive: Wait<StreamReceived | undefined, StreamRejection> | undefined;
  /** Resolves when what the last receive brought was sent or given back. */
  #receiveDone: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #heartbeat: Timer | undefined;
  #hasWritten = false;
  #waitingHandles = 0;
  #isPaused = false;
  #isWritable = true;
  #isOver = false;

  constructor(parts: TopicConsumeParts, lane: ReleaseLane, stream: Stream, context: CallContext) {
    this.#parts = parts;
    this.#lane = lane;
    this.#stream = stream;
    this.#context = context;
    this.#results = new OrderedResults(streamLimits.handlesMax, (results) => {
      for (const { handles, reason } of results) {
        this.#waitingHandles -= handles.length;
        const value = { handles: [...handles], isDone: reason === "", reason };
        this.#write({ item: { $case: "result", value } });
      }
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
    this.#context.onCancelled(() => {
      draining.removeEventListener("abort", drain);
      this.#end();
    });
    this.#stream.onRequestsEnd(() => this.#end(() => this.#stream.end()));
    this.#stream.onRequest((request) => this.#take(request));
  }

  /** Ends the stream with a WireFault, or with a bug. */
  #fail(error: unknown): void {
    this.#end(() => this.#stream.fail(error));
  }

  /** The one way out: gives back what is held, and closes once that is durable and what was asked before is answered. */
  #end(close: () => void = () => undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#retry?.cancel();
    this.#heartbeat?.cancel();
    this.#receive?.cancel();
    this.#started?.held.release();
    this.#results.whenIdle(() => {
      void Promise.all([this.#started?.held.released(), this.#receiveDone]).then(close);
    });
  }

  #take({ command }: ConsumeRequest): void {
    if (this.#isOver) return;
    const started = this.#started;
    if (started === undefined) {
      if (command?.$case === "start") this.#start(command.value);
      else this.#refuse("start", "the first command of a stream is `start`");
      return;
    }
    switch (command?.$case) {
      case "credit":
        this.#grant(command.value.messages);
        return;
      case "ack":
        this.#ack(started, command.value);
        return;
      case "nack":
        this.#nack(started, command.value);
        return;
      case "extend":
        this.#extend(started, command.value);
        return;
      case "reject":
        this.#reject(started, command.value);
        return;
      case "start":
        this.#refuse("start", "a stream is started once; open another for another subscription");
        return;
      case undefined:
        this.#refuse("command", "one of start, credit, ack, nack, extend or reject is needed");
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

  // --- messages -----------------------------------------------------------------------------------------------------------

  #start({ subscription, credit }: ConsumeStart): void {
    const violations = new Violations();
    const id = parseSubscriptionId(violations, subscription);
    checkCredit(violations, "start.credit", credit, 0);
    if (!this.#check(violations)) return;
    this.#credit = credit;
    this.#isStarting = true;
    this.#regulate();
    this.#find(id);
  }

  #find(id: Buffer): void {
    const find = this.#parts.engine.execute({
      name: "ConsumeStream",
      bytes: commandBytes,
      isGrowing: false,
      decide: (transaction) => decideFindStream(transaction, id),
    });
    find.then(
      (decision) => {
        if (this.#isOver) return;
        if (decision.kind === "rejected") {
          this.#fail(topicFaultOf(decision.rejection));
          return;
        }
        const { target, ackDeadlineMs } = decision.outcome;
        const address = addressOf(target, target.name);
        const { engine } = this.#parts;
        const held = new HeldMessages({ engine, address, lane: this.#lane });
        this.#isStarting = false;
        this.#started = { id, address, number: target.number, held };
        const ackDeadline = duration(ackDeadlineMs);
        this.#write({ item: { $case: "started", value: { ackDeadline } } });
        this.#scheduleHeartbeat();
        this.#regulate();
        this.#pump();
      },
      (error: unknown) => this.#retryOrFail(error, () => this.#find(id)),
    );
  }

  #grant(messages: number): void {
    const violations = new Violations();
    checkCredit(violations, "credit.messages", messages, 1);
    if (!this.#check(violations)) return;
    this.#credit = Math.min(this.#credit + messages, streamLimits.creditMax);
    this.#pump();
  }

  /** Asks for messages, if there is credit, the consumer reads, and nothing is asked yet. */
  #pump(): void {
    const started = this.#started;
    if (started === undefined || this.#isOver || !this.#isWritable || this.#credit <= 0) return;
    if (this.#receive !== undefined || this.#retry !== undefined) return;
    const { id, number } = started;
    const receive = this.#parts.engine.executeOrWait<StreamReceived | undefined, StreamRejection>({
      name: "ConsumeReceive",
      bytes: 256 * Math.min(this.#credit, streamLimits.receiveMessagesMax),
      isGrowing: false,
      locate: () => ({ kind: "accepted", outcome: { queue: number, waitMs: receiveWaitMs } }),
      decide: (transaction, stamp) =>
        decideReceiveStream(
          transaction,
          { id, number, countMax: this.#credit, attemptsMaxOf },
          stamp,
        ),
      empty: () => undefined,
    });
    this.#receive = receive;
    this.#receiveDone = receive.decision
      .then(
        async (decision) => {
          this.#receive = undefined;
          if (decision.kind === "rejected") {
            this.#fail(topicFaultOf(decision.rejection));
            return;
          }
          // Begun in this very turn: an engine that is stopping waits for what a reply sets off, not for more.
          if (decision.outcome !== undefined) await this.#deliver(started, decision.outcome);
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
    const retryMs = Number(fault.fields.retryAfterMs ?? 200);
    this.#retry = this.#parts.clock.setTimer(retryMs, () => {
      this.#retry = undefined;
      retry();
    });
  }

  /** Sends what was received, or undoes the receive. */
  async #deliver(
    { address, number, held }: Started,
    { topic, queue, messages }: StreamReceived,
  ): Promise<void> {
    if (this.#isOver || this.#context.isCancelled) {
      const received = messages.map((each) => each.received);
      const undo = this.#parts.engine.execute({
        name: "UndoReceive",
        bytes: 256 * messages.length,
        isGrowing: false,
        isOwed: true,
        decide: (transaction, stamp) =>
          decideUndoReceive(
            transaction,
            { address, number, messages: received, requestKey: undefined },
            stamp,
          ),
      });
      // If this is refused nobody is left to tell, and the leases end by themselves.
      await undo.catch(() => undefined);
      return;
    }
    for (const { received, message } of messages) {
      const { sequence, ordinal, state, receiveCount } = received.delivery;
      if (state.kind !== "leased") continue;
      const receipt = { queue: number, segment: queue.segment, sequence, ordinal };
      const handle = this.#parts.receipts.encode(receipt);
      held.hold(handle, { receipt, until: state.until });
      this.#credit -= 1;
      this.#write({
        item: {
          $case: "message",
          value: {
            handle,
            notification: renderNotification(topic, message),
            attempt: receiveCount,
            ackDeadlineTime: timestamp(state.until),
          },
        },
      });
    }
  }

  #write(response: ConsumeResponse): void {
    this.#hasWritten = true;
    if (this.#stream.write(response) || !this.#isWritable) return;
    this.#isWritable = false;
    this.#regulate();
    void this.#stream.drained().then(() => {
      this.#isWritable = true;
      this.#regulate();
      this.#pump();
    });
  }

  #scheduleHeartbeat(): void {
    this.#heartbeat = this.#parts.clock.setTimer(heartbeatMs, () => {
      if (!this.#hasWritten && this.#isWritable) {
        this.#write({ item: { $case: "heartbeat", value: {} } });
      }
      this.#hasWritten = false;
      if (!this.#isOver) this.#scheduleHeartbeat();
    });
  }

  /** Stops reading while commands could not be answered, and goes on once they can. */
  #regulate(): void {
    if (this.#isOver) return;
    const isHeldUp = this.#isStarting || !this.#isWritable;
    if (!this.#isPaused && (isHeldUp || this.#waitingHandles > waitingHandlesMax)) {
      this.#isPaused = true;
      this.#stream.pauseRequests();
    } else if (this.#isPaused && !isHeldUp && this.#waitingHandles < waitingHandlesMax / 2) {
      this.#isPaused = false;
      this.#stream.resumeRequests();
    }
  }

  // --- what is to become of messages ----------------------------------------------------------------------------------------

  #ack(started: Started, { handles }: ConsumeAck): void {
    const { address } = started;
    this.#answer(started, "ack", handles, (transaction, stamp, receipts) =>
      decideDeleteMessages(transaction, { address, receipts }, stamp),
    );
  }

  #nack(started: Started, { handles, delay }: ConsumeNack): void {
    const violations = new Violations();
    const range = { minMs: 0, maxMs: limits.visibilityTimeoutMsMax };
    const delayMs = parseDuration(violations, "nack.delay", delay, range) ?? milliseconds(0);
    if (!this.#check(violations)) return;
    const { address } = started;
    const how = { address, delayMs, rejected: undefined, isDeadLetter: false };
    this.#answer(started, "nack", handles, (transaction, stamp, receipts) =>
      decideGiveBack(transaction, { ...how, receipts }, stamp),
    );
  }

  #extend(started: Started, { handles, ackDeadline }: ConsumeExtend): void {
    const violations = new Violations();
    const field = "extend.ack_deadline";
    const timeoutMs = parseDuration(violations, field, ackDeadline, {
      minMs: streamLimits.ackDeadlineMsMin,
      maxMs: streamLimits.ackDeadlineMsMax,
    });
    if (ackDeadline === undefined) violations.add("MISSING_PARAMETER", field, "is needed");
    if (!this.#check(violations) || timeoutMs === undefined) return;
    this.#change(started, handles, timeoutMs);
  }

  #change(started: Started, handles: readonly string[], timeoutMs: DurationMs): void {
    const { address } = started;
    const decide: Decide<QueueResult> = (transaction, stamp, receipts) =>
      decideChangeVisibility(
        transaction,
        {
          address,
          entries: receipts.map((receipt) => ({ receipt, timeoutMs })),
          isOwnLeaseOnly: true,
        },
        stamp,
      );
    this.#answer(started, "extend", handles, decide, this.#parts.engine.now + timeoutMs);
  }

  #reject(started: Started, { handles, reason }: ConsumeReject): void {
    const violations = new Violations();
    if (Buffer.byteLength(reason) > streamLimits.reasonBytesMax) {
      const description = `must have at most ${streamLimits.reasonBytesMax} bytes`;
      violations.add("INVALID_PARAMETER", "reject.reason", description);
    }
    if (!this.#check(violations)) return;
    const { id, number } = started;
    this.#answer(
      started,
      "reject",
      handles,
      (transaction, stamp, receipts) =>
        decideRejectStream(transaction, { id, number, receipts, reason }, stamp),
      undefined,
      true,
    );
  }

  /** Runs what was asked for these handles and answers in order. `until` is where extended leases end. */
  #answer(
    { held }: Started,
    what: string,
    handles: readonly string[],
    decide: Decide<QueueResult>,
    until?: number,
    isGrowing = false,
  ): void {
    const violations = new Violations();
    checkHandles(violations, `${what}.handles`, handles);
    if (!this.#check(violations)) return;
    const receipts = handles.map((handle) => this.#parts.receipts.decode(handle));
    held.ask(handles);
    const fill = this.#results.reserve();
    this.#waitingHandles += handles.length;
    this.#regulate();
    const run = this.#parts.engine.execute<readonly QueueResult[], StreamRejection>({
      name: `Consume ${what}`,
      bytes: handleBytes * handles.length,
      isGrowing,
      decide: (transaction, stamp) => decide(transaction, stamp, receipts),
    });
    const giveUp = (error: unknown): void => {
      for (const handle of handles) held.answered(handle, true);
      this.#waitingHandles -= handles.length;
      fill([]);
      this.#fail(error);
    };
    run.then(
      (decision) => {
        if (decision.kind === "rejected") {
          giveUp(topicFaultOf(decision.rejection));
          return;
        }
        const reasons = decision.outcome.map(reasonOf);
        handles.forEach((handle, index) => {
          const isDone = reasons[index] === "";
          if (isDone && until !== undefined) held.extended(handle, until);
          else held.answered(handle, false);
        });
        fill(grouped(handles, reasons));
      },
      // The stream ends, and what it holds goes back: a consumer that opens it again gets it once more.
      giveUp,
    );
  }
}

/** The first attempt, and all that the delivery policy grants after it. */
function attemptsMaxOf({ topic, subscription }: FoundSubscription): number {
  const { retry } = effectiveDeliveryPolicy({
    kind: subscription.kind,
    topic: topic.settings.deliveryPolicy,
    subscription: subscription.settings.deliveryPolicy,
  });
  return retry.retries + 1;
}

/** What any of the decisions says of one handle. */
type QueueResult =
  | { readonly kind: "deleted" | "already_gone" | "changed" | "dead_lettered" }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

function reasonOf(result: QueueResult): Result["reason"] {
  if (result.kind !== "refused") return "";
  return result.rejection.kind === "receipt_handle_invalid" ? "HANDLE_INVALID" : "HANDLE_EXPIRED";
}

/** One result for all that fared alike. */
function grouped(
  handles: readonly string[],
  reasons: readonly Result["reason"][],
): readonly Result[] {
  return (["", "HANDLE_EXPIRED", "HANDLE_INVALID"] as const).flatMap((reason) => {
    const alike = handles.filter((_, index) => reasons[index] === reason);
    return alike.length === 0 ? [] : [{ handles: alike, reason }];
  });
}

function checkCredit(violations: Violations, field: string, value: number, min: number): void {
  const { creditMax: max } = streamLimits;
  if (value >= min && value <= max) return;
  violations.add("INVALID_PARAMETER", field, `must be from ${min} to ${max}, not ${value}`);
}

function checkHandles(violations: Violations, field: string, handles: readonly string[]): void {
  const { handlesMax } = streamLimits;
  if (handles.length === 0) {
    violations.add("MISSING_PARAMETER", field, "at least one handle is needed");
  } else if (handles.length > handlesMax) {
    const description = `at most ${handlesMax} handles, not ${handles.length}`;
    violations.add("INVALID_PARAMETER", field, description);
  } else if (handles.some((handle) => handle.length > limits.receiptHandleCharactersMax)) {
    // Every answer repeats its handle.
    const description = `a handle has at most ${limits.receiptHandleCharactersMax} characters`;
    violations.add("INVALID_PARAMETER", field, description);
  }
}
