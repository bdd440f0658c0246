// Tail: what is published in a topic, shown to whoever looks, and where something was skipped, how much.
//
// A tail has no state in the store. It is told of messages in the turn in which they become durable (`topic-tails.ts`), writes
// them as long as its reader takes them and keeps a bounded number of them beyond that (`topic/tail-buffer.ts`). One that resumes
// first reads, at its reader's pace, what the node's memory and the store still have, and goes live at the very place where the
// two meet.

import { status } from "@grpc/grpc-js";
import { type DurationMs, type Sequence, sequence } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import { FilterPolicyScope } from "../gen/forebay/topic/v1/topic.js";
import {
  DiscontinuityCause,
  SlowPolicy,
  type TailRequest,
  type TailResponse,
} from "../gen/forebay/topic/v1/topic_service.js";
import { filterProblems, isFor } from "../topic/filters.js";
import type { TopicSettings } from "../topic/limits.js";
import type { FilterVersion, Topic, TopicMessage } from "../topic/model.js";
import { outboundRefusal } from "../topic/protection/data-protection.js";
import type { TopicRejection } from "../topic/rejections.js";
import { TailBuffer, type SlowPolicy as TailPolicy } from "../topic/tail-buffer.js";
import { tailLimits } from "../topic/tail-limits.js";
import { decideReadTail, type TailRead } from "../topic/tail-read.js";
import type { TopicAddress } from "../topic/topic-name.js";
import type { CallContext, ResponseStream, ServerStreamHandler } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, localCaller } from "./handler-context.js";
import { shuttingDown } from "./produce-stream.js";
import { sequenceText } from "./render.js";
import { WireFault } from "./status-details.js";
import { parseTopicAddress } from "./topic-names.js";
import { renderNotification } from "./topic-notification.js";
import type { TailChannel, TailListener, TopicTails } from "./topic-tails.js";
import { filterFault, topicFaultOf } from "./topic-wire-errors.js";
import { parseCount, parseDuration, parseEnum, Violations } from "./violations.js";

export interface TailParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  readonly tails: TopicTails;
  readonly draining: AbortSignal;
}

/** A request that is well formed. */
interface TailOrder {
  readonly address: TopicAddress;
  /** Undefined: everything. */
  readonly filter: Pick<FilterVersion, "policy" | "scope"> | undefined;
  readonly resume: { readonly after: Sequence; readonly epoch: string } | undefined;
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly policy: TailPolicy;
  readonly heartbeatMs: DurationMs;
}

export function createTailHandler(
  parts: TailParts,
): ServerStreamHandler<TailRequest, TailResponse> {
  return (request, stream, context) => {
    const order = parseTail(request);
    if (parts.draining.aborted) throw shuttingDown();
    if (!parts.tails.enter()) throw tooMany();
    new Tail(parts, order, stream, context).begin();
  };
}

const policies: Readonly<Record<Exclude<keyof typeof SlowPolicy, "UNSPECIFIED">, TailPolicy>> = {
  DROP_OLDEST: "drop_oldest",
  DROP_NEWEST: "drop_newest",
  DISCONNECT: "disconnect",
};

function parseTail(request: TailRequest): TailOrder {
  const violations = new Violations();
  const address = parseTopicAddress(violations, request.topic, localCaller.namespace);
  const messagesMax = parseCount(violations, "buffer_max_messages", request.bufferMaxMessages, {
    min: tailLimits.bufferMessagesMin,
    max: tailLimits.bufferMessagesMax,
  });
  const bytesMax = parseCount(violations, "buffer_max_bytes", request.bufferMaxBytes, {
    min: tailLimits.bufferBytesMin,
    max: tailLimits.bufferBytesMax,
  });
  const slow = parseEnum(violations, "slow_policy", request.slowPolicy, SlowPolicy);
  const heartbeatMs = parseDuration(violations, "heartbeat", request.heartbeat, {
    minMs: tailLimits.heartbeatMsMin,
    maxMs: tailLimits.heartbeatMsMax,
  });
  const scope = parseEnum(
    violations,
    "filter_policy_scope",
    request.filterPolicyScope,
    FilterPolicyScope,
    "INVALID_SCOPE",
  );
  const resume = parseResume(violations, request);
  violations.throwIfAny();
  const isEverything = /^\s*(\{\s*\})?\s*$/.test(request.filterPolicy);
  const filter = {
    policy: request.filterPolicy,
    scope: scope === "MESSAGE_BODY" ? ("body" as const) : ("attributes" as const),
  };
  const problems = isEverything ? [] : filterProblems(filter);
  if (problems.length > 0) throw filterFault(problems);
  return {
    address,
    filter: isEverything ? undefined : filter,
    resume,
    messagesMax: messagesMax ?? tailLimits.bufferMessagesDefault,
    bytesMax: bytesMax ?? tailLimits.bufferBytesDefault,
    policy: slow === undefined ? "drop_oldest" : policies[slow],
    heartbeatMs: heartbeatMs ?? tailLimits.heartbeatMsDefault,
  };
}

