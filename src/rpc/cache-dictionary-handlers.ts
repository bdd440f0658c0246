// Dictionaries at the wire: request to rule, outcome to answer.

import type { CacheKey } from "../base/brands.js";
import {
  type DictionarySet,
  dictionaryGet,
  dictionaryGetAndTouch,
  dictionaryIncrement,
  dictionaryIncrementFloat,
  dictionarySample,
  dictionaryScan,
  dictionarySet,
  type FieldFound,
  type FieldsFound,
  type NamedField,
} from "../cache/collections/dictionaries.js";
import type { EntryKey } from "../cache/collections/entries.js";
import { expireElements, lengthOf, removeElements } from "../cache/collections/keyed.js";
import { cacheLimits } from "../cache/limits.js";
import {
  type DictionaryField,
  DictionaryIncrementFloatRequest,
  DictionaryIncrementFloatResponse,
  DictionaryIncrementRequest,
  DictionaryIncrementResponse,
  type DictionaryItem,
  type DictionaryServiceDefinition,
  FieldCondition,
} from "../gen/forebay/cache/v1/dictionary_service.js";
import { accept } from "../queue/rejections.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  elementBytes,
  foundCollection,
  parseElementCount,
  parseElementExpiry,
  parseElements,
  parseLife,
  parseScan,
  renderElementTtl,
  versionOfFound,
} from "./cache-collection-parse.js";
import { parseFloatCount, parseTtlMode, parseWholeCount } from "./cache-count-parse.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { checkCount, parseExpiry, parseKey, parseKeyForm, parseValue } from "./cache-parse.js";
import { renderKey, renderValue } from "./cache-render.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { timestamp } from "./render.js";
import { parseEnum, type Violations } from "./violations.js";

export type DictionaryHandlers = ServiceHandlers<typeof DictionaryServiceDefinition>;

const kind = "dictionary";

const conditions = { ANY: "always", ABSENT: "absent", PRESENT: "present" } as const;

