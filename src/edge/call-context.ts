// The context of a call, made of a grpc-js call. Everything in it is looked up when asked for, since most calls never ask.

import type { ServerUnaryCall } from "@grpc/grpc-js";
import { type EpochMs, epochMs } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import type { CallContext } from "../rpc/call.js";

/** What the call objects of all kinds have in common. */
interface GrpcCall
  extends Pick<ServerUnaryCall<unknown, unknown>, "cancelled" | "metadata" | "getDeadline"> {
  once(event: "cancelled", react: () => void): unknown;
}

/** What a context needs beside its call; shared by all calls of a method. */
export interface CallSurroundings {
  readonly clock: Clock;
  /** The wall clock, in which grpc-js keeps deadlines. */
  readonly wallMs: () => number;
  /** Told what a reaction of a handler threw, which must not reach grpc-js. */
  onBug(error: unknown): void;
}

export class GrpcCallContext implements CallContext {
  readonly #call: GrpcCall;
  readonly #surroundings: CallSurroundings;
  #reactions: (() => void)[] | undefined;
  #isFinished = false;

  constructor(call: GrpcCall, surroundings: CallSurroundings) {
    this.#call = call;
    this.#surroundings = surroundings;
  }

  get deadline(): EpochMs | undefined {
    const deadline = this.#call.getDeadline();
    if (deadline === Number.POSITIVE_INFINITY) return undefined;
    // grpc-js keeps deadlines in wall time, which may step; what is left of it is the same in server time.
    const { clock, wallMs } = this.#surroundings;
    return epochMs(clock.now() + Math.ceil(Number(deadline) - wallMs()));
  }

  get isCancelled(): boolean {
    return this.#call.cancelled || this.isExpired || isStreamGone(this.#call);
  }

  /** Whether the deadline has passed, also where grpc-js has not noticed yet. */
  get isExpired(): boolean {
    const deadline = this.#call.getDeadline();
    return deadline !== Number.POSITIVE_INFINITY && this.#surroundings.wallMs() >= Number(deadline);
  }

  onCancelled(react: () => void): void {
    if (this.#isFinished) return;
    if (this.#call.cancelled) {
      this.#run(react);
      return;
    }
    if (this.#reactions === undefined) {
      const reactions: (() => void)[] = [];
      this.#reactions = reactions;
      this.#call.once("cancelled", () => {
        // Emitted at the end of every call, answered ones included.
        if (this.#isFinished) return;
        for (const reaction of reactions) this.#run(reaction);
      });
    }
    this.#reactions.push(react);
  }

  #run(reaction: () => void): void {
    try {
      reaction();
    } catch (error) {
      this.#surroundings.onBug(error);
    }
  }

  metadata(key: string): string | undefined {
    const [value] = this.#call.metadata.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /** The call has its answer; a cancellation after that is none. */
  finish(): void {
    this.#isFinished = true;
  }

  /** As `finish`, for a stream: whoever reacts to its cancellation lets go of what it held, however it ended. */
  finishStream(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    for (const reaction of this.#reactions ?? []) this.#run(reaction);
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }
}

// Between the moment a stream is reset and the `cancelled` event lie a few turns of the event loop, in which an answer would
// vanish. grpc-js looks at its HTTP/2 stream for that; so do we, where it can be reached (a contract test pins that it can).
function isStreamGone(call: unknown): boolean {
  const { stream } = (call as { call?: { stream?: { destroyed?: boolean; closed?: boolean } } })
    .call ?? { stream: undefined };
  return stream?.destroyed === true || stream?.closed === true;
}
