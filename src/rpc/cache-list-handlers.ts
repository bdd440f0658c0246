// Lists at the wire: request to rule, outcome to answer.

import { milliseconds } from "../base/brands.js";
import { lengthOf } from "../cache/collections/keyed.js";
import {
  type Indexes,
  type ListEnd,
  listErase,
  listFetch,
  listInsert,
  listMove,
  listPop,
  listPosition,
  listPush,
  listRemove,
  listRetain,
  listSet,
} from "../cache/collections/lists.js";
import { cacheLimits } from "../cache/limits.js";
import { CollectionEnd } from "../gen/forebay/cache/v1/collection.js";
import {
  ListEraseRequest,
  ListEraseResponse,
  ListInsertOutcome,
  ListInsertRequest,
  ListInsertResponse,
  ListMoveRequest,
  ListMoveResponse,
  ListPopRequest,
  ListPopResponse,
  ListPushRequest,
  ListPushResponse,
  type ListRange,
  ListRemoveRequest,
  ListRemoveResponse,
  ListRetainRequest,
  ListRetainResponse,
  type ListServiceDefinition,
  ListSetRequest,
  ListSetResponse,
} from "../gen/forebay/cache/v1/list_service.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  foundCollection,
  parseElementCount,
  parseLife,
  parseLimit,
  parseValues,
  parseWhole,
  valueBytes,
  versionOfFound,
} from "./cache-collection-parse.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { checkCount, parseKey, parseKeyForm, parseValue } from "./cache-parse.js";
import { renderValue } from "./cache-render.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { parseCount, parseDuration, parseEnum, type Violations } from "./violations.js";

export type ListHandlers = ServiceHandlers<typeof ListServiceDefinition>;

const ends = { FRONT: "front", BACK: "back" } as const satisfies Readonly<Record<string, ListEnd>>;
const rangesMax = 1_000;
const waitMsMax = milliseconds(60_000);

