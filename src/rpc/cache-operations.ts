// The operations on single keys at the wire: for each how its request is read and its result is answered. A call of its own, one of
// a batch and one of a pipeline are all made of these.

import type { CacheKey, DurationMs, Version } from "../base/brands.js";
import { cacheLimits } from "../cache/limits.js";
import type { OpenCache } from "../cache/open-cache.js";
import { carryOut, type OperationKind, type Operations } from "../cache/operations.js";
import type { Changed } from "../cache/parts.js";
import type { CacheDecided } from "../cache/rejections.js";
import type { NotWritten, Read, SetOrder, Written } from "../cache/scalars.js";
import type { Transferred } from "../cache/transfers.js";
import {
  AppendRequest,
  AppendResponse,
  CopyRequest,
  CopyResponse,
  DeleteMode,
  DeleteOutcome,
  DeleteRequest,
  DeleteResponse,
  GetAndDeleteRequest,
  GetAndDeleteResponse,
  GetAndTouchRequest,
  GetAndTouchResponse,
  GetRangeRequest,
  GetRangeResponse,
  GetRequest,
  GetResponse,
  IncrementFloatRequest,
  IncrementFloatResponse,
  IncrementRequest,
  IncrementResponse,
  ReadOutcome,
  RenameRequest,
  RenameResponse,
  SetRangeRequest,
  SetRangeResponse,
  SetRequest,
  SetResponse,
  TransferOutcome,
  TtlOutcome,
  UpdateTtlRequest,
  UpdateTtlResponse,
  type CacheOperation as WireCacheOperation,
  type CacheResult as WireCacheResult,
} from "../gen/forebay/cache/v1/cache_service.js";
import { ItemType } from "../gen/forebay/cache/v1/item.js";
import { accept } from "../queue/rejections.js";
import { parseFloatCount, parseTtlMode, parseWholeCount } from "./cache-count-parse.js";
import type { Found, MessageCodec, ReadFound } from "./cache-found.js";
import {
  parseCondition,
  parseExpiry,
  parseKey,
  parseKeyForm,
  parseRequiredExpiry,
  parseSpan,
  parseTags,
  parseValueForm,
} from "./cache-parse.js";
import { renderMeta, renderType, renderValue, renderValueForm } from "./cache-render.js";
import { timestamp } from "./render.js";
import { parseEnum, type Violations } from "./violations.js";

/** The operations by their names in CacheOperation. */
export type WireName = NonNullable<WireCacheOperation["operation"]>["$case"];
export type RequestOf<Name extends WireName> = Extract<
  NonNullable<WireCacheOperation["operation"]>,
  { $case: Name }
>["value"];
export type ResponseOf<Name extends WireName> = Extract<
  NonNullable<WireCacheResult["result"]>,
  { $case: Name }
>["value"];

export interface WireOperation<Kind extends OperationKind, Request, Response> {
  /** The rule. */
  readonly kind: Kind;
  /** The name of the call. */
  readonly method: string;
  readonly request: MessageCodec<Request>;
  readonly response: MessageCodec<Response>;
  /** Whether it stores something new. */
  readonly isGrowing: boolean;
  /** Whether it changes nothing, or seldom. */
  readonly isLookup?: boolean;
  /** `at` stands in front of the names of fields. */
  parse(violations: Violations, request: Request, at: string): Operations[Kind]["order"];
  render(result: Operations[Kind]["result"], asked: Asked<Request>): Response;
  /** What it found, of one that counts as a read. */
  found?(result: Operations[Kind]["result"]): ReadFound;
}

/** What an answer needs beside the result. */
export interface Asked<Request> {
  readonly request: Request;
  readonly key: CacheKey;
  /** The last version that was given out when the operation was decided. */
  readonly asOfVersion: number;
}

type KindOf<Name extends WireName> = (typeof kinds)[Name];

const kinds = {
  get: "get",
  getAndTouch: "get",
  getAndDelete: "get_and_delete",
  set: "set",
  delete: "delete",
  increment: "increment",
  incrementFloat: "increment_float",
  append: "append",
  getRange: "get_range",
  setRange: "set_range",
  copy: "transfer",
  rename: "transfer",
  updateTtl: "update_ttl",
} as const satisfies Readonly<Record<WireName, OperationKind>>;

