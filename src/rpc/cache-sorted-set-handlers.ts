// Sorted sets at the wire: request to rule, outcome to answer.

import type { CacheKey } from "../base/brands.js";
import type { Entry } from "../cache/collections/entries.js";
import { sampleElements, scanElements } from "../cache/collections/keyed.js";
import type { Bound, Range } from "../cache/collections/sorted-ranges.js";
import {
  type SortedSetCombine,
  sortedSetCombine,
  sortedSetStore,
} from "../cache/collections/sorted-set-algebra.js";
import {
  type PutRule,
  type RankMode,
  type Scored,
  scoreIn,
  sortedSetCount,
  sortedSetFetch,
  sortedSetIncrement,
  sortedSetPop,
  sortedSetPut,
  sortedSetRanks,
  sortedSetRemove,
  sortedSetRemoveRange,
  sortedSetScores,
  sortedSetStoreRange,
} from "../cache/collections/sorted-sets.js";
import { cacheLimits } from "../cache/limits.js";
import type { Key as WireKey } from "../gen/forebay/cache/v1/item.js";
import {
  CapDrop,
  ScoreAggregate,
  ScoreCompare,
  type ScoredMember,
  ScoreEnd,
  SortedSetIncrementRequest,
  SortedSetIncrementResponse,
  SortedSetMode,
  SortedSetOperation,
  SortedSetPopRequest,
  SortedSetPopResponse,
  type SortedSetRange,
  SortedSetRemoveRangeRequest,
  SortedSetRemoveRangeResponse,
  type SortedSetServiceDefinition,
  type WeightedKey,
  RankMode as WireRankMode,
} from "../gen/forebay/cache/v1/sorted_set_service.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  elementBytes,
  foundCollection,
  lifeOfNew,
  parseElementCount,
  parseElements,
  parseLife,
  parseLimit,
  parseScan,
  parseWhole,
  versionOfFound,
} from "./cache-collection-parse.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { parseWait } from "./cache-list-handlers.js";
import { checkCount, elementOf, parseKey, parseKeyForm } from "./cache-parse.js";
import { renderKey } from "./cache-render.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { parseEnum, type Violations } from "./violations.js";

export type SortedSetHandlers = ServiceHandlers<typeof SortedSetServiceDefinition>;

const kind = "sorted_set";

