// Calls that may be served by another node. Each is asked about when it arrives (call-router.ts) and served here, passed on as
// the bytes it came in, or refused. What is served here ends with the tenure it was begun in: a node that leads no more must
// not go on answering, and whether such a call took effect is unknown. Streams are in routed-streams.ts.

import type { Metadata, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { assert } from "../base/assert.js";
import { isReadOnly, type MethodDefinition, type UnaryHandler } from "../rpc/call.js";
import { LeaderNeeded } from "../rpc/leader-faults.js";
import { consistencyOf } from "../rpc/parse-consistency.js";
import { GrpcCallContext } from "./call-context.js";
import type { CallRouter, Placement, Tenure } from "./call-router.js";
import type { CallShell } from "./call-shell.js";
import { checkedRequest } from "./checked-request.js";
import type { MethodCodec } from "./decode.js";
import { ForwardedRefusal } from "./forwarder.js";

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
  try {
    return await answerAt(await router.place({ path, consistency, context }));
  } catch (error) {
    if (!(error instanceof LeaderNeeded)) throw error;
    return await answerAt(await router.place({ path, consistency: undefined, context }));
  }

  async function answerAt(placement: Placement): Promise<Reply> {
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