type WireOperations = {
  readonly [Name in WireName]: WireOperation<KindOf<Name>, RequestOf<Name>, ResponseOf<Name>>;
};

const wireOperations: WireOperations = {
  get: {
    found: foundByGet,
    kind: "get",
    method: "Get",
    request: GetRequest,
    response: GetResponse,
    isGrowing: false,
    isLookup: true,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      touch: undefined,
      ifVersionNot: Number(request.ifVersionNot),
      allowsStale: request.allowStale,
    }),
    render: (read, asked) => ({
      ...renderRead(read, asked.key, asked.request.withMeta),
      asOfVersion: BigInt(asked.asOfVersion),
    }),
  },
  getAndTouch: {
    found: foundByGet,
    kind: "get",
    method: "GetAndTouch",
    request: GetAndTouchRequest,
    response: GetAndTouchResponse,
    isGrowing: false,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      touch: parseRequiredExpiry(violations, request.expiry),
      ifVersionNot: Number(request.ifVersionNot),
      allowsStale: false,
    }),
    render: (read, { key, request }) => renderRead(read, key, request.withMeta),
  },
  getAndDelete: {
    found: ({ kind }) => ({ kind: kind === "absent" ? "miss" : "hit", item: undefined }),
    kind: "get_and_delete",
    method: "GetAndDelete",
    request: GetAndDeleteRequest,
    response: GetAndDeleteResponse,
    isGrowing: false,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      condition: parseCondition(violations, `${at}condition`, request.condition),
    }),
    render: (taken) => {
      const rest = { replayed: false };
      switch (taken.kind) {
        case "taken":
          return {
            ...rest,
            outcome: ReadOutcome.HIT,
            valueForm: renderValueForm(taken.value),
            version: BigInt(taken.version),
          };
        case "absent":
          return { ...rest, outcome: ReadOutcome.MISS, version: 0n };
        case "not_taken":
          return { ...rest, outcome: ReadOutcome.NOT_MODIFIED, version: BigInt(taken.version) };
      }
    },
  },
  set: {
    kind: "set",
    method: "Set",
    request: SetRequest,
    response: SetResponse,
    isGrowing: true,
    parse: parseSet,
    render: renderSet,
  },
  delete: {
    kind: "delete",
    method: "Delete",
    request: DeleteRequest,
    response: DeleteResponse,
    isGrowing: false,
    parse: (violations, request, at) => {
      const mode = parseEnum(violations, `${at}mode`, request.mode, DeleteMode);
      return {
        key: parseKeyForm(violations, at, request.keyForm),
        condition: parseCondition(violations, `${at}condition`, request.condition),
        mode: mode === "STALE" ? "stale" : "delete",
      };
    },
    render: ({ kind, version }) => ({
      outcome: deleteOutcomes[kind],
      version: BigInt(version),
      replayed: false,
    }),
  },
  increment: {
    kind: "increment",
    method: "Increment",
    request: IncrementRequest,
    response: IncrementResponse,
    isGrowing: true,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      ...parseWholeCount(violations, request, at),
      requiresExisting: request.requireExists,
      expiry: parseExpiry(violations, `${at}expiry`, request.expiry),
    }),
    render: (counted) => ({
      applied: counted !== undefined,
      value: counted?.value ?? 0n,
      version: BigInt(counted?.version ?? 0),
      replayed: false,
    }),
  },
  incrementFloat: {
    kind: "increment_float",
    method: "IncrementFloat",
    request: IncrementFloatRequest,
    response: IncrementFloatResponse,
    isGrowing: true,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      ...parseFloatCount(violations, request, at),
      requiresExisting: request.requireExists,
      expiry: parseExpiry(violations, `${at}expiry`, request.expiry),
    }),
    render: (counted) => ({
      applied: counted !== undefined,
      value: counted?.value ?? 0,
      version: BigInt(counted?.version ?? 0),
      replayed: false,
    }),
  },
  append: {
    kind: "append",
    method: "Append",
    request: AppendRequest,
    response: AppendResponse,
    isGrowing: true,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      value: parseValueForm(request.valueForm),
      isPrepended: request.prepend,
      requiresExisting: request.requireExists,
      expiry: parseExpiry(violations, `${at}expiry`, request.expiry),
    }),
    render: (changed) => ({
      applied: changed.kind === "changed",
      ...renderChanged(changed),
      replayed: false,
    }),
  },
  getRange: {
    found: (part) => ({ kind: part === undefined ? "miss" : "hit", item: part?.item }),
    kind: "get_range",
    method: "GetRange",
    request: GetRangeRequest,
    response: GetRangeResponse,
    isGrowing: false,
    isLookup: true,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      start: Number(request.start),
      end: request.end === undefined ? undefined : Number(request.end),
    }),
    render: (part) => ({
      outcome: part === undefined ? ReadOutcome.MISS : ReadOutcome.HIT,
      data: part?.data ?? noBytes,
      length: BigInt(part?.length ?? 0),
      version: BigInt(part?.item.version ?? 0),
    }),
  },
  setRange: {
    kind: "set_range",
    method: "SetRange",
    request: SetRangeRequest,
    response: SetRangeResponse,
    isGrowing: true,
    parse: (violations, request, at) => {
      const offset = Number(request.offset);
      if (offset < 0 || offset > cacheLimits.valueBytesMax) {
        violations.add(
          "BAD_RANGE",
          `${at}offset`,
          `must be from 0 to the cache's max_value_bytes, at most ${cacheLimits.valueBytesMax}, not ${request.offset}`,
        );
      }
      const { data } = request;
      return {
        key: parseKeyForm(violations, at, request.keyForm),
        offset,
        data: Buffer.from(data.buffer, data.byteOffset, data.length),
      };
    },
    render: (changed) => renderChanged(changed),
  },
  copy: {
    kind: "transfer",
    method: "Copy",
    request: CopyRequest,
    response: CopyResponse,
    isGrowing: true,
    parse: (violations, request, at) => parseTransfer(violations, request, at, false),
    render: (transferred) => renderTransferred(transferred),
  },
  rename: {
    kind: "transfer",
    method: "Rename",
    request: RenameRequest,
    response: RenameResponse,
    isGrowing: false,
    parse: (violations, request, at) => parseTransfer(violations, request, at, true),
    render: (transferred) => renderTransferred(transferred),
  },
  updateTtl: {
    kind: "update_ttl",
    method: "UpdateTtl",
    request: UpdateTtlRequest,
    response: UpdateTtlResponse,
    isGrowing: false,
    parse: (violations, request, at) => ({
      key: parseKeyForm(violations, at, request.keyForm),
      expiry: parseRequiredExpiry(violations, request.expiry),
      mode: parseTtlMode(violations, `${at}mode`, request.mode),
    }),
    render: ({ kind, expiresAt, isClamped }) => ({
      outcome: ttlOutcomes[kind],
      expireTime: expiresAt === undefined ? undefined : timestamp(expiresAt),
      ttlClamped: isClamped,
    }),
  },
};