export function createSortedSetHandlers(parts: CacheHandlerParts): SortedSetHandlers {
  const { handle, handleOnce, handleWaiting } = createValueCalls(parts);
  const { pageTokens } = parts;
  return {
    sortedSetPut: handle({
      name: "SortedSetPut",
      isGrowing: true,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        elements: parseScored(violations, request.elements),
        ...parseRule(violations, request),
        cap: parseWhole(violations, "cap", request.cap) ?? 0,
        capDrop: drops[parseEnum(violations, "cap_drop", request.capDrop, CapDrop) ?? "LOWEST"],
        life: parseLife(violations, request),
      }),
      bytesOf: ({ elements }) => elementBytes(elements.map(({ member }) => member)) * 2,
      rule: sortedSetPut,
      render: ({ added, updated, dropped, length, version }) => ({
        added: BigInt(added),
        updated: BigInt(updated),
        dropped: BigInt(dropped),
        length: BigInt(length),
        version: BigInt(version),
      }),
    }),

    sortedSetIncrement: handleOnce(
      {
        name: "SortedSetIncrement",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          member: parseKey(violations, "member", request.member),
          delta: parseScore(violations, "delta", request.delta),
          ...parseRule(violations, request),
          life: parseLife(violations, request),
        }),
        rule: sortedSetIncrement,
        render: (incremented) => ({
          applied: incremented.kind === "applied",
          score: incremented.score,
          version: BigInt(incremented.version),
          replayed: false,
        }),
      },
      { request: SortedSetIncrementRequest, response: SortedSetIncrementResponse },
    ),

    sortedSetFetch: handle({
      name: "SortedSetFetch",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        range: parseRange(violations, request.range),
        countMax: parseLimit(violations, request.limit),
      }),
      rule: (open, order) => sortedSetFetch(open, order),
      render: (fetched) => ({
        found: fetched !== undefined,
        elements: renderAll(fetched?.elements ?? []),
        hasMore: fetched?.hasMore ?? false,
        length: BigInt(fetched?.collection.length ?? 0),
        version: versionOfFound(fetched),
      }),
      found: (order, fetched) => foundCollection(order, fetched),
    }),

    sortedSetScores: handle({
      name: "SortedSetScores",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        members: parseElements(violations, "members", request.members),
      }),
      rule: (open, order) => sortedSetScores(open, order),
      render: (found, { members }) => ({
        found: found !== undefined,
        members: members.map((_member, at) => {
          const score = found?.scores[at];
          return { found: score !== undefined, score: score ?? 0 };
        }),
        version: versionOfFound(found),
      }),
      found: (order, found) => foundCollection(order, found),
    }),

    sortedSetRanks: handle({
      name: "SortedSetRanks",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        members: parseElements(violations, "members", request.members),
        isReversed: request.reverse,
        mode: rankModes[
          parseEnum(violations, "rank_mode", request.rankMode, WireRankMode) ?? "ORDINAL"
        ],
      }),
      rule: (open, order) => sortedSetRanks(open, order),
      render: (found, { members }) => ({
        found: found !== undefined,
        members: members.map((_member, at) => {
          const ranked = found?.ranks[at];
          const { rank = 0, score = 0 } = ranked ?? {};
          return { found: ranked !== undefined, rank: BigInt(rank), score };
        }),
        version: versionOfFound(found),
      }),
      found: (order, found) => foundCollection(order, found),
    }),

    sortedSetCount: handle({
      name: "SortedSetCount",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        range: request.range === undefined ? everything : parseRange(violations, request.range),
      }),
      rule: (open, order) => sortedSetCount(open, order),
      render: (counted) => ({
        found: counted !== undefined,
        count: BigInt(counted?.count ?? 0),
      }),
      found: (order, counted) => foundCollection(order, counted),
    }),

    sortedSetRemove: handle({
      name: "SortedSetRemove",
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        members: parseElements(violations, "members", request.members),
      }),
      bytesOf: ({ members }) => elementBytes(members),
      rule: sortedSetRemove,
      render: renderRemoved,
    }),

    sortedSetRemoveRange: handleOnce(
      {
        name: "SortedSetRemoveRange",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          range: parseRange(violations, request.range),
        }),
        rule: sortedSetRemoveRange,
        render: (removed) => ({ ...renderRemoved(removed), replayed: false }),
      },
      { request: SortedSetRemoveRangeRequest, response: SortedSetRemoveRangeResponse },
    ),

    sortedSetPop: handleWaiting(
      {
        name: "SortedSetPop",
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          end: scoreEnds[parseEnum(violations, "end", request.end, ScoreEnd) ?? "MIN"],
          count: parseElementCount(violations, request.count, 1),
          waitMs: parseWait(violations, request.wait),
        }),
        rule: (open, order) => sortedSetPop(open, order),
        render: (popped) => ({
          found: popped !== undefined,
          elements: renderAll(popped?.elements ?? []),
          length: BigInt(popped?.length ?? 0),
          version: BigInt(popped?.version ?? 0),
          timedOut: false,
          replayed: false,
        }),
        waitsFor: ({ key }) => key,
        isNothing: ({ found }) => !found,
        timedOut: ({ waitMs }) => ({
          found: false,
          elements: [],
          length: 0n,
          version: 0n,
          timedOut: waitMs > 0,
          replayed: false,
        }),
        giveBack: (open, { key }, { elements }) =>
          sortedSetPut(open, {
            key,
            elements: elements.map(({ member, score }) => ({
              member: elementOf(member),
              score,
            })),
            // Somebody may have put one of them meanwhile.
            mode: "only_new",
            compare: "any",
            cap: 0,
            capDrop: "lowest",
            life: { expiry: { kind: "default" }, policy: "set_on_create" },
          }),
      },
      { request: SortedSetPopRequest, response: SortedSetPopResponse },
    ),

    sortedSetSample: handle({
      name: "SortedSetSample",
      isLookup: always,
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          count: parseElementCount(violations, request.count),
          withRepeats: request.withRepeats,
        }) as const,
      rule: (open, order) => sampleElements(open, order),
      render: (sampled) => ({
        found: sampled !== undefined,
        elements: renderAll(sampled?.entries.map(scoredIn) ?? []),
      }),
      found: (order, sampled) => foundCollection(order, sampled),
    }),

    sortedSetScan: handle({
      name: "SortedSetScan",
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
      render: (page, { scope }) => ({
        found: page !== undefined,
        elements: renderAll(page?.entries.map(scoredIn) ?? []),
        nextCursor: page?.next === undefined ? "" : pageTokens.encode(scope, page.next),
        version: versionOfFound(page),
      }),
      found: (order, page) => foundCollection(order, page),
    }),

    sortedSetStoreRange: handle({
      name: "SortedSetStoreRange",
      isGrowing: true,
      parse: (violations, request) => ({
        key: parseKey(violations, "source", request.source),
        destination: parseKey(violations, "destination", request.destination),
        range: parseRange(violations, request.range),
        life: lifeOfNew(violations, request.expiry),
      }),
      rule: sortedSetStoreRange,
      render: renderStored,
    }),

    sortedSetCombine: handle({
      name: "SortedSetCombine",
      isLookup: always,
      parse: (violations, request) => ({
        ...parseCombine(violations, request),
        countMax: parseLimit(violations, request.limit, cacheLimits.elementsMax),
      }),
      rule: (open, order) => sortedSetCombine(open, order),
      render: (elements, { countMax }) => ({
        elements: renderAll(elements.slice(0, countMax)),
        count: BigInt(elements.length),
      }),
    }),

    sortedSetStore: handle({
      name: "SortedSetStore",
      isGrowing: true,
      parse: (violations, request) => ({
        ...parseCombine(violations, request),
        destination: parseKey(violations, "destination", request.destination),
        life: lifeOfNew(violations, request.expiry),
      }),
      rule: sortedSetStore,
      render: renderStored,
    }),
  };
}