function parseResume(
  violations: Violations,
  { resumeAfterSequence: text, topicEpoch: epoch }: TailRequest,
): TailOrder["resume"] {
  if (text === "") return undefined;
  const after = Number(text);
  if (!/^[0-9]{1,20}$/.test(text) || !Number.isSafeInteger(after)) {
    const description = "must be a sequence number of this topic: decimal text of 20 digits";
    violations.add("INVALID_PARAMETER", "resume_after_sequence", description);
  }
  return { after: sequence(after), epoch };
}

const epochOf = ({ segment }: Pick<Topic, "segment">): string => segment.toString(36);

const before = (place: Sequence): Sequence | undefined =>
  place <= 1 ? undefined : sequence(place - 1);

class Tail implements TailListener {
  readonly #parts: TailParts;
  readonly #order: TailOrder;
  readonly #stream: ResponseStream<TailResponse>;
  readonly #context: CallContext;
  readonly #buffer: TailBuffer<TopicMessage>;
  readonly #filters: readonly FilterVersion[];
  #topic: Topic | undefined;
  /** The topic's, as they were last seen. */
  #settings: TopicSettings | undefined;
  #channel: TailChannel | undefined;
  /** The first message it has not looked at. */
  #next: Sequence = sequence(0);
  #lastShown: Sequence | undefined;
  /** Where a reader that was cut off goes on: what it was shown, and told of, ends here. */
  #resumeAfter: Sequence | undefined;
  #isLive = false;
  #isReading = false;
  #isWritable = true;
  #hasWritten = false;
  #isOver = false;
  #heartbeat: Timer | undefined;
  #stalled: Timer | undefined;

  constructor(
    parts: TailParts,
    order: TailOrder,
    stream: ResponseStream<TailResponse>,
    context: CallContext,
  ) {
    this.#parts = parts;
    this.#order = order;
    this.#stream = stream;
    this.#context = context;
    this.#buffer = new TailBuffer(order, parts.tails.memory);
    this.#filters = order.filter === undefined ? [] : [{ from: sequence(0), ...order.filter }];
  }

