// Subscriptions to channels of a cache: what is published now, to whoever listens now. Nothing is stored for it on the server.
//
// A subscription that breaks is opened again, with growing waits, and says how far it had come: in each channel of which it saw
// something lately, and over all of them. The server shows what it still has, and tells of what it has not. So a loop over it sees
// every message once and in order, or is told.

import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  type ChannelPosition,
  ChannelServiceDefinition,
  type SubscribeToChannelsResponse,
  ChannelDiscontinuityCause as WireCause,
  type ChannelEvent as WireEvent,
} from "../gen/forebay/cache/v1/channel_service.js";
import { onAbort } from "./abort.js";
import type { CacheCodec } from "./cache-codec.js";
import type { CacheValue } from "./cache-items.js";
import { sleep } from "./clock.js";
import type { Connection } from "./connection.js";
import { dateOf, durationOf } from "./durations.js";
import type { ForebayError } from "./errors.js";
import { endedByServer, Patience } from "./patience.js";

const { methods } = ChannelServiceDefinition;

/** A message of a channel. */
export interface ChannelPlace {
  readonly channel: string;
  readonly sequence: number;
  readonly stamp: string;
}

export interface ChannelSubscribeOptions {
  /** Names of channels, at most 100. */
  readonly channels?: readonly string[] | undefined;
  /** Patterns of names, at most 100, as `news.*`, `room-?` or `shard-[0-9]`. */
  readonly patterns?: readonly string[] | undefined;
  /** Where to go on in some of the channels, at most 1000. Default: with what is published from now on. */
  readonly resumeAt?: readonly ChannelPlace[] | undefined;
  /** How often the server says that it lives when there is nothing to show, in milliseconds. Range: 5000 to 300000. Default: 30000. */
  readonly heartbeatMs?: number | undefined;
  /** Called whenever nothing is missed from now on: at the beginning, and after each break. */
  readonly onReady?: (() => void) | undefined;
  /** Ends the loop, quietly. */
  readonly signal?: AbortSignal | undefined;
}

/** The reader was slow; it was away for too long; or the numbering it knows is no more. */
export type ChannelDiscontinuityCause = "slow_subscriber" | "not_retained" | "renumbered";

export type ChannelEvent<Item = CacheValue> =
  | {
      readonly kind: "message";
      readonly channel: string;
      readonly sequence: number;
      readonly stamp: string;
      readonly data: Item;
      readonly publisher: string;
      readonly publishedAt: Date | undefined;
    }
  | {
      readonly kind: "discontinuity";
      /** Undefined: any channel that a pattern matches. */
      readonly channel: string | undefined;
      /** The first message missed, by the numbers known before; undefined: nobody knows. */
      readonly from: number | undefined;
      /** The last one, by the numbers of `stamp`; undefined: none of those. */
      readonly to: number | undefined;
      /** Undefined: the channel has no numbers now. */
      readonly stamp: string | undefined;
      readonly cause: ChannelDiscontinuityCause;
    };

/** What a subscription shares with its client. */
interface SubscribeContext {
  readonly connection: Connection;
  closeWithClient(closable: AsyncDisposable): () => void;
}

