// Calls on the keys of a cache as such: listed, counted, and made invalid by what they begin with or by a tag.

import { hash } from "node:crypto";
import type { CacheKey } from "../base/brands.js";
import type { CacheAddress } from "../cache/cache-name.js";
import {
  countPage,
  deleteByPrefix,
  invalidateTags,
  type Scan,
  type ScannedItem,
  scan,
} from "../cache/keyspace.js";
import { cacheLimits } from "../cache/limits.js";
import type { Content } from "../cache/model.js";
import {
  DeleteMode,
  type ScanRequest,
  type ScannedItem as WireScannedItem,
} from "../gen/forebay/cache/v1/cache_service.js";
import { ItemType } from "../gen/forebay/cache/v1/item.js";
import { accept } from "../queue/rejections.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  type CacheHandlerParts,
  type CacheHandlers,
  createCacheTools,
} from "./cache-handler-context.js";
import { parsePrefix, parseTags } from "./cache-parse.js";
import { renderKey, renderMeta, renderType, renderValue } from "./cache-render.js";
import type { PageTokens } from "./page-token.js";
import { parseCount, parseEnum, Violations } from "./violations.js";

const limitRange = { min: 1, max: 10_000 };
const limitDefault = 100;
/** Keys that a dry run, or a count that need not be exact, looks at. */
const countedMax = 100_000;

const contentKinds = {
  SCALAR: "scalar",
  DICTIONARY: "dictionary",
  LIST: "list",
  SET: "set",
  SORTED_SET: "sorted_set",
} as const satisfies Readonly<Record<string, Content["kind"]>>;

export function createCacheKeyspaceHandlers(
  parts: CacheHandlerParts,
): Pick<CacheHandlers, "scan" | "countKeys" | "deleteByPrefix" | "invalidateTags"> {
  const { execute, address } = createCacheTools(parts);
  const { pageTokens } = parts;

  /** Counts a page after another, so that nobody waits for all of them; what is looked at is at most about so many. */
  async function count(target: CacheAddress, prefix: string, examinedMax: number) {
    let counted = 0;
    let after: CacheKey | undefined;
    for (let examined = 0; examined < examinedMax; examined += cacheLimits.countedMax) {
      const page = await execute({
        name: "CountKeys",
        address: target,
        isLookup: true,
        rule: (open) => countPage(open, { prefix, after }),
      });
      counted += page.count;
      if (page.next === undefined) return { count: BigInt(counted), isExact: true };
      after = page.next;
    }
    return { count: BigInt(counted), isExact: false };
  }

  return {
    scan: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const prefix = parsePrefix(violations, request.prefix);
      const limit = parseCount(violations, "limit", request.limit || undefined, limitRange);
      const types = parseTypes(violations, request.types);
      if (request.tag !== "") parseTags(violations, "tag", [request.tag]);
      const scope = scopeOf(target.given, prefix, request);
      const order: Scan = {
        prefix,
        after: parseCursor(violations, pageTokens, scope, request.cursor),
        countMax: limit ?? limitDefault,
        bytesMax: answerBytesMax,
        types,
        tag: request.tag === "" ? undefined : request.tag,
        wantsValues: request.withValues,
        isReversed: request.reverse,
      };
      violations.throwIfAny();
      const page = await execute({
        name: "Scan",
        address: target,
        isLookup: true,
        rule: (open) => scan(open, order),
      });
      return {
        items: page.items.map((item) => renderScanned(item, request.withMeta)),
        nextCursor: page.next === undefined ? "" : pageTokens.encode(scope, page.next),
      };
    },

    countKeys: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const prefix = parsePrefix(violations, request.prefix);
      violations.throwIfAny();
      const { exact: isExact } = request;
      // The whole cache is known by its numbers, but for what has just ended.
      if (prefix === "" && !isExact) {
        const items = await execute({
          name: "CountKeys",
          address: target,
          isLookup: true,
          rule: (open) => accept(open.counters.items),
        });
        return { count: BigInt(items), isExact: false };
      }
      return await count(target, prefix, isExact ? Number.MAX_SAFE_INTEGER : countedMax);
    },

    deleteByPrefix: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const prefix = parsePrefix(violations, request.prefix);
      if (prefix === "") {
        violations.add(
          "EMPTY_KEY",
          "prefix",
          "has 1 to 1024 bytes; to delete everything, use FlushCache",
        );
      }
      violations.throwIfAny();
      if (request.dryRun) {
        const counted = await count(target, prefix, countedMax);
        return { count: counted.count, version: 0n };
      }
      const version = await execute({
        name: "DeleteByPrefix",
        address: target,
        rule: (open) => deleteByPrefix(open, prefix),
      });
      return { version: BigInt(version) };
    },

    invalidateTags: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      if (request.tags.length === 0) {
        violations.add("MISSING_PARAMETER", "tags", "at least one tag is needed");
      }
      const tags = parseTags(violations, "tags", request.tags, cacheLimits.tagsInvalidatedMax);
      const mode = parseEnum(violations, "mode", request.mode, DeleteMode);
      violations.throwIfAny();
      const version = await execute({
        name: "InvalidateTags",
        address: target,
        rule: (open) => {
          const done = invalidateTags(open, { tags, mode: mode === "STALE" ? "stale" : "delete" });
          return done.kind === "rejected" ? done : accept(done.outcome);
        },
      });
      return { version: BigInt(version) };
    },
  };
}

function parseTypes(
  violations: Violations,
  types: readonly ItemType[],
): ReadonlySet<Content["kind"]> {
  const wanted = new Set<Content["kind"]>();
  types.slice(0, Object.keys(contentKinds).length * 2).forEach((type, index) => {
    const name = parseEnum(violations, `types[${index}]`, type, ItemType);
    if (name !== undefined) wanted.add(contentKinds[name]);
  });
  return wanted;
}

/** What a cursor goes on with: everything else has to be as it was. */
const scopeOf = (cache: string, prefix: string, { types, tag, reverse }: ScanRequest): string => {
  const filter = JSON.stringify([cache, prefix, [...types].sort(), tag, reverse]);
  return `scan ${hash("sha256", filter, "base64")}`;
};

function parseCursor(
  violations: Violations,
  tokens: PageTokens,
  scope: string,
  cursor: string,
): string | undefined {
  if (cursor === "") return undefined;
  const after = tokens.decode(scope, cursor);
  if (after === undefined) {
    violations.add("CURSOR_INVALID", "cursor", "is not one of this scan; start without one");
  }
  return after;
}

function renderScanned({ key, item, value }: ScannedItem, withMeta: boolean): WireScannedItem {
  const isText = item.content.kind === "scalar" && item.content.isText;
  return {
    key: renderKey(key),
    type: renderType(item.content.kind),
    value: value === undefined ? undefined : renderValue({ isText, bytes: value }),
    meta: withMeta ? renderMeta(key, item) : undefined,
  };
}
