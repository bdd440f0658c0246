// Sets at the wire: request to rule, outcome to answer.

import type { CacheKey } from "../base/brands.js";
import type { EntryKey } from "../cache/collections/entries.js";
import {
  expireElements,
  findElements,
  lengthOf,
  removeElements,
  sampleElements,
  scanElements,
} from "../cache/collections/keyed.js";
import {
  type SetCombine,
  setAdd,
  setCombine,
  setMove,
  setPop,
  setStore,
} from "../cache/collections/sets.js";
import { cacheLimits } from "../cache/limits.js";
import type { Key as WireKey } from "../gen/forebay/cache/v1/item.js";
import {
  SetMoveRequest,
  SetMoveResponse,
  SetOperation,
  SetPopRequest,
  SetPopResponse,
  type SetServiceDefinition,
} from "../gen/forebay/cache/v1/set_service.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  elementBytes,
  foundCollection,
  lifeOfNew,
  parseElementCount,
  parseElementExpiry,
  parseElements,
  parseLife,
  parseLimit,
  parseScan,
  renderElementTtl,
  versionOfFound,
} from "./cache-collection-parse.js";
import { parseTtlMode } from "./cache-count-parse.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { parseExpiry, parseKey, parseKeyForm, parseKeys } from "./cache-parse.js";
import { renderKey } from "./cache-render.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { timestamp } from "./render.js";
import { parseEnum, type Violations } from "./violations.js";

export type SetHandlers = ServiceHandlers<typeof SetServiceDefinition>;

const kind = "set";

const operations = {
  UNION: "union",
  INTERSECT: "intersect",
  DIFFERENCE: "difference",
} as const satisfies Readonly<Record<string, SetCombine["operation"]>>;

const renderMembers = (members: readonly EntryKey[]): WireKey[] =>
  members.map((member) => renderKey(member as CacheKey));