  begin(): void {
    const { draining } = this.#parts;
    const drain = (): void => this.#fail(shuttingDown());
    draining.addEventListener("abort", drain, { once: true });
    // Of every end, its own included.
    this.#context.onCancelled(() => {
      draining.removeEventListener("abort", drain);
      this.#close();
    });
    this.#read();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#heartbeat?.cancel();
    this.#stalled?.cancel();
    this.#buffer.clear();
    this.#channel?.leave(this);
    this.#parts.tails.exit();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#close();
    this.#stream.fail(error);
  }

  // --- reading what it missed ---------------------------------------------------------------------------------------------

  #read(): void {
    const { address, resume, messagesMax, bytesMax } = this.#order;
    const isFirst = this.#topic === undefined;
    const from = isFirst ? resume && sequence(resume.after + 1) : this.#next;
    this.#isReading = true;
    this.#parts.engine
      .execute<TailRead, TopicRejection>({
        name: "Tail",
        bytes: commandBytes,
        isGrowing: false,
        decide: (transaction) =>
          decideReadTail(transaction, {
            address,
            segment: this.#topic?.segment,
            from,
            countMax: Math.min(messagesMax, tailLimits.readMessagesMax),
            bytesMax: Math.min(bytesMax, tailLimits.readBytesMax),
          }),
        committed: (read) => this.#guard(() => this.#take(read)),
      })
      .then(
        (decision) => {
          if (decision.kind === "rejected") this.#fail(topicFaultOf(decision.rejection));
        },
        (error: unknown) => this.#fail(error),
      );
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(read: TailRead): void {
    if (this.#isOver) return;
    this.#isReading = false;
    this.#settings = read.topic.settings;
    if (this.#channel === undefined) this.#start(read);
    else this.#catchUp(read);
    this.#pump();
  }

  #start(read: TailRead): void {
    const { topic, nextSequence } = read;
    const { resume, heartbeatMs } = this.#order;
    const epoch = epochOf(topic);
    this.#topic = topic;
    this.#channel = this.#parts.tails.join(topic.segment, nextSequence);
    this.#next = nextSequence;
    this.#lastShown = resume?.after;
    this.#resumeAfter = before(nextSequence);
    this.#scheduleHeartbeat(heartbeatMs);
    const currentSequence = sequenceText(before(nextSequence));
    this.#write({ item: { $case: "ready", value: { currentSequence, topicEpoch: epoch } } });
    if (resume === undefined) {
      this.#goLive();
      return;
    }
    const isOther = resume.epoch !== "" && resume.epoch !== epoch;
    if (isOther || resume.after >= nextSequence) {
      // Its numbers say nothing here, so nobody knows how many it did not see.
      this.#tellGap(nextSequence, undefined, DiscontinuityCause.TOPIC_RECREATED);
      this.#goLive();
      return;
    }
    this.#next = sequence(resume.after + 1);
    this.#resumeAfter = resume.after;
    this.#catchUp(read);
  }

  /** Shows what there is from its place on, and goes live when that was all. */
  #catchUp({ nextSequence, firstSequence, messages, to }: TailRead): void {
    const window = this.#channel?.window;
    if (window === undefined) return;
    const stored = new Map<Sequence, TopicMessage>(
      messages.map((message) => [message.sequence, message]),
    );
    const earliest = sequence(Math.min(window.first, firstSequence, nextSequence));
    if (this.#next < earliest && !this.#tellMissed(earliest)) return;
    let left = Math.min(this.#order.messagesMax, tailLimits.readMessagesMax);
    let bytes = Math.min(this.#order.bytesMax, tailLimits.readBytesMax);
    while (this.#next < nextSequence && left > 0 && bytes > 0) {
      const message = window.get(this.#next) ?? stored.get(this.#next);
      const after = sequence(this.#next + 1);
      if (message === undefined) {
        // Not looked at yet: the next read does.
        if (this.#next >= to && this.#next < window.first) return;
        if (!this.#tellMissed(after)) return;
        continue;
      }
      this.#next = after;
      left -= 1;
      bytes -= message.sizeBytes;
      if (!this.#show(message)) return;
    }
    if (this.#next >= nextSequence) this.#goLive();
  }

  /** Says that nothing before `next` can be shown any more; false: not now, since something else is to be shown first. */
  #tellMissed(next: Sequence): boolean {
    if (!this.#isWritable || !this.#buffer.isEmpty) return false;
    // How many of them were for it, its filter alone could say.
    const count = this.#order.filter === undefined ? next - this.#next : undefined;
    this.#tellGap(next, count, this.#causeOfMiss());
    this.#next = next;
    return true;
  }

  /** The node that decided before may have had in memory what is not stored any more. */
  #causeOfMiss(): DiscontinuityCause {
    const { tails } = this.#parts;
    const isOfAnother =
      this.#topic !== undefined && tails.isOfAnother(this.#topic.segment, this.#next);
    return isOfAnother ? DiscontinuityCause.FAILOVER : DiscontinuityCause.RESUME_UNAVAILABLE;
  }

  #goLive(): void {
    this.#isLive = true;
    this.#channel?.listen(this);
  }

  // --- live ---------------------------------------------------------------------------------------------------------------

  published(message: TopicMessage, settings: TopicSettings): void {
    this.#guard(() => {
      this.#settings = settings;
      if (this.#isOver || message.sequence < this.#next) return;
      if (message.sequence !== this.#next) {
        throw new Error(`a tail was told of ${message.sequence} where ${this.#next} comes next`);
      }
      this.#next = sequence(message.sequence + 1);
      this.#show(message);
    });
  }

  ended(): void {
    this.#fail(topicFaultOf({ kind: "topic_not_found", topic: this.#order.address.given }));
  }

  /** Writes or keeps a message, if it is for the tail. False: it is cut off. */
  #show(message: TopicMessage): boolean {
    if (this.#filters.length > 0 && !isFor({ filters: this.#filters, kind: "stream" }, message)) {
      return true;
    }
    if (this.#isWithheld(message)) return true;
    if (this.#isWritable && this.#buffer.isEmpty) {
      this.#writeMessage(message);
      return true;
    }
    if (this.#buffer.offer(message)) return true;
    this.#fail(this.#slowConsumer("its buffer was full"));
    return false;
  }

  /** What the topic's data protection policy denies is not shown, as if a filter kept it back. */
  #isWithheld(message: TopicMessage): boolean {
    const settings = this.#settings;
    const { senderId: caller } = localCaller;
    return settings !== undefined && outboundRefusal({ settings }, message, caller) !== undefined;
  }

  /** Writes what is kept, as far as the reader takes it. */
  #pump(): void {
    while (this.#isWritable && !this.#isOver) {
      const item = this.#buffer.take();
      if (item === undefined) break;
      if (item.kind === "message") this.#writeMessage(item.message);
      else {
        const next = sequence(item.last + 1);
        this.#tellGap(next, item.skipped, DiscontinuityCause.SLOW_CONSUMER);
      }
    }
    const isIdle = this.#isWritable && this.#buffer.isEmpty && !this.#isReading;
    if (isIdle && !this.#isLive && !this.#isOver) this.#read();
  }

  #writeMessage(message: TopicMessage): void {
    const topic = this.#topic;
    if (topic === undefined) return;
    this.#lastShown = message.sequence;
    this.#resumeAfter = message.sequence;
    this.#write({ item: { $case: "message", value: renderNotification(topic, message) } });
  }

  #tellGap(next: Sequence, count: number | undefined, cause: DiscontinuityCause): void {
    this.#resumeAfter = before(next);
    this.#write({
      item: {
        $case: "discontinuity",
        value: {
          lastSent: sequenceText(this.#lastShown),
          next: sequenceText(next),
          skippedCount: count === undefined ? undefined : BigInt(count),
          cause,
        },
      },
    });
  }

  #write(response: TailResponse): void {
    this.#hasWritten = true;
    if (this.#stream.write(response) || !this.#isWritable) return;
    this.#isWritable = false;
    this.#stalled = this.#parts.clock.setTimer(tailLimits.stalledMsMax, () =>
      this.#fail(this.#slowConsumer("it took nothing for 30 s")),
    );
    void this.#stream.drained().then(() => {
      this.#stalled?.cancel();
      this.#isWritable = true;
      this.#guard(() => this.#pump());
    });
  }

  #slowConsumer(why: string): WireFault {
    const resumeAfter = sequenceText(this.#resumeAfter);
    const topicEpoch = this.#topic === undefined ? "" : epochOf(this.#topic);
    return new WireFault({
      code: status.RESOURCE_EXHAUSTED,
      reason: "SLOW_CONSUMER",
      message: `The reader of this tail was too slow: ${why}. Tail again with resume_after_sequence "${resumeAfter}", and read faster or take a filter.`,
      metadata: { resume_after_sequence: resumeAfter, topic_epoch: topicEpoch },
    });
  }

  #scheduleHeartbeat(delayMs: DurationMs): void {
    this.#heartbeat = this.#parts.clock.setTimer(delayMs, () => {
      this.#guard(() => {
        const isQuiet = !this.#hasWritten && this.#isWritable;
        this.#hasWritten = false;
        if (isQuiet) {
          const currentSequence = sequenceText(before(this.#next));
          this.#write({ item: { $case: "heartbeat", value: { currentSequence } } });
          this.#hasWritten = false;
        }
        if (!this.#isOver) this.#scheduleHeartbeat(delayMs);
      });
    });
  }
}

const tooMany = (): WireFault => {
  const limit = tailLimits.tailsMax;
  return new WireFault({
    code: status.RESOURCE_EXHAUSTED,
    reason: "TAIL_LIMIT",
    message: `This node has ${limit} tails, which is its bound. End one, or subscribe.`,
    metadata: { limit: String(limit) },
    retryAfterMs: 1_000,
  });
};