function foundByGet(read: Read): ReadFound {
  return { kind: read.kind, item: "item" in read ? read.item : undefined };
}

const noBytes = new Uint8Array(0);

const deleteOutcomes = {
  deleted: DeleteOutcome.DELETED,
  absent: DeleteOutcome.ABSENT,
  not_deleted: DeleteOutcome.NOT_DELETED,
} as const;

const ttlOutcomes = {
  set: TtlOutcome.SET,
  not_set: TtlOutcome.NOT_SET,
  missing: TtlOutcome.MISSING,
} as const;

const readOutcomes = {
  hit: ReadOutcome.HIT,
  stale: ReadOutcome.STALE,
  not_modified: ReadOutcome.NOT_MODIFIED,
  miss: ReadOutcome.MISS,
  // The origin has none.
  negative: ReadOutcome.MISS,
} as const satisfies Readonly<Record<Read["kind"], ReadOutcome>>;

/** What Get, GetAndTouch and MultiGet say of one key. */
export function renderRead(read: Read, key: CacheKey, wantsMeta: boolean) {
  const outcome = readOutcomes[read.kind];
  if (read.kind === "miss" || read.kind === "negative") {
    return { outcome, version: 0n, flags: 0, contentType: "" };
  }
  const { item } = read;
  return {
    outcome,
    valueForm: read.kind === "not_modified" ? undefined : renderValueForm(read.value),
    version: BigInt(item.version),
    flags: item.flags,
    contentType: item.contentType,
    meta: wantsMeta ? renderMeta(key, item) : undefined,
  };
}