export function createSetHandlers(parts: CacheHandlerParts): SetHandlers {
  const { handle, handleOnce } = createValueCalls(parts);
  const { pageTokens } = parts;
  return {
    setAdd: handle({
      name: "SetAdd",
      isGrowing: true,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        members: parseElements(violations, "members", request.members),
        memberExpiry: parseExpiry(violations, "member_expiry", request.memberExpiry),
        life: parseLife(violations, request),
      }),
      bytesOf: ({ members }) => elementBytes(members),
      rule: setAdd,
      render: ({ added, length, version }) => ({
        added: BigInt(added),
        length: BigInt(length),
        version: BigInt(version),
      }),
    }),

    setRemove: handle({
      name: "SetRemove",
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          elements: parseElements(violations, "members", request.members),
        }) as const,
      bytesOf: ({ elements }) => elementBytes(elements),
      rule: removeElements,
      render: ({ removed, length, version }) => ({
        removed: BigInt(removed),
        length: BigInt(length),
        version: BigInt(version),
      }),
    }),

    setContains: handle({
      name: "SetContains",
      isLookup: always,
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          elements: parseElements(violations, "members", request.members),
        }) as const,
      rule: (open, order) => findElements(open, order),
      render: (found, order) => ({
        found: found !== undefined,
        members: order.elements.map((_member, at) => {
          const entry = found?.elements[at];
          return {
            found: entry !== undefined,
            expireTime: entry?.expiresAt === undefined ? undefined : timestamp(entry.expiresAt),
          };
        }),
        version: versionOfFound(found),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    setScan: handle({
      name: "SetScan",
      isLookup: always,
      parse: (violations, request) => {
        const key = parseKeyForm(violations, "", request.keyForm);
        return {
          ...parseScan(violations, pageTokens, { key, cache: request.cache, request }),
          kind,
          bytesMax: answerBytesMax,
          wantsValues: false,
        } as const;
      },
      rule: (open, order) => scanElements(open, order),
      render: (page, order) => ({
        found: page !== undefined,
        members: renderMembers(page?.entries.map((entry) => entry.key) ?? []),
        nextCursor: page?.next === undefined ? "" : pageTokens.encode(order.scope, page.next),
        version: versionOfFound(page),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    setPop: handleOnce(
      {
        name: "SetPop",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          count: parseElementCount(violations, request.count),
        }),
        bytesOf: ({ count }) => count * 32,
        rule: setPop,
        render: (popped) => ({
          found: popped !== undefined,
          members: renderMembers(popped?.members ?? []),
          length: BigInt(popped?.length ?? 0),
          version: BigInt(popped?.version ?? 0),
          replayed: false,
        }),
      },
      { request: SetPopRequest, response: SetPopResponse },
    ),

    setSample: handle({
      name: "SetSample",
      isLookup: always,
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          count: parseElementCount(violations, request.count),
          withRepeats: request.withRepeats,
        }) as const,
      rule: sampleElements,
      render: (sampled) => ({
        found: sampled !== undefined,
        members: renderMembers(sampled?.entries.map((entry) => entry.key) ?? []),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    setMove: handleOnce(
      {
        name: "SetMove",
        isGrowing: true,
        parse: (violations, request) => ({
          source: parseKey(violations, "source", request.source),
          destination: parseKey(violations, "destination", request.destination),
          member: parseKey(violations, "member", request.member),
          life: parseLife(violations, request),
        }),
        rule: setMove,
        render: ({ isMoved, version }) => ({
          moved: isMoved,
          version: BigInt(version),
          replayed: false,
        }),
      },
      { request: SetMoveRequest, response: SetMoveResponse },
    ),

    setCombine: handle({
      name: "SetCombine",
      isLookup: always,
      parse: (violations, request) => ({
        ...parseCombine(violations, request),
        limit: parseLimit(violations, request.limit, cacheLimits.elementsMax),
        countOnly: request.countOnly,
      }),
      rule: (open, order) => setCombine(open, order),
      render: (members, { countOnly }) => ({
        members: countOnly ? [] : renderMembers(members),
        count: BigInt(members.length),
      }),
    }),

    setStore: handle({
      name: "SetStore",
      isGrowing: true,
      parse: (violations, request) => ({
        ...parseCombine(violations, request),
        limit: cacheLimits.combinedElementsMax,
        destination: parseKey(violations, "destination", request.destination),
        life: lifeOfNew(violations, request.expiry),
      }),
      rule: setStore,
      render: ({ length, version }) => ({ length: BigInt(length), version: BigInt(version) }),
    }),

    setExpire: handle({
      name: "SetExpire",
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          elements: parseElements(violations, "members", request.members),
          expiry: parseElementExpiry(violations, "member_expiry", request.memberExpiry),
          mode: parseTtlMode(violations, "mode", request.mode),
        }) as const,
      bytesOf: ({ elements }) => elementBytes(elements),
      rule: expireElements,
      render: (members) => ({ members: members.map(renderElementTtl) }),
    }),

    setLength: handle({
      name: "SetLength",
      isLookup: always,
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
        }) as const,
      rule: lengthOf,
      render: (counted) => ({
        found: counted !== undefined,
        length: BigInt(counted?.length ?? 0),
        version: versionOfFound(counted),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),
  };
}

function parseCombine(
  violations: Violations,
  request: { readonly keys: readonly WireKey[]; readonly operation: SetOperation },
): Pick<SetCombine, "keys" | "operation"> {
  if (request.keys.length === 0) {
    violations.add("MISSING_PARAMETER", "keys", "at least one key is needed");
  }
  const operation = parseEnum(violations, "operation", request.operation, SetOperation);
  if (operation === undefined) {
    violations.add("MISSING_PARAMETER", "operation", "is needed: UNION, INTERSECT or DIFFERENCE");
  }
  return {
    keys: parseKeys(violations, request.keys),
    operation: operations[operation ?? "UNION"],
  };
}