export function createListHandlers(parts: CacheHandlerParts): ListHandlers {
  const { handle, handleOnce, handleWaiting } = createValueCalls(parts);
  return {
    listPush: handleOnce(
      {
        name: "ListPush",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          end: parseEnd(violations, "end", request.end),
          values: parseValues(violations, "values", request.values),
          isReversed: request.reverse,
          truncateTo: parseWhole(violations, "truncate_to", request.truncateTo) ?? 0,
          requiresExisting: request.onlyIfExists,
          life: parseLife(violations, request),
        }),
        bytesOf: ({ values }) => valueBytes(values),
        rule: listPush,
        render: renderChanged,
      },
      { request: ListPushRequest, response: ListPushResponse },
    ),

    listPop: handleWaiting(
      {
        name: "ListPop",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          end: parseEnd(violations, "end", request.end),
          count: parseElementCount(violations, request.count, 1),
          waitMs: parseWait(violations, request.wait),
          bytesMax: answerBytesMax,
        }),
        rule: (open, order) => listPop(open, order),
        render: (popped) => ({
          found: popped !== undefined,
          values: popped?.values.map(renderValue) ?? [],
          length: BigInt(popped?.length ?? 0),
          version: BigInt(popped?.version ?? 0),
          timedOut: false,
          replayed: false,
        }),
        waitsFor: ({ key }) => key,
        isNothing: ({ found }) => !found,
        timedOut: ({ waitMs }) => ({
          found: false,
          values: [],
          length: 0n,
          version: 0n,
          timedOut: waitMs > 0,
          replayed: false,
        }),
        giveBack: (open, { key, end }, { values }) =>
          listPush(open, {
            key,
            end,
            values: values.map(parseValue),
            // What was taken first was the outermost.
            isReversed: end === "back",
            truncateTo: 0,
            requiresExisting: false,
            life: { expiry: { kind: "default" }, policy: "set_on_create" },
          }),
      },
      { request: ListPopRequest, response: ListPopResponse },
    ),

    listFetch: handle({
      name: "ListFetch",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        ...parseIndexes(request),
        countMax: parseLimit(violations, request.limit),
        bytesMax: answerBytesMax,
      }),
      rule: (open, order) => listFetch(open, order),
      render: (fetched) => ({
        found: fetched !== undefined,
        values: fetched?.values.map(renderValue) ?? [],
        nextStart: BigInt(fetched?.next ?? 0),
        length: BigInt(fetched?.collection.length ?? 0),
        version: versionOfFound(fetched),
      }),
      found: (order, fetched) => foundCollection(order, fetched),
    }),

    listRetain: handleOnce(
      {
        name: "ListRetain",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          ...parseIndexes(request),
        }),
        rule: listRetain,
        render: renderRemoved,
      },
      { request: ListRetainRequest, response: ListRetainResponse },
    ),

    listSet: handleOnce(
      {
        name: "ListSet",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          index: Number(request.index),
          value: parseValue(request.value),
        }),
        bytesOf: ({ value }) => value.bytes.length,
        rule: listSet,
        render: renderChanged,
      },
      { request: ListSetRequest, response: ListSetResponse },
    ),

    listInsert: handleOnce(
      {
        name: "ListInsert",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          pivot: parseValue(request.pivot).bytes,
          isBefore: !request.after,
          value: parseValue(request.value),
        }),
        bytesOf: ({ value }) => value.bytes.length,
        rule: listInsert,
        render: (inserted) => ({
          outcome: insertOutcomes[inserted.kind],
          ...renderChanged(inserted),
        }),
      },
      { request: ListInsertRequest, response: ListInsertResponse },
    ),

    listRemove: handleOnce(
      {
        name: "ListRemove",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          value: parseValue(request.value).bytes,
          count: Number(request.count),
        }),
        rule: listRemove,
        render: renderRemoved,
      },
      { request: ListRemoveRequest, response: ListRemoveResponse },
    ),

    listErase: handleOnce(
      {
        name: "ListErase",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          ranges: parseRanges(violations, request.ranges),
        }),
        rule: listErase,
        render: renderRemoved,
      },
      { request: ListEraseRequest, response: ListEraseResponse },
    ),

    listPosition: handle({
      name: "ListPosition",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        value: parseValue(request.value).bytes,
        isReversed: request.reverse,
        count: parseCount(violations, "count", request.count || undefined, countRange) ?? 1,
      }),
      rule: (open, order) => listPosition(open, order),
      render: (positions) => ({
        found: positions !== undefined,
        indexes: positions?.indexes.map(BigInt) ?? [],
        version: versionOfFound(positions),
      }),
      found: (order, positions) => foundCollection(order, positions),
    }),

    listLength: handle({
      name: "ListLength",
      isLookup: always,
      parse: (violations, request) =>
        ({ key: parseKeyForm(violations, "", request.keyForm), kind: "list" }) as const,
      rule: (open, order) => lengthOf(open, order),
      render: (counted) => ({
        found: counted !== undefined,
        length: BigInt(counted?.length ?? 0),
        version: versionOfFound(counted),
      }),
      found: (order, counted) => foundCollection(order, counted),
    }),

    listMove: handleWaiting(
      {
        name: "ListMove",
        isGrowing: true,
        parse: (violations, request) => ({
          source: parseKey(violations, "source", request.source),
          from: parseEnd(violations, "from", request.from),
          destination: parseKey(violations, "destination", request.destination),
          to: parseEnd(violations, "to", request.to),
          waitMs: parseWait(violations, request.wait),
          life: parseLife(violations, request),
        }),
        rule: (open, order) => listMove(open, order),
        render: (moved) => ({
          moved: moved !== undefined,
          value: moved && renderValue(moved.value),
          length: BigInt(moved?.length ?? 0),
          version: BigInt(moved?.version ?? 0),
          timedOut: false,
          replayed: false,
        }),
        waitsFor: ({ source }) => source,
        isNothing: ({ moved }) => !moved,
        timedOut: ({ waitMs }) => ({
          moved: false,
          length: 0n,
          version: 0n,
          timedOut: waitMs > 0,
          replayed: false,
        }),
        // What was moved is not lost, whoever hears of it.
        giveBack: undefined,
      },
      { request: ListMoveRequest, response: ListMoveResponse },
    ),
  };
}

const countRange = { min: 1, max: cacheLimits.elementsMax };

const insertOutcomes = {
  inserted: ListInsertOutcome.INSERTED,
  pivot_absent: ListInsertOutcome.NOT_FOUND_PIVOT,
  missing: ListInsertOutcome.MISSING,
} as const;

interface Changed {
  readonly length: number;
  readonly version: number;
}

const renderChanged = ({ length, version }: Changed) => ({
  length: BigInt(length),
  version: BigInt(version),
  replayed: false,
});

const renderRemoved = ({ removed, ...changed }: Changed & { readonly removed: number }) => ({
  removed: BigInt(removed),
  ...renderChanged(changed),
});

const parseEnd = (violations: Violations, field: string, end: CollectionEnd): ListEnd =>
  ends[parseEnum(violations, field, end, CollectionEnd) ?? "FRONT"];

export const parseWait = (violations: Violations, wait: Duration | undefined): number =>
  parseDuration(violations, "wait", wait, { minMs: 0, maxMs: waitMsMax }) ?? 0;

const parseIndexes = ({ start, end }: ListRange): Indexes => ({
  start: Number(start),
  end: end === undefined ? undefined : Number(end),
});

const parseRanges = (violations: Violations, ranges: readonly ListRange[]): readonly Indexes[] =>
  checkCount(violations, "ranges", ranges.length, rangesMax) ? ranges.map(parseIndexes) : [];