export function renderSet(result: Written | NotWritten): SetResponse {
  if (result.kind === "not_written") {
    return {
      stored: false,
      version: BigInt(result.version),
      ttlClamped: false,
      expiredImmediately: false,
      previousType: ItemType.UNSPECIFIED,
      current: result.current && renderValue(result.current),
      replayed: false,
    };
  }
  const { version, end, previous, hasEnded } = result;
  return {
    stored: true,
    version: BigInt(version),
    expireTime: end.at === undefined ? undefined : timestamp(end.at),
    ttlClamped: end.isClamped,
    expiredImmediately: hasEnded,
    previousType: previous === undefined ? ItemType.UNSPECIFIED : renderType(previous.type),
    previous: previous?.value && renderValue(previous.value),
    replayed: false,
  };
}

const renderChanged = (changed: Changed) =>
  changed.kind === "changed"
    ? { length: BigInt(changed.length), version: BigInt(changed.version) }
    : { length: 0n, version: 0n };

const transferOutcomes = {
  done: TransferOutcome.DONE,
  source_absent: TransferOutcome.SOURCE_ABSENT,
  destination_exists: TransferOutcome.DESTINATION_EXISTS,
} as const;

const renderTransferred = ({ kind, version }: Transferred) => ({
  outcome: transferOutcomes[kind],
  version: BigInt(version),
  replayed: false,
});

const parseTransfer = (
  violations: Violations,
  request: CopyRequest | RenameRequest,
  at: string,
  isMove: boolean,
) => ({
  source: parseKey(violations, `${at}source`, request.source),
  destination: parseKey(violations, `${at}destination`, request.destination),
  overwrites: request.overwrite,
  isMove,
});

const zero = 0 as DurationMs;

