// What a handler sees of a call, without the transport: a context that knows the deadline and the cancellation, a stream that
// honours backpressure, and the shape of handlers, derived from a service's generated definition. Handlers are written
// against these types; src/edge makes them out of grpc-js calls.

import type { EpochMs } from "../base/brands.js";

export interface CallContext {
  /** The server time at which the caller stops waiting; undefined when it set no deadline. */
  readonly deadline: EpochMs | undefined;
  /**
   * Whether nobody waits for the answer any more: the caller cancelled, its connection broke or its deadline passed. Looked
   * up afresh, so reading it right before an answer is returned tells whether the answer can still leave.
   */
  readonly isCancelled: boolean;
  /**
   * Calls `react` once when the call is cancelled before it ends; at once if it already is. Of a stream also when it ends in
   * any other way, as over bytes that are no request: then what it held must go back just the same.
   */
  onCancelled(react: () => void): void;
  /** The first value of a metadata key of the request; undefined when absent or binary. */
  metadata(key: string): string | undefined;
}

/** The two directions of a bidirectional stream. */
export interface MessageStream<Request, Response> extends ResponseStream<Response> {
  /** Calls `receive` for each request in order. Requests flow from the moment this is called. */
  onRequest(receive: (request: Request) => void): void;
  /**
   * Calls `react` once when the caller has half-closed and all its requests were received. Node's clients cancel by
   * half-closing first and resetting a moment later, so this may be followed by a cancellation.
   */
  onRequestsEnd(react: () => void): void;
  /** Stops reading, which after a few messages stops the caller (HTTP/2 flow control). */
  pauseRequests(): void;
  resumeRequests(): void;
}

/** The answering direction of a stream. After its end, or a cancellation, all methods do nothing. */
export interface ResponseStream<Response> {
  /** Sends a response. False: the caller reads too slowly; wait for `drained` before writing more. */
  write(response: Response): boolean;
  /** Resolves when writing may go on, or when the stream is over. */
  drained(): Promise<void>;
  /** Ends the stream with OK after what was written. */
  end(): void;
  /** Ends the stream with an error after what was written: a WireFault, or a bug that becomes INTERNAL. */
  fail(error: unknown): void;
}

/** Answers one request. Throws a WireFault to refuse; anything else thrown is a bug and becomes INTERNAL. */
export type UnaryHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Response | Promise<Response>;

/** Answers one request with a stream. */
export type ServerStreamHandler<Request, Response> = (
  request: Request,
  stream: ResponseStream<Response>,
  context: CallContext,
) => void;

/** Serves a bidirectional stream. */
export type StreamHandler<Request, Response> = (
  stream: MessageStream<Request, Response>,
  context: CallContext,
) => void;

/** A method as ts-proto's generic definitions describe it. */
export interface MethodDefinition {
  readonly name: string;
  readonly requestType: object;
  readonly requestStream: boolean;
  readonly responseType: object;
  readonly responseStream: boolean;
  readonly options?: { readonly idempotencyLevel?: string };
}

/** Whether the contract says of a method that it changes nothing. */
export const isReadOnly = ({ options }: MethodDefinition): boolean =>
  options?.idempotencyLevel === "NO_SIDE_EFFECTS";

export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

type Decoded<Codec> = Codec extends { decode(bytes: Uint8Array): infer Message } ? Message : never;

type HandlerOf<Method extends MethodDefinition> = Method extends {
  readonly requestStream: true;
}
  ? Method extends { readonly responseStream: true }
    ? StreamHandler<Decoded<Method["requestType"]>, Decoded<Method["responseType"]>>
    : never
  : Method extends { readonly responseStream: true }
    ? ServerStreamHandler<Decoded<Method["requestType"]>, Decoded<Method["responseType"]>>
    : UnaryHandler<Decoded<Method["requestType"]>, Decoded<Method["responseType"]>>;

/** One handler per method of a service. (No service of ours streams requests without streaming responses.) */
export type ServiceHandlers<Definition extends ServiceDefinition> = {
  readonly [Name in keyof Definition["methods"]]: HandlerOf<Definition["methods"][Name]>;
};
