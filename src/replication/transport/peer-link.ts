// One stream between two members, whoever dialled: sends messages in order and within bounds, and notices when the other side is
// gone. Both sides say something at least every `beatMs`, so whoever hears not a byte for `silenceMsMax` closes the way. Bytes
// count, not answers: on a slow line a long message takes seconds, and its bytes are the proof that somebody sends it. HTTP/2's
// own pings are not relied on: they wait behind what is written, as answers to a message of ours would.
//
// What is sent waits in the stream until the socket takes it. How much that is, is looked at before every message: with some
// megabytes the link is not ready, and told when there is room again; at the bound a message is dropped.

import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../../base/clock.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import { BrokenFrame, beatFrame, type Frame, FrameReader, frameOf } from "./frames.js";
import { beatMs, messageBytesMax, readyBytesMax, silenceMsMax, unsentBytesMax } from "./limits.js";

/** The connection below a stream, of which only signs of life matter here. */
export interface LinkSocket {
  readonly bytesRead: number;
}

export interface LinkEvents {
  received(message: PeerMessage): void;
  /** There is room again after `isReady` was false. */
  roomAgain(): void;
  /** Told once. The link is of no use any more; who owns the connection ends it. */
  broke(why: string): void;
}

export interface LinkParts {
  /** An HTTP/2 stream. */
  readonly stream: Duplex;
  readonly socket: LinkSocket;
  readonly clock: Pick<Clock, "setTimer">;
  readonly events: LinkEvents;
}

/** What became of a message. */
export type SendOutcome = "queued" | "too_long" | "full" | "closed";

export class PeerLink {
  readonly #parts: LinkParts;
  readonly #reader = new FrameReader();
  /** Somebody was told that there is no room, and not yet that there is. */
  #wasFull = false;
  #hasSpoken = false;
  #isOver = false;
  #timer: Timer | undefined;
  #heardBytes = 0;
  /** Looks in a row that found nothing new. */
  #silentLooks = 0;

  constructor(parts: LinkParts) {
    const { stream } = parts;
    this.#parts = parts;
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("error", (error: Error) => this.#break(error.message));
    stream.on("end", () => this.#break("it ended the stream"));
    stream.on("close", () => this.#break("the stream was closed"));
  }

  /** Says who speaks; from now on each side must hear from the other. */
  open(introduction: PeerMessage): void {
    this.#write(frameOf(introduction));
    this.#heardBytes = this.#parts.socket.bytesRead;
    this.#await();
  }

  /** Bytes given to this link that the socket has not taken. */
  get unsentBytes(): number {
    return this.#parts.stream.writableLength;
  }

  get isReady(): boolean {
    const isReady = !this.#isOver && this.unsentBytes < readyBytesMax;
    if (!isReady) this.#wasFull = true;
    return isReady;
  }

  send(message: PeerMessage): SendOutcome {
    if (this.#isOver) return "closed";
    const frame = frameOf(message);
    if (frame.bytes > messageBytesMax) return "too_long";
    const isLong = frame.bytes > unsentBytesMax - readyBytesMax;
    const bytesMax = isLong ? readyBytesMax + frame.bytes : unsentBytesMax;
    if (this.unsentBytes + frame.bytes > bytesMax) {
      this.#wasFull = true;
      return "full";
    }
    this.#write(frame);
    return "queued";
  }

  /** Nothing is sent, received or told from now on. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #write({ pieces }: Frame): void {
    const { stream } = this.#parts;
    this.#hasSpoken = true;
    // Corked, the pieces leave in one call.
    stream.cork();
    for (const piece of pieces) stream.write(piece, this.#written);
    stream.uncork();
  }

  /** The socket took something. Never called from within a write. */
  readonly #written = (): void => {
    if (!this.#wasFull || this.#isOver || this.unsentBytes >= readyBytesMax) return;
    this.#wasFull = false;
    this.#parts.events.roomAgain();
  };

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#reader.push(chunk, (message) => {
        if (message !== undefined && !this.#isOver) this.#parts.events.received(message);
      });
    } catch (error) {
      // What `received` throws is a bug of the floors above, and not to be taken for the peer's.
      if (!(error instanceof BrokenFrame)) throw error;
      this.#break(`it sent ${error.message}`);
    }
  }

  // Looks are counted rather than milliseconds: after a pause of this process, whatever its length, what the other side sent
  // meanwhile is still unread, and proves nothing.
  #look(): void {
    const { bytesRead } = this.#parts.socket;
    this.#silentLooks = bytesRead === this.#heardBytes ? this.#silentLooks + 1 : 0;
    this.#heardBytes = bytesRead;
    if (this.#silentLooks * beatMs > silenceMsMax) {
      this.#break("nothing was heard of it for a second");
      return;
    }
    if (!this.#hasSpoken && this.unsentBytes === 0) this.#write(beatFrame);
    this.#hasSpoken = false;
    this.#await();
  }

  #await(): void {
    this.#timer = this.#parts.clock.setTimer(beatMs, () => this.#look());
  }

  #break(why: string): void {
    if (this.#isOver) return;
    this.stop();
    this.#parts.events.broke(why);
  }
}