/** What Set and an item of MultiSet say. */
export function parseSet(violations: Violations, request: SetRequest, at: string): SetOrder {
  const { contentType, tags, keepTags } = request;
  if (contentType.length > cacheLimits.contentTypeCharactersMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${at}content_type`,
      `has at most ${cacheLimits.contentTypeCharactersMax} characters, not ${contentType.length}`,
    );
  }
  if (keepTags && tags.length > 0) {
    violations.add(
      "CONFLICTING_OPTIONS",
      `${at}keep_tags`,
      "cannot be combined with tags: either those that are there stay, or these take their place",
    );
  }
  const span = (field: string, value: SetRequest["sliding"]): DurationMs | undefined =>
    parseSpan(violations, `${at}${field}`, value);
  const parsedTags = parseTags(violations, `${at}tags`, tags);
  return {
    key: parseKeyForm(violations, at, request.keyForm),
    value: parseValueForm(request.valueForm),
    expiry: parseExpiry(violations, `${at}expiry`, request.expiry),
    condition: parseCondition(violations, `${at}condition`, request.condition),
    wantsPrevious: request.returnPrevious,
    wantsCurrent: request.returnCurrent,
    flags: request.flags,
    contentType,
    tags: keepTags ? "keep" : parsedTags,
    isPinned: request.pinned,
    externalVersion: request.externalVersion,
    slidingMs: span("sliding", request.sliding),
    graceMs: {
      revalidate: span("stale_while_revalidate", request.staleWhileRevalidate) ?? zero,
      error: span("stale_if_error", request.staleIfError) ?? zero,
    },
    ...(request.leaseToken !== 0n && { leaseToken: Number(request.leaseToken) as Version }),
  };
}

/** The operation of a name, with what belongs together known to belong together. */
export const operationOf = <Name extends WireName>(
  name: Name,
): WireOperation<KindOf<Name>, RequestOf<Name>, ResponseOf<Name>> => wireOperations[name];

/** An operation that was read from a request, ready to be carried out. */
export interface PreparedOperation<Response> {
  /** What it writes beside what every command is taken to write. */
  readonly bytes: number;
  carryOut(open: OpenCache): CacheDecided<Answered<Response>>;
}

export interface Answered<Response> {
  readonly response: Response;
  /** Undefined: it counts as no read. */
  readonly found: Found | undefined;
}

/** Always returns one; whether it is good, `violations` say. `at` stands in front of the names of fields. */
export function prepareOperation<Name extends WireName>(
  violations: Violations,
  name: Name,
  request: RequestOf<Name>,
  at: string,
): PreparedOperation<ResponseOf<Name>> {
  const operation: WireOperation<KindOf<Name>, RequestOf<Name>, ResponseOf<Name>> = wireOperations[
    name
  ];
  const { kind } = operation;
  const order = operation.parse(violations, request, at);
  const isPeek = "peek" in request && request.peek;
  return {
    bytes: payloadBytes(order),
    carryOut: (open) => {
      const decided = carryOut(open, { kind, order });
      if (decided.kind === "rejected") return decided;
      const { lastVersion: asOfVersion } = open.transaction;
      const key = "key" in order ? order.key : order.destination;
      const { outcome } = decided;
      const found = isPeek ? undefined : operation.found?.(outcome);
      return accept({
        response: operation.render(outcome, { request, key, asOfVersion }),
        found: found && { ...found, key },
      });
    },
  };
}

/** About how many bytes an operation writes beside its rows. */
export function payloadBytes(order: Operations[OperationKind]["order"]): number {
  if ("value" in order) return order.value.bytes.length;
  return "data" in order ? order.data.length : 0;
}

/** An operation of a batch or a pipeline, ready to be carried out. */
export interface PreparedAny extends PreparedOperation<WireCacheResult> {
  readonly isGrowing: boolean;
  readonly isLookup: boolean;
}

/** About how many bytes of values an answer has. */
export function answerBytes({ result }: WireCacheResult): number {
  switch (result?.$case) {
    case "get":
    case "getAndTouch":
    case "getAndDelete":
      return bytesOf(result.value.valueForm?.value);
    case "getRange":
      return result.value.data.length;
    case "set":
      return setAnswerBytes(result.value);
    default:
      return 0;
  }
}

export const setAnswerBytes = ({ previous, current }: SetResponse): number =>
  bytesOf(previous?.value?.value) + bytesOf(current?.value?.value);

const bytesOf = (value: string | Uint8Array | undefined): number =>
  value === undefined ? 0 : Buffer.byteLength(value);

/** Undefined: there is none, and `violations` say so. */
export function prepareAny(
  violations: Violations,
  operation: WireCacheOperation | undefined,
  at: string,
): PreparedAny | undefined {
  const form = operation?.operation;
  if (form === undefined) {
    violations.add(
      "MISSING_PARAMETER",
      `${at}operation`,
      "is needed: one of those of CacheOperation",
    );
    return undefined;
  }
  return prepareForm(violations, form, at);
}

function prepareForm<Name extends WireName>(
  violations: Violations,
  { $case: name, value: request }: { readonly $case: Name; readonly value: RequestOf<Name> },
  at: string,
): PreparedAny {
  const field = `${at}${fieldNames[name]}`;
  const outer = "is that of the call around it, and must be unset here";
  if (request.cache !== "") violations.add("INVALID_PARAMETER", `${field}.cache`, outer);
  if ("requestId" in request && request.requestId !== "") {
    violations.add("INVALID_PARAMETER", `${field}.request_id`, outer);
  }
  const { bytes, carryOut: carry } = prepareOperation(violations, name, request, `${field}.`);
  const { isGrowing, isLookup = false } = operationOf(name);
  return {
    bytes,
    isGrowing,
    isLookup,
    carryOut: (open) => {
      const done = carry(open);
      if (done.kind === "rejected") return done;
      const { response, found } = done.outcome;
      // The answer of a name is that of the same name.
      const result = { $case: name, value: response } as WireCacheResult["result"];
      return accept({ response: { result }, found });
    },
  };
}

const fieldNames = {
  get: "get",
  getAndTouch: "get_and_touch",
  getAndDelete: "get_and_delete",
  set: "set",
  delete: "delete",
  increment: "increment",
  incrementFloat: "increment_float",
  append: "append",
  getRange: "get_range",
  setRange: "set_range",
  copy: "copy",
  rename: "rename",
  updateTtl: "update_ttl",
} as const satisfies Readonly<Record<WireName, string>>;