const everything: Range = { by: "rank", start: 0, end: undefined, isReversed: false };

const modes = {
  UPSERT: "upsert",
  ONLY_NEW: "only_new",
  ONLY_EXISTING: "only_existing",
} as const satisfies Readonly<Record<string, PutRule["mode"]>>;

const compares = { ANY: "any", GREATER: "greater", LESS: "less" } as const satisfies Readonly<
  Record<string, PutRule["compare"]>
>;

const drops = { LOWEST: "lowest", HIGHEST: "highest" } as const;
const scoreEnds = { MIN: "min", MAX: "max" } as const;

const rankModes = {
  ORDINAL: "ordinal",
  COMPETITION: "competition",
  DENSE: "dense",
} as const satisfies Readonly<Record<string, RankMode>>;

const operations = {
  UNION: "union",
  INTERSECT: "intersect",
  DIFFERENCE: "difference",
} as const satisfies Readonly<Record<string, SortedSetCombine["operation"]>>;

const aggregates = { SUM: "sum", MIN: "min", MAX: "max" } as const;

function parseScored(violations: Violations, elements: readonly ScoredMember[]): readonly Scored[] {
  if (!checkCount(violations, "elements", elements.length, cacheLimits.elementsMax)) return [];
  return elements.map(({ member, score }, index) => ({
    member: parseKey(violations, `elements[${index}].member`, member),
    score: parseScore(violations, `elements[${index}].score`, score),
  }));
}

function parseScore(violations: Violations, field: string, score: number): number {
  if (Number.isNaN(score)) violations.add("NAN_INPUT", field, "must be a number; infinity is one");
  return score;
}

