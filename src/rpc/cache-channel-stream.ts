// A subscription at the wire: what waits for it is written as long as its reader takes it. It is never cut off for being slow: what
// waits is in the rings of the channels, which are bounded whoever reads them, and what they forget it is told of.
//
// What is published in one turn of the event loop is written together at its end: a message of the transport costs several times
// what an event in it does.

import type { DurationMs } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { CacheAddress } from "../cache/cache-name.js";
import type { ChannelListener, Joined, SubscribeOrder } from "../cache/channels/channel-hub.js";
import type { Cache } from "../cache/model.js";
import type {
  ChannelEvent,
  SubscribeToChannelsResponse,
} from "../gen/forebay/cache/v1/channel_service.js";
import { channelFaultOf } from "./cache-channel-errors.js";
import { renderReady, renderShown } from "./cache-channel-render.js";
import type { NodeChannels } from "./cache-channels.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import type { CallContext, ResponseStream } from "./call.js";
import { shuttingDown } from "./produce-stream.js";

/** A request that is well formed. */
export interface StreamOrder extends Omit<SubscribeOrder, "cache"> {
  readonly address: CacheAddress;
  readonly heartbeatMs: DurationMs;
}

export interface ChannelStreamParts {
  readonly channels: NodeChannels;
  readonly draining: AbortSignal;
  readonly order: StreamOrder;
  /** Finds the cache, or rejects with a WireFault. */
  findCache(): Promise<Cache>;
}

/** Of one message: far below what clients take, even if its last event is the longest there may be. */
const eventsMax = 100;
const eventBytesMax = 65_536;

export class ChannelStream implements ChannelListener {
  readonly #parts: ChannelStreamParts;
  readonly #stream: ResponseStream<SubscribeToChannelsResponse>;
  readonly #context: CallContext;
  #joined: Joined | undefined;
  /** What is written at the end of this turn. */
  #events: ChannelEvent[] = [];
  #eventBytes = 0;
  #isWritable = true;
  #isPumping = false;
  #hasWritten = false;
  #isOver = false;
  #heartbeat: Timer | undefined;

  constructor(
    parts: ChannelStreamParts,
    stream: ResponseStream<SubscribeToChannelsResponse>,
    context: CallContext,
  ) {
    this.#parts = parts;
    this.#stream = stream;
    this.#context = context;
  }

  begin(): void {
    const { draining, findCache } = this.#parts;
    const drain = (): void => this.#fail(shuttingDown());
    draining.addEventListener("abort", drain, { once: true });
    // Of every end, its own included.
    this.#context.onCancelled(() => {
      draining.removeEventListener("abort", drain);
      this.#close();
    });
    findCache().then(
      (cache) => this.#guard(() => this.#join(cache)),
      (error: unknown) => this.#fail(error),
    );
  }

  #join(cache: Cache): void {
    if (this.#isOver) return;
    const { channels, order } = this.#parts;
    const decided = channels.subscribe({ ...order, cache }, this);
    if (decided.kind === "rejected") throw channelFaultOf(decided.rejection);
    this.#joined = decided.outcome;
    const { subscription } = decided.outcome;
    // Before it is ready, and so has come as far as that says, it is told what it missed: a reader that is cut off in between
    // goes on from where it was, and is told again.
    for (let gap = subscription.takeGap(); gap !== undefined; gap = subscription.takeGap()) {
      channels.hub.noteGap(gap);
      this.#write(renderShown(gap, 0));
    }
    this.#write(renderReady(decided.outcome, channels.hub.stamp));
    this.#scheduleHeartbeat();
    this.#pump();
  }

  wake(): void {
    this.#guard(() => this.#pump());
  }

  ended(): void {
    const { given: cache } = this.#parts.order.address;
    this.#fail(cacheFaultOf({ kind: "cache_not_found", cache }));
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#heartbeat?.cancel();
    this.#joined?.leave();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#flush();
    this.#close();
    this.#stream.fail(error);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Writes what waits, as far as the reader takes it. */
  #pump(): void {
    const { subscription } = this.#joined ?? {};
    if (subscription === undefined || this.#isPumping) return;
    const { hub, clock } = this.#parts.channels;
    this.#isPumping = true;
    try {
      while (this.#isWritable && !this.#isOver) {
        const shown = subscription.take(clock.now());
        if (shown === undefined) return;
        if (shown.kind === "gap") hub.noteGap(shown);
        const bytes = shown.kind === "gap" ? 0 : shown.message.contentBytes;
        this.#write(renderShown(shown, subscription.position), bytes);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #write(event: ChannelEvent, bytes = 0): void {
    this.#hasWritten = true;
    if (this.#events.push(event) === 1) setImmediate(() => this.#guard(() => this.#flush()));
    this.#eventBytes += bytes;
    if (this.#events.length >= eventsMax || this.#eventBytes >= eventBytesMax) this.#flush();
  }

  #flush(): void {
    if (this.#events.length === 0 || this.#isOver) return;
    const events = this.#events;
    this.#events = [];
    this.#eventBytes = 0;
    if (this.#stream.write({ events }) || !this.#isWritable) return;
    this.#isWritable = false;
    void this.#stream.drained().then(() => {
      this.#isWritable = true;
      this.wake();
    });
  }

  #scheduleHeartbeat(): void {
    const { channels, order } = this.#parts;
    this.#heartbeat = channels.clock.setTimer(order.heartbeatMs, () => {
      if (this.#isOver) return;
      this.#guard(() => this.#beat());
      if (!this.#isOver) this.#scheduleHeartbeat();
    });
  }

  #beat(): void {
    const { subscription } = this.#joined ?? {};
    const isQuiet = !this.#hasWritten && this.#isWritable;
    this.#hasWritten = false;
    if (!isQuiet || subscription === undefined) return;
    subscription.caughtUp(this.#parts.channels.hub.position);
    const position = BigInt(subscription.position);
    this.#write({ event: { $case: "heartbeat", value: { position } } });
    this.#hasWritten = false;
  }
}
