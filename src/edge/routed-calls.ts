// Calls that may be served by another node. Each is asked about when it arrives (call-router.ts) and served here, passed on as
// the bytes it came in, or refused. What is served here ends with the tenure it was begun in: a node that leads no more must
// not go on answering, and whether such a call took effect is unknown.

import type { Metadata, ServerDuplexStream, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import {
  isReadOnly,
  type MethodDefinition,
  type StreamHandler,
  type UnaryHandler,
} from "../rpc/call.js";
import { consistencyOf } from "../rpc/parse-consistency.js";
import { GrpcCallContext } from "./call-context.js";
import type { ArrivedCall, CallRouter, Placement, Tenure } from "./call-router.js";
import type { CallShell } from "./call-shell.js";
import { checkedRequest } from "./checked-request.js";
import type { MethodCodec } from "./decode.js";
import { ForwardedRefusal, type Forwarder } from "./forwarder.js";
import { GrpcMessageStream } from "./grpc-streams.js";
import { HeldStream } from "./held-stream.js";

export interface RoutedMethod {
  readonly path: string;
  readonly definition: MethodDefinition;
  readonly shell: CallShell;
  readonly codec: MethodCodec;
}

/** The answer to a unary call. */
interface Reply {
  readonly bytes: Buffer;
  readonly trailers: Metadata;
}

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
type BidiCall = ServerDuplexStream<Buffer, Buffer>;

export function routedUnary(method: RoutedMethod, router: CallRouter) {
  const { shell } = method;
  return (call: UnaryCall, respond: sendUnaryData<Buffer>): void => {
    const startedMs = shell.begin();
    const context = new GrpcCallContext(call, shell);
    const succeed = ({ bytes, trailers }: Reply): void => {
      const wasCancelled = call.cancelled;
      context.finish();
      if (wasCancelled) {
        shell.abandoned(context, startedMs);
        return;
      }
      respond(null, bytes, trailers);
      shell.succeeded(startedMs);
    };
    const fail = (error: unknown): void => {
      context.finish();
      if (error instanceof ForwardedRefusal) {
        respond(error.status);
        shell.relayed(error.status.code, startedMs);
        return;
      }
      const failure = shell.failed(error, context, startedMs);
      failure.metadata.merge(router.trailers());
      respond(failure);
    };
    answerUnary(method, router, call, context).then(succeed, fail);
  };
}

async function answerUnary(
  method: RoutedMethod,
  router: CallRouter,
  call: UnaryCall,
  context: GrpcCallContext,
): Promise<Reply> {
  const { path, codec } = method;
  const isRead = isReadOnly(method.definition);
  // What changes something is passed on without a look into it.
  const request = isRead ? checkedRequest(codec, call.request, context) : undefined;
  const consistency = isRead ? consistencyOf(request) : undefined;
  const placement = await router.place({ path, consistency, context });
  switch (placement.kind) {
    case "nowhere":
      throw placement.fault;
    case "elsewhere": {
      const { bytes, headers, trailers } = await placement.forwarder.unary(call, context);
      if (headers !== undefined && !context.isCancelled) call.sendMetadata(headers);
      return { bytes, trailers };
    }
    case "here": {
      const { tenure } = placement;
      const handle = tenure.handlerOf(path) as UnaryHandler<unknown, unknown>;
      assert(typeof handle === "function", `${path} is served where it is placed`);
      const response = await underTenure(tenure, async () => {
        const given = request ?? checkedRequest(codec, call.request, context);
        const hold = tenure.holdOf(context);
        const answer = await handle(given, context);
        await hold?.();
        return answer;
      });
      return { bytes: codec.encode(response), trailers: tenure.trailers(isRead) };
    }
  }
}

/** Rejects as soon as the tenure ends, whatever becomes of the work. */
function underTenure<Result>(tenure: Tenure, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const forget = tenure.onEnd((fault) => {
      forget();
      reject(fault);
    });
    work().then(resolve, reject).finally(forget);
  });
}

export function routedBidi(method: RoutedMethod, router: CallRouter) {
  return (call: BidiCall): void => {
    const context = new GrpcCallContext(call, method.shell);
    const arrived: ArrivedCall = { path: method.path, consistency: undefined, context };
    // A stream is placed in the very turn in which it arrives, so nothing of it is missed.
    const placement = router.place(arrived) as Placement;
    assert(!(placement instanceof Promise), "streams ask for no particular state");
    if (placement.kind === "elsewhere") {
      void passOnStream(method, placement.forwarder, call, context, router);
      return;
    }
    const { tenure } = placement.kind === "here" ? placement : { tenure: undefined };
    const stream = new GrpcMessageStream(call, {
      shell: method.shell,
      codec: method.codec,
      context,
      trailers: () => tenure?.trailers(false) ?? router.trailers(),
    });
    if (placement.kind === "nowhere") stream.fail(placement.fault);
    else serveStream(method, placement.tenure, stream, call, context, router);
  };
}

function serveStream(
  { path }: RoutedMethod,
  tenure: Tenure,
  stream: GrpcMessageStream,
  call: BidiCall,
  context: GrpcCallContext,
  router: CallRouter,
): void {
  // Also at the beginning, since the end of a stream may be hours away.
  call.sendMetadata(router.trailers());
  const forget = tenure.onEnd((fault) => stream.fail(fault));
  context.onCancelled(forget);
  const handle = tenure.handlerOf(path) as StreamHandler<unknown, unknown>;
  try {
    assert(typeof handle === "function", `${path} is served where it is placed`);
    const hold = tenure.holdOf(context);
    handle(hold === undefined ? stream : new HeldStream(stream, hold), context);
  } catch (error) {
    stream.fail(error);
  }
}

async function passOnStream(
  { shell }: RoutedMethod,
  forwarder: Forwarder,
  call: BidiCall,
  context: GrpcCallContext,
  router: CallRouter,
): Promise<void> {
  const startedMs = shell.begin();
  const isGone = (): boolean => {
    const wasCancelled = call.cancelled;
    context.finishStream();
    if (wasCancelled) shell.abandoned(context, startedMs);
    return wasCancelled;
  };
  try {
    const { metadata } = await forwarder.bidi(call, context);
    if (isGone()) return;
    call.end(metadata);
    shell.succeeded(startedMs);
  } catch (error) {
    if (isGone()) return;
    if (error instanceof ForwardedRefusal) {
      call.emit("error", error.status);
      shell.relayed(error.status.code, startedMs);
      return;
    }
    const failure = shell.failed(error, context, startedMs);
    failure.metadata.merge(router.trailers());
    call.emit("error", failure);
  }
}
