// Streams that may be served by another node, as other calls are (routed-calls.ts): those whose requests and answers both stream,
// and those that answer one request with many. A stream is placed in the very turn in which it arrives, so nothing of it is
// missed, and ends with the tenure it was begun in.
//
// A stream that answers one request only shows something (Tail). Nothing is lost with it, so its caller is always told when
// to ask again.

import type { ServerDuplexStream, ServerWritableStream, StatusObject } from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import type { ServerStreamHandler, StreamHandler } from "../rpc/call.js";
import { WireFault } from "../rpc/status-details.js";
import { GrpcCallContext } from "./call-context.js";
import type { AnswerHold, ArrivedCall, CallRouter, Placement, Tenure } from "./call-router.js";
import { checkedRequest } from "./checked-request.js";
import { ForwardedRefusal, type Forwarder } from "./forwarder.js";
import { GrpcMessageStream, GrpcResponseStream, type StreamParts } from "./grpc-streams.js";
import { HeldResponseStream, HeldStream } from "./held-stream.js";
import type { RoutedMethod } from "./routed-calls.js";

type BidiCall = ServerDuplexStream<Buffer, Buffer>;
type ResponseCall = ServerWritableStream<Buffer, Buffer>;

/** What the two kinds of streams differ in. */
interface StreamKind<Call extends BidiCall | ResponseCall, Stream extends GrpcResponseStream> {
  passOn(forwarder: Forwarder, call: Call, context: GrpcCallContext): Promise<StatusObject>;
  open(call: Call, parts: StreamParts): Stream;
  serve(handler: unknown, served: ServedStream<Call, Stream>): void;
  /** What is told of a stream that ends because who served it did. */
  lost(fault: unknown): unknown;
}

interface ServedStream<Call, Stream> {
  readonly call: Call;
  readonly stream: Stream;
  readonly hold: AnswerHold | undefined;
  readonly method: RoutedMethod;
  readonly context: GrpcCallContext;
}

const bidi: StreamKind<BidiCall, GrpcMessageStream> = {
  passOn: (forwarder, call, context) => forwarder.bidi(call, context),
  open: (call, parts) => new GrpcMessageStream(call, parts),
  serve: (handler, { stream, hold, context }) => {
    const handle = handler as StreamHandler<unknown, unknown>;
    handle(hold === undefined ? stream : new HeldStream(stream, hold), context);
  },
  lost: (fault) => fault,
};

const serverStream: StreamKind<ResponseCall, GrpcResponseStream> = {
  passOn: (forwarder, call, context) => forwarder.serverStream(call, context),
  open: (call, parts) => new GrpcResponseStream(call, parts),
  serve: (handler, { call, stream, hold, method, context }) => {
    const handle = handler as ServerStreamHandler<unknown, unknown>;
    const request = checkedRequest(method.codec, call.request, context);
    handle(request, hold === undefined ? stream : new HeldResponseStream(stream, hold), context);
  },
  lost: (fault) =>
    fault instanceof WireFault && fault.reason === "LEADERSHIP_LOST" ? showsNoMore(fault) : fault,
};

export const routedBidi = (method: RoutedMethod, router: CallRouter) =>
  routedStream(bidi, method, router);

export const routedServerStream = (method: RoutedMethod, router: CallRouter) =>
  routedStream(serverStream, method, router);

function routedStream<Call extends BidiCall | ResponseCall, Stream extends GrpcResponseStream>(
  kind: StreamKind<Call, Stream>,
  method: RoutedMethod,
  router: CallRouter,
) {
  return (call: Call): void => {
    const context = new GrpcCallContext(call, method.shell);
    const arrived: ArrivedCall = { path: method.path, consistency: undefined, context };
    const placement = router.place(arrived) as Placement;
    assert(!(placement instanceof Promise), "streams ask for no particular state");
    if (placement.kind === "elsewhere") {
      void passOnStream(kind, { method, call, context, router }, placement.forwarder);
      return;
    }
    const { tenure } = placement.kind === "here" ? placement : { tenure: undefined };
    const stream = kind.open(call, {
      shell: method.shell,
      codec: method.codec,
      context,
      trailers: () => tenure?.trailers(false) ?? router.trailers(),
    });
    if (placement.kind === "nowhere") stream.fail(placement.fault);
    else serveStream(kind, { method, call, context, router }, placement.tenure, stream);
  };
}

/** A stream that has arrived. */
interface Arrival<Call> {
  readonly method: RoutedMethod;
  readonly call: Call;
  readonly context: GrpcCallContext;
  readonly router: CallRouter;
}

function serveStream<Call extends BidiCall | ResponseCall, Stream extends GrpcResponseStream>(
  kind: StreamKind<Call, Stream>,
  { method, call, context, router }: Arrival<Call>,
  tenure: Tenure,
  stream: Stream,
): void {
  // Also at the beginning, since the end of a stream may be hours away.
  call.sendMetadata(router.trailers());
  const forget = tenure.onEnd((fault) => stream.fail(kind.lost(fault)));
  context.onCancelled(forget);
  const handler = tenure.handlerOf(method.path);
  try {
    assert(typeof handler === "function", `${method.path} is served where it is placed`);
    const hold = tenure.holdOf(context);
    kind.serve(handler, { call, stream, hold, method, context });
  } catch (error) {
    stream.fail(error);
  }
}

async function passOnStream<
  Call extends BidiCall | ResponseCall,
  Stream extends GrpcResponseStream,
>(
  kind: StreamKind<Call, Stream>,
  { method, call, context, router }: Arrival<Call>,
  forwarder: Forwarder,
): Promise<void> {
  const { shell } = method;
  const startedMs = shell.begin();
  const isGone = (): boolean => {
    const wasCancelled = call.cancelled;
    context.finishStream();
    if (wasCancelled) shell.abandoned(context, startedMs);
    return wasCancelled;
  };
  try {
    const { metadata } = await kind.passOn(forwarder, call, context);
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
    const failure = shell.failed(kind.lost(error), context, startedMs);
    failure.metadata.merge(router.trailers());
    call.emit("error", failure);
  }
}

/** About as long as it takes until another node leads. */
const showAgainMs = 250;

const showsNoMore = (cause: WireFault): WireFault =>
  new WireFault({
    code: cause.code,
    reason: cause.reason,
    message:
      "The node that served this stream leads no more, or cannot be reached. Nothing was changed: ask again, any node, and go on after what you saw last.",
    retryAfterMs: showAgainMs,
    cause,
  });
