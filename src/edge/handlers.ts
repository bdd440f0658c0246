// From grpc-js calls to our handlers: one wrapper per kind of call, put around every method of a service at registration. It
// is the one place where calls are counted, where undecodable requests are answered, and where whatever a handler throws
// becomes a status: a WireFault as it is, anything else INTERNAL with an incident number, its text in our log only.
//
// This is the hottest code above the engine. It uses no grpc-js interceptors, allocates one context per call and looks at
// deadline and cancellation only when asked. Measured against a bare grpc-js handler: see bench.

import {
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type {
  MessageStream,
  MethodDefinition,
  ResponseStream,
  ServerStreamHandler,
  ServiceDefinition,
  ServiceHandlers,
  StreamHandler,
  UnaryHandler,
} from "../rpc/call.js";
import { statusObjectOf, WireFault } from "../rpc/status-details.js";
import { type CallSurroundings, GrpcCallContext } from "./call-context.js";
import {
  type Decoded,
  type MessageCodec,
  malformedRequest,
  requestDecoder,
  responseEncoder,
} from "./decode.js";
import { createFailedCallsLog, type FailedCallsLog } from "./failed-calls-log.js";
import type { MethodMeter, Metrics } from "./metrics.js";

export interface HandlerOptions {
  readonly clock: Clock;
  /** The wall clock, in which grpc-js keeps deadlines. */
  readonly wallMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Turns errors of the floors below, as a full disk, into what callers are told; undefined: a bug. */
  readonly translateError?: (error: unknown) => WireFault | undefined;
}

/** Registers services on a grpc-js server. */
export interface Registrar {
  add<Definition extends ServiceDefinition>(
    server: Server,
    definition: Definition,
    handlers: ServiceHandlers<Definition>,
  ): void;
}

export function createRegistrar(options: HandlerOptions): Registrar {
  const outcomes = new Outcomes(options);
  return {
    add: (server, definition, handlers) => {
      for (const [key, method] of Object.entries(definition.methods)) {
        // The type of `handlers` promises a handler of the right kind for every method of the definition.
        register(server, definition.fullName, method, handlers[key], outcomes);
      }
    },
  };
}

function register(
  server: Server,
  service: string,
  method: MethodDefinition,
  handler: unknown,
  outcomes: Outcomes,
): void {
  const path = `/${service}/${method.name}`;
  assert(typeof handler === "function", `${path} has a handler`);
  const encode = responseEncoder(method.responseType as MessageCodec<unknown>);
  const decode = requestDecoder(method.requestType as MessageCodec<unknown>);
  const shell = outcomes.shellOf(service, method.name);
  const kind = kindOf(method);
  const isNew = server.register(path, wrap(kind, shell, handler), encode, decode, kind);
  assert(isNew, `${path} is registered once`);
}

type CallKind = "unary" | "serverStream" | "bidi";

function kindOf({ name, requestStream, responseStream }: MethodDefinition): CallKind {
  assert(responseStream || !requestStream, `${name} does not stream requests into one response`);
  if (requestStream) return "bidi";
  return responseStream ? "serverStream" : "unary";
}

function wrap(kind: CallKind, shell: CallShell, handler: unknown) {
  switch (kind) {
    case "unary":
      return unaryCall(shell, handler as UnaryHandler<unknown, unknown>);
    case "serverStream":
      return serverStreamCall(shell, handler as ServerStreamHandler<unknown, unknown>);
    case "bidi":
      return bidiCall(shell, handler as StreamHandler<unknown, unknown>);
  }
}

function unaryCall(shell: CallShell, handle: UnaryHandler<unknown, unknown>) {
  return (
    call: ServerUnaryCall<Decoded<unknown>, unknown>,
    respond: sendUnaryData<unknown>,
  ): void => {
    const startedMs = shell.begin();
    const context = new GrpcCallContext(call, shell);
    const fail = (error: unknown): void => {
      context.finish();
      respond(shell.failed(error, context, startedMs));
    };
    const succeed = (response: unknown): void => {
      const wasCancelled = call.cancelled;
      context.finish();
      if (wasCancelled) {
        shell.abandoned(context, startedMs);
        return;
      }
      respond(null, response);
      shell.succeeded(startedMs);
    };
    let answer: unknown;
    try {
      answer = handle(checkRequest(call.request, context), context);
    } catch (error) {
      fail(error);
      return;
    }
    if (answer instanceof Promise) answer.then(succeed, fail);
    else succeed(answer);
  };
}

function serverStreamCall(shell: CallShell, handle: ServerStreamHandler<unknown, unknown>) {
  return (call: ServerWritableStream<Decoded<unknown>, unknown>): void => {
    const context = new GrpcCallContext(call, shell);
    const stream = new GrpcResponseStream(call, shell, context);
    try {
      handle(checkRequest(call.request, context), stream, context);
    } catch (error) {
      stream.fail(error);
    }
  };
}

function bidiCall(shell: CallShell, handle: StreamHandler<unknown, unknown>) {
  return (call: ServerDuplexStream<Decoded<unknown>, unknown>): void => {
    const context = new GrpcCallContext(call, shell);
    const stream = new GrpcMessageStream(call, shell, context);
    try {
      handle(stream, context);
    } catch (error) {
      stream.fail(error);
    }
  };
}

/** The decoded request; throws when there is none, or when nobody waits for the answer any more. */
function checkRequest(request: Decoded<unknown>, context: GrpcCallContext): unknown {
  if (request === malformedRequest) throw malformedFault();
  if (context.isCancelled) throw nobodyWaits();
  return request;
}

const malformedFault = (): WireFault =>
  new WireFault({
    code: status.INVALID_ARGUMENT,
    reason: "MALFORMED_REQUEST",
    message: "The bytes of the request are not a message of the type that this method takes.",
  });

const nobodyWaits = (): WireFault =>
  new WireFault({
    code: status.DEADLINE_EXCEEDED,
    reason: "DEADLINE_EXCEEDED",
    message: "The call was cancelled or its deadline passed before it was begun; nothing was done.",
  });

class GrpcResponseStream implements ResponseStream<unknown> {
  protected readonly call: GrpcWritable;
  protected readonly shell: CallShell;
  protected readonly context: GrpcCallContext;
  readonly #startedMs: number;
  #drained: Promise<void> | undefined;

  constructor(call: GrpcWritable, shell: CallShell, context: GrpcCallContext) {
    this.call = call;
    this.shell = shell;
    this.context = context;
    this.#startedMs = shell.begin();
    context.onCancelled(() => {
      if (context.isFinished) return;
      context.finish();
      shell.abandoned(context, this.#startedMs);
    });
  }

  write(response: unknown): boolean {
    if (this.isOver) return true;
    return this.call.write(response);
  }

  drained(): Promise<void> {
    if (this.isOver || !this.call.writableNeedDrain) return Promise.resolve();
    this.#drained ??= new Promise((resolve) => {
      const settle = (): void => {
        this.#drained = undefined;
        this.call.off("drain", settle).off("close", settle);
        resolve();
      };
      this.call.on("drain", settle).on("close", settle);
    });
    return this.#drained;
  }

  end(): void {
    if (this.isOver) return;
    this.context.finishStream();
    this.call.end();
    this.shell.succeeded(this.#startedMs);
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    this.context.finishStream();
    // grpc-js ends a stream with the status of the error that is emitted, after what was written.
    this.call.emit("error", this.shell.failed(error, this.context, this.#startedMs));
  }

  protected get isOver(): boolean {
    return this.context.isFinished || this.call.cancelled;
  }
}

class GrpcMessageStream extends GrpcResponseStream implements MessageStream<unknown, unknown> {
  readonly #readable: ServerDuplexStream<Decoded<unknown>, unknown>;

  constructor(
    call: ServerDuplexStream<Decoded<unknown>, unknown>,
    shell: CallShell,
    context: GrpcCallContext,
  ) {
    super(call, shell, context);
    this.#readable = call;
  }

  onRequest(receive: (request: unknown) => void): void {
    this.#readable.on("data", (request: Decoded<unknown>) => {
      if (this.isOver) return;
      if (request === malformedRequest) {
        this.fail(malformedFault());
        return;
      }
      try {
        receive(request);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  onRequestsEnd(react: () => void): void {
    this.#readable.once("end", () => {
      if (this.isOver || this.context.isCancelled) return;
      try {
        react();
      } catch (error) {
        this.fail(error);
      }
    });
  }

  pauseRequests(): void {
    this.#readable.pause();
  }

  resumeRequests(): void {
    this.#readable.resume();
  }
}

/** What the two kinds of streaming calls have in common. */
type GrpcWritable =
  | ServerDuplexStream<Decoded<unknown>, unknown>
  | ServerWritableStream<Decoded<unknown>, unknown>;

/** Counts, times and explains the calls of one method. */
interface CallShell extends CallSurroundings {
  /** The monotonic time, for the duration. */
  begin(): number;
  succeeded(startedMs: number): void;
  /** Nobody waited for the answer. */
  abandoned(context: GrpcCallContext, startedMs: number): void;
  /** The status to answer with. */
  failed(
    error: unknown,
    context: GrpcCallContext,
    startedMs: number,
  ): ReturnType<typeof statusObjectOf>;
}

class Outcomes {
  readonly #options: HandlerOptions;
  readonly #failedCalls: FailedCallsLog;
  #incidentCount = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#failedCalls = createFailedCallsLog(options.log, options.clock);
  }

  shellOf(service: string, method: string): CallShell {
    const { clock, wallMs, metrics } = this.#options;
    const meter: MethodMeter = metrics.meter(service, method);
    return {
      clock,
      wallMs,
      begin: () => {
        meter.started();
        return clock.monotonicMs();
      },
      succeeded: (startedMs) => meter.finished("OK", "", clock.monotonicMs() - startedMs),
      abandoned: (context, startedMs) => {
        meter.finished(endOf(context), "", clock.monotonicMs() - startedMs);
      },
      failed: (error, context, startedMs) => {
        const durationMs = clock.monotonicMs() - startedMs;
        const { fault, incident } = this.#faultOf(error);
        if (incident === undefined && context.isCancelled) {
          meter.finished(endOf(context), "", durationMs);
          return statusObjectOf(fault);
        }
        const { code, reason } = fault;
        meter.finished(status[code], reason, durationMs);
        const cause = incident === undefined ? fault.cause : error;
        this.#failedCalls.write({
          service,
          method,
          code,
          reason,
          durationMs,
          ...(incident === undefined ? {} : { incident }),
          ...(cause === undefined ? {} : { error: cause }),
        });
        return statusObjectOf(fault);
      },
      onBug: (error) => {
        this.#options.log.error({ service, method, err: error }, "a cancellation was not handled");
      },
    };
  }

  #faultOf(error: unknown): { readonly fault: WireFault; readonly incident?: string } {
    if (error instanceof WireFault) return { fault: error };
    const translated = this.#options.translateError?.(error);
    if (translated !== undefined) return { fault: translated };
    this.#incidentCount += 1;
    const second = Math.floor(this.#options.clock.now() / 1_000);
    const incident = `${second.toString(36)}-${this.#incidentCount.toString(36)}`;
    const fault = new WireFault({
      code: status.INTERNAL,
      reason: "INTERNAL_ERROR",
      message: `The server failed at this call; its log has the reason under incident ${incident}.`,
      metadata: { incident },
    });
    return { fault, incident };
  }
}

const endOf = (context: GrpcCallContext): string =>
  context.isExpired ? "DEADLINE_EXCEEDED" : "CANCELLED";
