// Caches in a test's words, over the connection of a scenario.

import type { CacheConfig } from "../../src/gen/forebay/cache/v1/cache.js";
import { CacheAdminServiceDefinition } from "../../src/gen/forebay/cache/v1/cache_admin_service.js";
import {
  CacheServiceDefinition,
  type GetResponse,
  ReadOutcome,
  type SetResponse,
} from "../../src/gen/forebay/cache/v1/cache_service.js";
import { DictionaryServiceDefinition } from "../../src/gen/forebay/cache/v1/dictionary_service.js";
import { Expiry } from "../../src/gen/forebay/cache/v1/item.js";
import { ListServiceDefinition } from "../../src/gen/forebay/cache/v1/list_service.js";
import { SetServiceDefinition } from "../../src/gen/forebay/cache/v1/set_service.js";
import { SortedSetServiceDefinition } from "../../src/gen/forebay/cache/v1/sorted_set_service.js";
import type { CallOptions } from "./queue-client.js";
import { durationOf, type Scenario, type ScenarioOptions, scenario } from "./scenario.js";

const services = [
  CacheServiceDefinition,
  CacheAdminServiceDefinition,
  DictionaryServiceDefinition,
  SetServiceDefinition,
  ListServiceDefinition,
  SortedSetServiceDefinition,
] as const;

/** Of all of them; no two have one name. */
const cacheMethods = {
  ...CacheServiceDefinition.methods,
  ...CacheAdminServiceDefinition.methods,
  ...DictionaryServiceDefinition.methods,
  ...SetServiceDefinition.methods,
  ...ListServiceDefinition.methods,
  ...SortedSetServiceDefinition.methods,
};
type Methods = typeof cacheMethods;
type UnaryMethod = Exclude<keyof Methods, "pipeline">;

interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** A request as a test writes it: what is left out has its default, the cache too. */
export type CacheRequest<Method extends keyof Methods> = Parameters<
  Methods[Method]["requestType"]["fromPartial"]
>[0];
export type CacheResponse<Method extends keyof Methods> = ReturnType<
  Methods[Method]["responseType"]["decode"]
>;

/** A server that a test calls. */
export type Served = Pick<Scenario, "client">;

/** Calls a method of the cache services, of the cache `default` unless the request says otherwise. */
export async function cacheCall<Method extends UnaryMethod>(
  { client }: Served,
  method: Method,
  request: CacheRequest<Method>,
  options: CallOptions = {},
): Promise<CacheResponse<Method>> {
  const fullName = services.find(({ methods }) => method in methods)?.fullName ?? "none";
  const { name, requestType, responseType } = cacheMethods[method];
  const part = { cache: "default", ...(request as object) };
  const full = (requestType.fromPartial as (part: unknown) => unknown)(part);
  const bytes = (requestType as Codec<unknown>).encode(full).finish();
  const answer = await client.raw(`/${fullName}/${name}`, bytes, options);
  return (responseType as unknown as Codec<CacheResponse<Method>>).decode(answer);
}

/** A server without a queue. */
export const cacheScenario = (options: Omit<ScenarioOptions, "create"> = {}): Promise<Scenario> =>
  scenario({ create: "none", ...options });

export const createCache = (
  t: Served,
  cache: string,
  config: Partial<CacheConfig> = {},
): Promise<CacheResponse<"createCache">> => cacheCall(t, "createCache", { cache, config });

/** Bytes are keys as they are, texts their UTF-8. */
export type TestKey = string | Uint8Array;

export const keyForm = (key: TestKey) =>
  typeof key === "string"
    ? ({ $case: "key", value: key } as const)
    : ({ $case: "keyData", value: key } as const);

export const keyOf = (key: TestKey) => ({
  key:
    typeof key === "string"
      ? ({ $case: "text", value: key } as const)
      : ({ $case: "data", value: key } as const),
});

export const textOf = (value: string) => ({ value: { $case: "text", value } as const });

export const ttl = (ms: number): Expiry =>
  Expiry.fromPartial({ expiry: { $case: "ttl", value: durationOf(ms) } });

type SetRest = Omit<CacheRequest<"set">, "keyForm" | "valueForm">;

export const set = (
  t: Served,
  key: TestKey,
  value: string,
  rest: SetRest = {},
): Promise<SetResponse> =>
  cacheCall(t, "set", { keyForm: keyForm(key), valueForm: { $case: "value", value }, ...rest });

export const getFull = (
  t: Served,
  key: TestKey,
  rest: Omit<CacheRequest<"get">, "keyForm"> = {},
): Promise<GetResponse> => cacheCall(t, "get", { keyForm: keyForm(key), ...rest });

export const readName = (outcome: ReadOutcome): string =>
  Object.entries(ReadOutcome).find(([, value]) => value === outcome)?.[0] ?? String(outcome);

/** The value of a hit, or what else the read came to. */
export async function get(
  t: Served,
  key: TestKey,
  rest: Omit<CacheRequest<"get">, "keyForm"> = {},
): Promise<string> {
  const { outcome, valueForm } = await getFull(t, key, rest);
  if (outcome !== ReadOutcome.HIT) return readName(outcome);
  if (valueForm === undefined) return "";
  return Buffer.from(valueForm.value as string).toString();
}

export const del = (t: Served, key: TestKey, rest: Omit<CacheRequest<"delete">, "keyForm"> = {}) =>
  cacheCall(t, "delete", { keyForm: keyForm(key), ...rest });

export const increment = (
  t: Served,
  key: TestKey,
  rest: Omit<CacheRequest<"increment">, "keyForm"> = {},
) => cacheCall(t, "increment", { keyForm: keyForm(key), ...rest });

/** All keys of a scan, page after page. */
export async function scanned(
  t: Served,
  rest: Omit<CacheRequest<"scan">, "cursor"> = {},
): Promise<readonly string[]> {
  const keys: string[] = [];
  let cursor = "";
  do {
    const { items, nextCursor } = await cacheCall(t, "scan", { ...rest, cursor });
    for (const { key } of items)
      keys.push(Buffer.from((key?.key?.value ?? "") as string).toString());
    cursor = nextCursor;
  } while (cursor !== "");
  return keys;
}
