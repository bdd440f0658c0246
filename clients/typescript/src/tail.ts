// Looking at what is published, as it is published. Nothing is stored for it on the server.
//
// A tail that breaks is opened again, with growing waits, behind the last message it showed or looked at; what cannot be shown any
// more then is a gap, which says how many messages were skipped if anybody knows. So a loop over it sees everything or is told.

import type { ClientReadableStream } from "@grpc/grpc-js";
import { FilterPolicyScope as FilterScopes } from "../gen/forebay/topic/v1/topic.js";
import {
  DiscontinuityCause as Causes,
  SlowPolicy as SlowPolicies,
  type TailResponse,
  TopicServiceDefinition,
} from "../gen/forebay/topic/v1/topic_service.js";
import { onAbort } from "./abort.js";
import { type Choice, choiceOf } from "./choices.js";
import { sleep } from "./clock.js";
import { durationOf } from "./durations.js";
import type { ForebayError } from "./errors.js";
import { endedByServer, Patience } from "./patience.js";
import type { QueueContext } from "./queue-calls.js";
import type { FilterPolicyScope } from "./subscription-settings.js";
import { TopicMessage } from "./topic-message.js";

export interface TailOptions {
  /** Only what this filter takes, a JSON document. Default: everything. */
  readonly filterPolicy?: string | undefined;
  /** Default: MESSAGE_ATTRIBUTES. */
  readonly filterPolicyScope?: FilterPolicyScope | undefined;
  /** Begin behind the message of this sequence number. Default: with what is published from now on. */
  readonly after?: string | undefined;
  /** Messages the server keeps for a slow reader. Range: 1 to 100000. Default: 1000. */
  readonly bufferMessages?: number | undefined;
  /** Bytes it keeps. Range: 65536 to 67108864. Default: 8388608. */
  readonly bufferBytes?: number | undefined;
  /**
   * What happens to a slow reader: what has waited longest is skipped; what comes is skipped until there is room; or the stream
   * is opened anew behind what was shown last. Default: DROP_OLDEST.
   */
  readonly slowPolicy?: TailSlowPolicy | undefined;
  /** How often the server says that it lives when nothing is published, in milliseconds. Range: 5000 to 300000. Default: 30000. */
  readonly heartbeatMs?: number | undefined;
  /** Called whenever the server shows from now on what is published: at the beginning, and after each break. */
  readonly onReady?: (() => void) | undefined;
  /** Ends the loop, quietly. */
  readonly signal?: AbortSignal | undefined;
}

/** What a tail does when its reader is slow. */
export type TailSlowPolicy = Choice<typeof SlowPolicies>;

/**
 * Why something was skipped: the reader was slow; what it asks to go on after is not kept any more; the topic was deleted and made
 * anew; another node leads.
 */
export type GapCause = Choice<typeof Causes>;

/** What a tail shows: messages, and gaps between them. */
export type TailItem =
  | { readonly kind: "message"; readonly message: TopicMessage }
  | {
      readonly kind: "gap";
      /** Undefined when nobody knows. */
      readonly skippedCount: number | undefined;
      /** The sequence number of the last message shown before; empty when none was. */
      readonly lastShown: string;
      /** The first one that can be shown after it. */
      readonly next: string;
      readonly cause: GapCause | undefined;
    };

/** How far a tail has come. */
interface Place {
  after: string;
  epoch: string;
}

/** Everything published to a topic, until the loop is left. */
export async function* tail(
  topic: string,
  context: QueueContext,
  options: TailOptions,
): AsyncGenerator<TailItem, void, undefined> {
  const { connection } = context;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const forgetSignal = onAbort(options.signal, end);
  if (options.signal?.aborted) end();
  const forget = context.closeWithClient({ [Symbol.asyncDispose]: async () => end() });
  const place: Place = { after: options.after ?? "", epoch: "" };
  const patience = new Patience(connection);
  try {
    while (!ended.signal.aborted) {
      let failure: ForebayError;
      try {
        for await (const response of responsesOf(topic, { context, options, place, ended })) {
          patience.restore();
          const item = itemOf(response, place, options);
          if (item !== undefined) yield item;
        }
        failure = endedByServer(connection.endpoint, "tail");
      } catch (error) {
        failure = connection.errorOf(error);
      }
      if (ended.signal.aborted) return;
      // Aborted while it waits, the loop ends.
      await sleep(patience.waitMsAfter(failure), ended.signal).catch(() => undefined);
    }
  } finally {
    forgetSignal();
    forget();
  }
}

interface TailRun {
  readonly context: QueueContext;
  readonly options: TailOptions;
  readonly place: Place;
  readonly ended: AbortController;
}

/** One stream, which is over when the loop over it is. */
async function* responsesOf(
  topic: string,
  { context, options, place, ended }: TailRun,
): AsyncGenerator<TailResponse, void, undefined> {
  const stream: ClientReadableStream<TailResponse> = context.connection.serverStream(
    TopicServiceDefinition.methods.tail,
    {
      topic,
      filterPolicy: options.filterPolicy ?? "",
      filterPolicyScope: FilterScopes[options.filterPolicyScope ?? "UNSPECIFIED"],
      resumeAfterSequence: place.after,
      topicEpoch: place.epoch,
      bufferMaxMessages: options.bufferMessages,
      bufferMaxBytes: options.bufferBytes,
      slowPolicy: SlowPolicies[options.slowPolicy ?? "UNSPECIFIED"],
      heartbeat: durationOf(options.heartbeatMs),
    },
  );
  const forget = onAbort(ended.signal, () => stream.cancel());
  try {
    for await (const response of stream) yield response as TailResponse;
  } finally {
    forget();
    // One that is over already takes no notice.
    stream.cancel();
  }
}

/** Notes how far the tail has come, and returns what there is to show. */
function itemOf(
  { item }: TailResponse,
  place: Place,
  { onReady }: TailOptions,
): TailItem | undefined {
  switch (item?.$case) {
    case "ready":
      // Of one that resumes it is not where it has come: what it missed follows.
      if (place.after === "") place.after = item.value.currentSequence || beginning;
      place.epoch = item.value.topicEpoch;
      onReady?.();
      return undefined;
    case "message":
      place.after = item.value.sequenceNumber;
      return { kind: "message", message: new TopicMessage(item.value) };
    case "heartbeat":
      if (item.value.currentSequence !== "") place.after = item.value.currentSequence;
      return undefined;
    case "discontinuity": {
      const { skippedCount, lastSent, next, cause } = item.value;
      place.after = before(next);
      return {
        kind: "gap",
        skippedCount: skippedCount === undefined ? undefined : Number(skippedCount),
        lastShown: lastSent,
        next,
        cause: choiceOf(Causes, cause),
      };
    }
    case undefined:
      // Something a newer server says; what it says beside, we understand.
      return undefined;
  }
}

/** The place before the first message: of a tail that has not come further yet and goes on after a break. */
const beginning = "0";

/** The sequence number before one. */
function before(sequenceNumber: string): string {
  const number = BigInt(sequenceNumber === "" ? 1 : sequenceNumber) - 1n;
  return String(number).padStart(sequenceNumber.length, "0");
}