function parseRule(
  violations: Violations,
  request: { readonly mode: SortedSetMode; readonly compare: ScoreCompare },
): PutRule {
  const mode = modes[parseEnum(violations, "mode", request.mode, SortedSetMode) ?? "UPSERT"];
  const given = parseEnum(violations, "compare", request.compare, ScoreCompare) ?? "ANY";
  const compare = compares[given];
  if (mode === "only_new" && compare !== "any") {
    const rule = "is for members that are there, and mode is ONLY_NEW; leave one of them out";
    violations.add("CONFLICTING_OPTIONS", "compare", rule);
  }
  return { mode, compare };
}

function parseRange(violations: Violations, range: SortedSetRange | undefined): Range {
  const form = range?.range;
  const isReversed = range?.reverse ?? false;
  if (form === undefined) {
    violations.add("BAD_RANGE", "range", "is needed: rank, score or lex");
    return everything;
  }
  const at = `range.${form.$case}`;
  if (form.$case === "rank") {
    const { start, end } = form.value;
    const last = end === undefined ? undefined : Number(end);
    return { by: "rank", start: Number(start), end: last, isReversed };
  }
  const page = {
    offset: parseWhole(violations, `${at}.offset`, form.value.offset, "BAD_RANGE") ?? 0,
    limit: parseWhole(violations, `${at}.limit`, form.value.limit, "BAD_RANGE"),
    isReversed,
  };
  const { minExclusive, maxExclusive } = form.value;
  if (form.$case === "score") {
    const bound = (name: string, score: number | undefined, isExclusive: boolean) =>
      score === undefined
        ? undefined
        : { value: parseScore(violations, `${at}.${name}`, score), isExclusive };
    return {
      by: "score",
      min: bound("min", form.value.min, minExclusive),
      max: bound("max", form.value.max, maxExclusive),
      ...page,
    };
  }
  const member = (
    name: string,
    key: WireKey | undefined,
    isExclusive: boolean,
  ): Bound<string> | undefined =>
    key && { value: parseKey(violations, `${at}.${name}`, key), isExclusive };
  return {
    by: "lex",
    min: member("min", form.value.min, minExclusive),
    max: member("max", form.value.max, maxExclusive),
    ...page,
  };
}

const sourcesMax = 1_000;

function parseCombine(
  violations: Violations,
  request: {
    readonly sources: readonly WeightedKey[];
    readonly operation: SortedSetOperation;
    readonly aggregate: ScoreAggregate;
  },
): SortedSetCombine {
  const { sources } = request;
  if (sources.length === 0) {
    violations.add("MISSING_PARAMETER", "sources", "at least one is needed");
  }
  const operation = parseEnum(violations, "operation", request.operation, SortedSetOperation);
  if (operation === undefined) {
    violations.add("MISSING_PARAMETER", "operation", "is needed: UNION, INTERSECT or DIFFERENCE");
  }
  const aggregate = parseEnum(violations, "aggregate", request.aggregate, ScoreAggregate);
  return {
    sources: checkCount(violations, "sources", sources.length, sourcesMax)
      ? sources.map(({ key, weight = 1 }, index) => ({
          key: parseKey(violations, `sources[${index}].key`, key),
          weight: parseScore(violations, `sources[${index}].weight`, weight),
        }))
      : [],
    operation: operations[operation ?? "UNION"],
    aggregate: aggregates[aggregate ?? "SUM"],
  };
}

const scoredIn = (entry: Entry): Scored => ({ member: entry.key, score: scoreIn(entry) });

const renderAll = (elements: readonly Scored[]): ScoredMember[] =>
  elements.map(({ member, score }) => ({ member: renderKey(member as CacheKey), score }));

const renderRemoved = ({
  removed,
  length,
  version,
}: {
  readonly removed: number;
  readonly length: number;
  readonly version: number;
}) => ({ removed: BigInt(removed), length: BigInt(length), version: BigInt(version) });

const renderStored = ({
  length,
  version,
}: {
  readonly length: number;
  readonly version: number;
}) => ({ length: BigInt(length), version: BigInt(version) });
