// Sketches of sets at the wire: request to rule, outcome to answer.

import { addElements, countElements, mergeSketches, sketchesMax } from "../cache/hyperloglog.js";
import { cacheLimits } from "../cache/limits.js";
import {
  AddElementsRequest,
  AddElementsResponse,
  type HyperLogLogServiceDefinition,
} from "../gen/forebay/cache/v1/hyperloglog_service.js";
import type { Key as WireKey, Value as WireValue } from "../gen/forebay/cache/v1/item.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { checkCount, parseExpiry, parseKey, parseKeyForm, parseValue } from "./cache-parse.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import type { Violations } from "./violations.js";

export type HyperLogLogHandlers = ServiceHandlers<typeof HyperLogLogServiceDefinition>;

/** About what a sketch writes. */
const sketchBytes = 12_288;

export function createHyperLogLogHandlers(parts: CacheHandlerParts): HyperLogLogHandlers {
  const { handle, handleOnce } = createValueCalls(parts);
  return {
    addElements: handleOnce(
      {
        name: "HyperLogLogAdd",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          elements: parseElements(violations, request.elements),
          expiry: parseExpiry(violations, "expiry", request.expiry),
        }),
        bytesOf: () => sketchBytes,
        rule: addElements,
        render: ({ isChanged, version }) => ({
          changed: isChanged,
          version: BigInt(version),
          replayed: false,
        }),
      },
      { request: AddElementsRequest, response: AddElementsResponse },
    ),

    countElements: handle({
      name: "HyperLogLogCount",
      isLookup: always,
      parse: (violations, request) => {
        if (request.keys.length === 0) {
          violations.add("MISSING_PARAMETER", "keys", "at least one key is needed");
        }
        return { keys: parseSketchKeys(violations, "keys", request.keys) };
      },
      rule: countElements,
      render: ({ count }) => ({ count: BigInt(count) }),
      found: ({ keys }, { items }) => keys.map((key, index) => ({ key, item: items[index] })),
    }),

    mergeSketches: handle({
      name: "HyperLogLogMerge",
      isGrowing: true,
      parse: (violations, request) => ({
        key: parseKey(violations, "destination", request.destination),
        sources: parseSketchKeys(violations, "sources", request.sources),
        expiry: parseExpiry(violations, "expiry", request.expiry),
      }),
      bytesOf: () => sketchBytes,
      rule: mergeSketches,
      render: ({ version }) => ({ version: BigInt(version) }),
    }),
  };
}

const parseSketchKeys = (violations: Violations, field: string, keys: readonly WireKey[]) =>
  checkCount(violations, field, keys.length, sketchesMax)
    ? keys.map((key, index) => parseKey(violations, `${field}[${index}]`, key))
    : [];

function parseElements(violations: Violations, elements: readonly WireValue[]): readonly Buffer[] {
  const { keysMax, keyBytesMax: limit } = cacheLimits;
  if (!checkCount(violations, "elements", elements.length, keysMax)) return [];
  return elements.map((element, index) => {
    const { bytes } = parseValue(element);
    if (bytes.length > limit) {
      const rule = `an element has at most ${limit} bytes, not ${bytes.length}`;
      const metadata = { limit: String(limit), actual: String(bytes.length) };
      violations.add("KEY_TOO_LONG", `elements[${index}]`, rule, metadata);
    }
    return bytes;
  });
}
