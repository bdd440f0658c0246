// Calls on values that have a form of their own (bitmaps, sketches, limits of rates) as handlers: each says how its request is
// read, which rule it is, and how the outcome is answered.

import type { CacheKey } from "../base/brands.js";
import type { Item } from "../cache/model.js";
import type { OpenCache } from "../cache/open-cache.js";
import type { CacheDecided } from "../cache/rejections.js";
import { accept } from "../queue/rejections.js";
import type { MessageCodec } from "./cache-found.js";
import {
  type Beside,
  type CacheCall,
  type CacheHandlerParts,
  createCacheTools,
} from "./cache-handler-context.js";
import type { UnaryHandler } from "./call.js";
import { Violations } from "./violations.js";

interface CacheRequest {
  readonly cache: string;
}

interface RepeatableRequest extends CacheRequest {
  readonly requestId: string;
}

interface RepeatableResponse {
  readonly replayed: boolean;
}

export interface ValueCall<Request, Order, Outcome, Response> {
  readonly name: string;
  /** Whether it stores something new. */
  readonly isGrowing?: boolean;
  /** Always returns one; whether it is good, `violations` say. */
  parse(violations: Violations, request: Request): Order;
  rule(open: OpenCache, order: Order, beside: Beside): CacheDecided<Outcome>;
  render(outcome: Outcome, order: Order): Response;
  /** About how many bytes it writes. */
  bytesOf?(order: Order): number;
  /** Whether it changes nothing, or seldom. */
  isLookup?(order: Order): boolean;
  /** What it found, of one that counts as a read. */
  found?(order: Order, outcome: Outcome): readonly FoundItem[];
}

export interface Waitable {
  /** 0: not at all. */
  readonly waitMs: number;
}

export interface WaitingValueCall<Request, Order extends Waitable, Outcome, Response>
  extends ValueCall<Request, Order, Outcome, Response> {
  waitsFor(order: Order): CacheKey;
  /** Whether it would wait for more. */
  isNothing(response: Response): boolean;
  /** The answer when the wait ends with nothing. */
  timedOut(order: Order): Response;
  /** Puts back what was taken for somebody who is gone; undefined: nothing is lost that way. */
  readonly giveBack:
    | ((open: OpenCache, order: Order, response: Response) => CacheDecided<unknown>)
    | undefined;
}

export interface FoundItem {
  readonly key: CacheKey;
  /** Undefined: nothing. */
  readonly item: Item | undefined;
}

export interface OnceCodecs<Request, Response> {
  readonly request: MessageCodec<Request>;
  readonly response: MessageCodec<Response>;
}

export function createValueCalls(parts: CacheHandlerParts) {
  const tools = createCacheTools(parts);

  /** What a request asks, checked but not yet thrown for. */
  function prepare<Request extends CacheRequest, Order, Outcome, Response>(
    violations: Violations,
    call: ValueCall<Request, Order, Outcome, Response>,
    request: Request,
  ): CacheCall<Response> {
    const { name } = call;
    const address = tools.address(violations, request.cache);
    const order = call.parse(violations, request);
    const isLookup = call.isLookup?.(order) ?? false;
    return {
      name,
      address,
      // What only looks is answered while the storage is full, too.
      isGrowing: call.isGrowing === true && !isLookup,
      isLookup,
      bytes: call.bytesOf?.(order) ?? 0,
      rule: (open, found, beside) => {
        const done = call.rule(open, order, beside);
        if (done.kind === "rejected") return done;
        for (const { key, item } of call.found?.(order, done.outcome) ?? []) {
          found({ kind: item === undefined ? "miss" : "hit", key, item });
        }
        return accept(call.render(done.outcome, order));
      },
    };
  }

  /** For calls that may be repeated as they are. */
  const handle =
    <Request extends CacheRequest, Order, Outcome, Response>(
      call: ValueCall<Request, Order, Outcome, Response>,
    ) =>
    async (request: Request): Promise<Response> => {
      const violations = new Violations();
      const prepared = prepare(violations, call, request);
      violations.throwIfAny();
      return tools.execute(prepared);
    };

  /** For calls that a request id makes repeatable. */
  const handleOnce =
    <Request extends RepeatableRequest, Order, Outcome, Response extends RepeatableResponse>(
      call: ValueCall<Request, Order, Outcome, Response>,
      codecs: OnceCodecs<Request, Response>,
    ) =>
    async (request: Request): Promise<Response> => {
      const violations = new Violations();
      const prepared = prepare(violations, call, request);
      const identity = tools.identify(violations, request.requestId, call.name, () =>
        codecs.request.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await tools.executeOnce(prepared, identity, codecs.response);
      return isReplayed ? { ...outcome, replayed: true } : outcome;
    };

  /** As `handleOnce`, for calls that may wait for their key to have something. */
  const handleWaiting =
    <
      Request extends RepeatableRequest,
      Order extends Waitable,
      Outcome,
      Response extends RepeatableResponse,
    >(
      call: WaitingValueCall<Request, Order, Outcome, Response>,
      codecs: OnceCodecs<Request, Response>,
    ): UnaryHandler<Request, Response> =>
    async (request, context) => {
      const violations = new Violations();
      const order = call.parse(violations, request);
      const prepared = prepare(violations, { ...call, parse: () => order }, request);
      const identity = tools.identify(violations, request.requestId, call.name, () =>
        codecs.request.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const waiting = {
        key: call.waitsFor(order),
        waitMs: order.waitMs,
        context,
        isNothing: call.isNothing,
        timedOut: () => call.timedOut(order),
        giveBack: async (response: Response) => {
          const { giveBack } = call;
          if (giveBack === undefined) return;
          await tools.execute({
            name: call.name,
            address: prepared.address,
            rule: (open) => giveBack(open, order, response),
          });
        },
      };
      const { outcome, isReplayed } = await tools.executeOrWait(
        prepared,
        waiting,
        identity,
        codecs.response,
      );
      return isReplayed ? { ...outcome, replayed: true } : outcome;
    };

  return { handle, handleOnce, handleWaiting };
}

/** For calls that only look. */
export const always = (): boolean => true;
