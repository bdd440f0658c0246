// Where a call is served when several nodes keep the same queues: here, by the node that leads, or nowhere for the moment. The
// edge asks for every call and does what it is told; who leads is the business of whoever answers.

import type { Metadata } from "@grpc/grpc-js";
import type { CallContext } from "../rpc/call.js";
import type { Consistency } from "../rpc/parse-consistency.js";
import type { WireFault } from "../rpc/status-details.js";
import type { Forwarder } from "./forwarder.js";

/** A call that has arrived and is not served yet. */
export interface ArrivedCall {
  /** As `/forebay.queue.v1.QueueService/SendMessage`. */
  readonly path: string;
  /** How fresh a read has to be; undefined for calls that may change something, which only the leader answers. */
  readonly consistency: Consistency | undefined;
  readonly context: CallContext;
}

export type Placement =
  | { readonly kind: "here"; readonly tenure: Tenure }
  | { readonly kind: "elsewhere"; readonly forwarder: Forwarder }
  | { readonly kind: "nowhere"; readonly fault: WireFault };

/** Resolves when what was decided up to now is as durable as was asked for; rejects with a WireFault. */
export type AnswerHold = () => Promise<void>;

export interface CallRouter {
  /** Takes time only where the caller asked for a state that this node does not have yet. */
  place(call: ArrivedCall): Placement | Promise<Placement>;
  /** What every answer given here tells of the group: who leads it. */
  trailers(): Metadata;
}

/** A time in which this node answers calls by itself: as leader, or reads as one that follows. */
export interface Tenure {
  /** The handler of a method, of the kind that its definition says; undefined when this tenure does not serve it. */
  handlerOf(path: string): unknown;
  /** Calls `react` if the tenure ends before the call does. Returns what forgets that. */
  onEnd(react: (fault: WireFault) => void): () => void;
  /**
   * What each answer to this call has to wait for once its effect is durable as configured; undefined: nothing, as nearly
   * always. Throws when the call asks for what there is not.
   */
  holdOf(context: CallContext): AnswerHold | undefined;
  /** As of now, which is when an answer leaves. */
  trailers(isRead: boolean): Metadata;
}