export async function* subscribeToChannels<Item>(
  cache: string,
  context: SubscribeContext,
  codec: CacheCodec<Item>,
  options: ChannelSubscribeOptions,
): AsyncGenerator<ChannelEvent<Item>, void, undefined> {
  const { connection } = context;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const forgetSignal = onAbort(options.signal, end);
  if (options.signal?.aborted) end();
  const forget = context.closeWithClient({ [Symbol.asyncDispose]: async () => end() });
  const progress = new Progress(options.resumeAt ?? []);
  const patience = new Patience(connection);
  try {
    while (!ended.signal.aborted) {
      let failure: ForebayError;
      try {
        for await (const event of eventsOf(cache, { connection, options, progress, ended })) {
          patience.restore();
          progress.note(event);
          if (event.event?.$case === "ready") options.onReady?.();
          const shown = shownOf(event, codec);
          if (shown !== undefined) yield shown;
        }
        failure = endedByServer(connection.endpoint, "subscription");
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

/** Places that a subscription says where it was in; of further channels its position says enough. */
const placesMax = 1_000;

/** How far a subscription has come. */
class Progress {
  /** What was seen last of each channel, that of the latest message last. */
  readonly #places = new Map<string, { readonly sequence: bigint; readonly stamp: string }>();
  #position: ChannelPosition | undefined;

  constructor(places: readonly ChannelPlace[]) {
    for (const { channel, sequence, stamp } of places) {
      this.#places.set(channel, { sequence: BigInt(sequence), stamp });
    }
  }

  get request() {
    const resumeAt = [...this.#places].map(([channel, place]) => ({ channel, ...place }));
    return { resumeAt, resumeAfter: this.#position };
  }

  note({ event }: WireEvent): void {
    switch (event?.$case) {
      case "ready":
        for (const { channel, sequence, stamp } of event.value.channels) {
          this.#notePlace(channel, sequence, stamp);
        }
        this.#position = event.value.position;
        return;
      case "item": {
        const { channel, sequence, stamp, position } = event.value;
        this.#notePlace(channel, sequence, stamp);
        this.#notePosition(position);
        return;
      }
      case "discontinuity": {
        const { channel, toSequence, stamp, position } = event.value;
        // Of a channel that has no numbers now there is no place to go on at.
        if (stamp === "") this.#places.delete(channel);
        else this.#notePlace(channel, toSequence, stamp);
        this.#notePosition(position);
        return;
      }
      case "heartbeat":
        this.#notePosition(event.value.position);
        return;
      case undefined:
        // Something a newer server says; what it says beside, we understand.
        return;
    }
  }

  #notePlace(channel: string, sequence: bigint, stamp: string): void {
    this.#places.delete(channel);
    this.#places.set(channel, { sequence, stamp });
    const [oldest] = this.#places.keys();
    if (oldest !== undefined && this.#places.size > placesMax) this.#places.delete(oldest);
  }

  /** 0: no further than before. */
  #notePosition(position: bigint): void {
    if (position === 0n || this.#position === undefined) return;
    this.#position = { ...this.#position, position };
  }
}

interface SubscriptionRun {
  readonly connection: Connection;
  readonly options: ChannelSubscribeOptions;
  readonly progress: Progress;
  readonly ended: AbortController;
}

/** One stream, which is over when the loop over it is. */
async function* eventsOf(
  cache: string,
  { connection, options, progress, ended }: SubscriptionRun,
): AsyncGenerator<WireEvent, void, undefined> {
  const stream: ClientReadableStream<SubscribeToChannelsResponse> = connection.serverStream(
    methods.subscribeToChannels,
    {
      cache,
      channels: [...(options.channels ?? [])],
      patterns: [...(options.patterns ?? [])],
      ...progress.request,
      heartbeat: durationOf(options.heartbeatMs),
    },
  );
  const forget = onAbort(ended.signal, () => stream.cancel());
  try {
    for await (const response of stream) yield* (response as SubscribeToChannelsResponse).events;
  } finally {
    forget();
    // One that is over already takes no notice.
    stream.cancel();
  }
}

const causes: Readonly<Record<number, ChannelDiscontinuityCause>> = {
  [WireCause.SLOW_SUBSCRIBER]: "slow_subscriber",
  [WireCause.NOT_RETAINED]: "not_retained",
  [WireCause.RENUMBERED]: "renumbered",
};

function shownOf<Item>(
  { event }: WireEvent,
  codec: CacheCodec<Item>,
): ChannelEvent<Item> | undefined {
  if (event?.$case === "item") {
    const { channel, sequence, stamp, messageForm, publisher, publishTime } = event.value;
    return {
      kind: "message",
      channel,
      sequence: Number(sequence),
      stamp,
      data: codec.decode(messageForm?.value ?? noBytes),
      publisher,
      publishedAt: dateOf(publishTime),
    };
  }
  if (event?.$case !== "discontinuity") return undefined;
  const { channel, fromSequence, toSequence, stamp, cause } = event.value;
  return {
    kind: "discontinuity",
    channel: channel || undefined,
    from: Number(fromSequence) || undefined,
    to: Number(toSequence) || undefined,
    stamp: stamp || undefined,
    cause: causes[cause] ?? "renumbered",
  };
}

const noBytes = new Uint8Array(0);