export function createDictionaryHandlers(parts: CacheHandlerParts): DictionaryHandlers {
  const { handle, handleOnce } = createValueCalls(parts);
  const { pageTokens } = parts;
  return {
    dictionarySet: handle({
      name: "DictionarySet",
      isGrowing: true,
      parse: (violations, request): DictionarySet => {
        const condition = parseEnum(violations, "condition", request.condition, FieldCondition);
        return {
          key: parseKeyForm(violations, "", request.keyForm),
          items: parseItems(violations, request.items),
          condition: conditions[condition ?? "ANY"],
          fieldExpiry: parseExpiry(violations, "field_expiry", request.fieldExpiry),
          life: parseLife(violations, request),
        };
      },
      bytesOf: ({ items }) =>
        items.reduce((sum, { field, value }) => sum + field.length + value.bytes.length + 64, 0),
      rule: dictionarySet,
      render: ({ created, updated, length, version }) => ({
        created: BigInt(created),
        updated: BigInt(updated),
        length: BigInt(length),
        version: BigInt(version),
      }),
    }),

    dictionaryGet: handle({
      name: "DictionaryGet",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        fields: parseElements(violations, "fields", request.fields),
        wantsValues: !request.withoutValues,
        bytesMax: answerBytesMax,
      }),
      rule: (open, order) => {
        const found = dictionaryGet(open, order);
        if (found.kind === "rejected") return found;
        const { lastVersion } = open.transaction;
        return accept({ found: found.outcome, lastVersion });
      },
      render: ({ found, lastVersion }, order) => ({
        ...renderFields(order, found),
        asOfVersion: BigInt(lastVersion),
      }),
      found: (order, { found }) => foundCollection(order, found),
    }),

    dictionaryGetAndTouch: handle({
      name: "DictionaryGetAndTouch",
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        fields: parseElements(violations, "fields", request.fields),
        wantsValues: true,
        bytesMax: answerBytesMax,
        fieldExpiry: parseElementExpiry(violations, "field_expiry", request.fieldExpiry),
      }),
      rule: (open, order) => dictionaryGetAndTouch(open, order),
      render: (found, order) => renderFields(order, found),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    dictionaryScan: handle({
      name: "DictionaryScan",
      isLookup: always,
      parse: (violations, request) => {
        const key = parseKeyForm(violations, "", request.keyForm);
        return {
          ...parseScan(violations, pageTokens, { key, cache: request.cache, request }),
          bytesMax: answerBytesMax,
          wantsValues: !request.withoutValues,
        };
      },
      rule: (open, order) => dictionaryScan(open, order),
      render: (page, { scope, wantsValues }) => ({
        found: page !== undefined,
        fields: renderNamed(page, wantsValues),
        nextCursor: page?.next === undefined ? "" : pageTokens.encode(scope, page.next),
        version: versionOfFound(page),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    dictionaryIncrement: handleOnce(
      {
        name: "DictionaryIncrement",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          field: parseKey(violations, "field", request.field),
          ...parseWholeCount(violations, request, ""),
          life: parseLife(violations, request),
        }),
        rule: dictionaryIncrement,
        render: ({ value, version }) => ({ value, version: BigInt(version), replayed: false }),
      },
      { request: DictionaryIncrementRequest, response: DictionaryIncrementResponse },
    ),

    dictionaryIncrementFloat: handleOnce(
      {
        name: "DictionaryIncrementFloat",
        isGrowing: true,
        parse: (violations, request) => ({
          key: parseKeyForm(violations, "", request.keyForm),
          field: parseKey(violations, "field", request.field),
          ...parseFloatCount(violations, request, ""),
          life: parseLife(violations, request),
        }),
        rule: dictionaryIncrementFloat,
        render: ({ value, version }) => ({ value, version: BigInt(version), replayed: false }),
      },
      { request: DictionaryIncrementFloatRequest, response: DictionaryIncrementFloatResponse },
    ),

    dictionaryDelete: handle({
      name: "DictionaryDelete",
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          elements: parseElements(violations, "fields", request.fields),
        }) as const,
      bytesOf: ({ elements }) => elementBytes(elements),
      rule: removeElements,
      render: ({ removed, length, version }) => ({
        removed: BigInt(removed),
        length: BigInt(length),
        version: BigInt(version),
      }),
    }),

    dictionaryExpire: handle({
      name: "DictionaryExpire",
      parse: (violations, request) =>
        ({
          key: parseKeyForm(violations, "", request.keyForm),
          kind,
          elements: parseElements(violations, "fields", request.fields),
          expiry: parseElementExpiry(violations, "field_expiry", request.fieldExpiry),
          mode: parseTtlMode(violations, "mode", request.mode),
        }) as const,
      bytesOf: ({ elements }) => elementBytes(elements),
      rule: expireElements,
      render: (fields) => ({ fields: fields.map(renderElementTtl) }),
    }),

    dictionarySample: handle({
      name: "DictionarySample",
      isLookup: always,
      parse: (violations, request) => ({
        key: parseKeyForm(violations, "", request.keyForm),
        count: parseElementCount(violations, request.count),
        withRepeats: request.withRepeats,
        wantsValues: !request.withoutValues,
        bytesMax: answerBytesMax,
      }),
      rule: (open, order) => dictionarySample(open, order),
      render: (sampled, { wantsValues }) => ({
        found: sampled !== undefined,
        fields: renderNamed(sampled, wantsValues),
      }),
      found: (order, outcome) => foundCollection(order, outcome),
    }),

    dictionaryLength: handle({
      name: "DictionaryLength",
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

function parseItems(
  violations: Violations,
  items: readonly DictionaryItem[],
): DictionarySet["items"] {
  if (!checkCount(violations, "items", items.length, cacheLimits.elementsMax)) return [];
  return items.map(({ field, value }, index) => ({
    field: parseKey(violations, `items[${index}].field`, field),
    value: parseValue(value),
  }));
}

const renderField = (
  field: EntryKey,
  found: FieldFound | undefined,
  wantsValue: boolean,
): DictionaryField => ({
  field: renderKey(field as CacheKey),
  found: found !== undefined,
  value: found !== undefined && wantsValue ? renderValue(found.value) : undefined,
  expireTime: found?.expiresAt === undefined ? undefined : timestamp(found.expiresAt),
});

const renderNamed = (
  page: { readonly fields: readonly NamedField[] } | undefined,
  wantsValues: boolean,
): DictionaryField[] =>
  page?.fields.map(({ field, found }) => renderField(field, found, wantsValues)) ?? [];

const renderFields = (
  order: { readonly fields: readonly EntryKey[]; readonly wantsValues: boolean },
  found: FieldsFound | undefined,
) => ({
  found: found !== undefined,
  fields: order.fields.map((field, at) => renderField(field, found?.fields[at], order.wantsValues)),
  version: versionOfFound(found),
});
