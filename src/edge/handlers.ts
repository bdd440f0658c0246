// From grpc-js calls to our handlers: one wrapper per kind of call, put around every method of a service at registration. It
// is the one place where calls are counted, where undecodable requests are answered, and where whatever a handler throws
// becomes a status (call-shell.ts).
//
// This is the hottest code above the engine. It uses no grpc-js interceptors, allocates one context per call and looks at
// deadline and cancellation only when asked. Measured against a bare grpc-js handler: see bench. Services whose calls may be
// served by another node have wrappers of their own (routed-calls.ts), so a node alone pays nothing for those.

import type {
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import {
  type CallContext,
  isReadOnly,
  type MethodDefinition,
  type ServerStreamHandler,
  type ServiceDefinition,
  type ServiceHandlers,
  type StreamHandler,
  type UnaryHandler,
} from "../rpc/call.js";
import { consistencyOf } from "../rpc/parse-consistency.js";
import { GrpcCallContext } from "./call-context.js";
import type { CallRouter } from "./call-router.js";
import { type CallShell, type HandlerOptions, Outcomes } from "./call-shell.js";
import { checkedRequest } from "./checked-request.js";
import { asBytes, type MethodCodec, methodCodec } from "./decode.js";
import { GrpcMessageStream, GrpcResponseStream } from "./grpc-streams.js";
import { type RoutedMethod, routedUnary } from "./routed-calls.js";
import { routedBidi, routedServerStream } from "./routed-streams.js";

/** Registers services on a grpc-js server. */
export interface Registrar {
  add<Definition extends ServiceDefinition>(
    server: Server,
    definition: Definition,
    handlers: ServiceHandlers<Definition>,
  ): void;
  /** A service whose calls go where the router says, each time. */
  addRouted(server: Server, definition: ServiceDefinition, router: CallRouter): void;
}

export function createRegistrar(options: HandlerOptions): Registrar {
  const outcomes = new Outcomes(options);
  const register = (
    server: Server,
    definition: ServiceDefinition,
    method: MethodDefinition,
    wrap: (kind: CallKind, routed: RoutedMethod) => CallHandler,
  ): void => {
    const path = `/${definition.fullName}/${method.name}`;
    const kind = kindOf(method);
    const shell = outcomes.shellOf(definition.fullName, method.name);
    const wrapped = wrap(kind, { path, definition: method, shell, codec: methodCodec(method) });
    const isNew = server.register(path, wrapped, asBytes, asBytes, kind);
    assert(isNew, `${path} is registered once`);
  };
  return {
    add: (server, definition, handlers) => {
      for (const [key, method] of Object.entries(definition.methods)) {
        // The type of `handlers` promises a handler of the right kind for every method of the definition.
        const handler: unknown = handlers[key];
        assert(typeof handler === "function", `${method.name} has a handler`);
        register(server, definition, method, (kind, { shell, codec }) =>
          wrapLocal(kind, shell, codec, handlerOf(kind, method, handler)),
        );
      }
    },
    addRouted: (server, definition, router) => {
      for (const method of Object.values(definition.methods)) {
        register(server, definition, method, (kind, routed) => wrapRouted(kind, routed, router));
      }
    },
  };
}

type CallHandler = ReturnType<typeof wrapLocal> | ReturnType<typeof wrapRouted>;

type CallKind = "unary" | "serverStream" | "bidi";

function kindOf({ name, requestStream, responseStream }: MethodDefinition): CallKind {
  assert(responseStream || !requestStream, `${name} does not stream requests into one response`);
  if (requestStream) return "bidi";
  return responseStream ? "serverStream" : "unary";
}

function wrapLocal(kind: CallKind, shell: CallShell, codec: MethodCodec, handler: unknown) {
  switch (kind) {
    case "unary":
      return unaryCall(shell, codec, handler as UnaryHandler<unknown, unknown>);
    case "serverStream":
      return serverStreamCall(shell, codec, handler as ServerStreamHandler<unknown, unknown>);
    case "bidi":
      return bidiCall(shell, codec, handler as StreamHandler<unknown, unknown>);
  }
}

function wrapRouted(kind: CallKind, method: RoutedMethod, router: CallRouter) {
  switch (kind) {
    case "unary":
      return routedUnary(method, router);
    case "bidi":
      return routedBidi(method, router);
    case "serverStream":
      return routedServerStream(method, router);
  }
}

function unaryCall(shell: CallShell, codec: MethodCodec, handle: UnaryHandler<unknown, unknown>) {
  return (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>): void => {
    const startedMs = shell.begin();
    const context = new GrpcCallContext(call, shell);
    const fail = (error: unknown): void => {
      context.finish();
      respond(shell.failed(error, context, startedMs));
    };
    const succeed = (response: unknown): void => {
      const wasCancelled = call.cancelled;
      if (wasCancelled) {
        context.finish();
        shell.abandoned(context, startedMs);
        return;
      }
      let bytes: Buffer;
      try {
        bytes = codec.encode(response);
      } catch (error) {
        fail(error);
        return;
      }
      context.finish();
      respond(null, bytes);
      shell.succeeded(startedMs);
    };
    let answer: unknown;
    try {
      answer = handle(checkedRequest(codec, call.request, context), context);
    } catch (error) {
      fail(error);
      return;
    }
    if (answer instanceof Promise) answer.then(succeed, fail);
    else succeed(answer);
  };
}

/** A node alone answers every read from the latest state; a wish for another that makes no sense is refused there, too. */
function handlerOf(kind: CallKind, method: MethodDefinition, handler: unknown): unknown {
  if (kind !== "unary" || !isReadOnly(method)) return handler;
  const handle = handler as UnaryHandler<unknown, unknown>;
  return (request: unknown, context: CallContext) => {
    consistencyOf(request);
    return handle(request, context);
  };
}

function serverStreamCall(
  shell: CallShell,
  codec: MethodCodec,
  handle: ServerStreamHandler<unknown, unknown>,
) {
  return (call: ServerWritableStream<Buffer, Buffer>): void => {
    const context = new GrpcCallContext(call, shell);
    const stream = new GrpcResponseStream(call, { shell, codec, context });
    try {
      handle(checkedRequest(codec, call.request, context), stream, context);
    } catch (error) {
      stream.fail(error);
    }
  };
}

function bidiCall(shell: CallShell, codec: MethodCodec, handle: StreamHandler<unknown, unknown>) {
  return (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const context = new GrpcCallContext(call, shell);
    const stream = new GrpcMessageStream(call, { shell, codec, context });
    try {
      handle(stream, context);
    } catch (error) {
      stream.fail(error);
    }
  };
}
