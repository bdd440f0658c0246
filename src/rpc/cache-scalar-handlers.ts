// Calls on single keys, each made of its operation in the table.

import { accept } from "../queue/rejections.js";
import {
  type CacheHandlerParts,
  type CacheHandlers,
  type CacheTools,
  createCacheTools,
} from "./cache-handler-context.js";
import {
  operationOf,
  prepareOperation,
  type RequestOf,
  type ResponseOf,
  type WireName,
} from "./cache-operations.js";
import { Violations } from "./violations.js";

export function createScalarHandlers(parts: CacheHandlerParts): Pick<CacheHandlers, WireName> {
  const tools = createCacheTools(parts);
  return {
    get: (request) => answer(tools, "get", request),
    getAndTouch: (request) => answer(tools, "getAndTouch", request),
    getAndDelete: (request) => answer(tools, "getAndDelete", request),
    set: (request) => answer(tools, "set", request),
    delete: (request) => answer(tools, "delete", request),
    increment: (request) => answer(tools, "increment", request),
    incrementFloat: (request) => answer(tools, "incrementFloat", request),
    append: (request) => answer(tools, "append", request),
    getRange: (request) => answer(tools, "getRange", request),
    setRange: (request) => answer(tools, "setRange", request),
    copy: (request) => answer(tools, "copy", request),
    rename: (request) => answer(tools, "rename", request),
    updateTtl: (request) => answer(tools, "updateTtl", request),
  };
}

async function answer<Name extends WireName>(
  tools: CacheTools,
  name: Name,
  request: RequestOf<Name>,
): Promise<ResponseOf<Name>> {
  const { method, request: codec, response, isGrowing, isLookup } = operationOf(name);
  const violations = new Violations();
  const address = tools.address(violations, request.cache);
  const prepared = prepareOperation(violations, name, request, "");
  const identity = tools.identify(violations, requestIdOf(request), method, () =>
    codec.encode(changed(request, { requestId: "" })).finish(),
  );
  violations.throwIfAny();
  const { outcome, isReplayed } = await tools.executeOnce(
    {
      name: method,
      address,
      bytes: prepared.bytes,
      isGrowing,
      isLookup: isLookup === true,
      rule: (open, found) => {
        const done = prepared.carryOut(open);
        if (done.kind === "rejected") return done;
        found(done.outcome.found);
        return accept(done.outcome.response);
      },
    },
    identity,
    response,
  );
  return isReplayed ? changed(outcome, { replayed: true }) : outcome;
}

const changed = <Message extends object>(message: Message, fields: object): Message => ({
  ...message,
  ...fields,
});

/** Of a call that may be repeated as it is, there is none. */
const requestIdOf = (request: object): string =>
  "requestId" in request && typeof request.requestId === "string" ? request.requestId : "";
