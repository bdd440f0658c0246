// Bitmaps, sketches and limits of rates over a real socket, beside the calls on values that they share their keys with, and over a
// restart.

import { expect, test } from "vitest";
import { BitmapServiceDefinition } from "../../src/gen/forebay/cache/v1/bitmap_service.js";
import { HyperLogLogServiceDefinition } from "../../src/gen/forebay/cache/v1/hyperloglog_service.js";
import {
  RateLimitAlgorithm,
  RateLimitServiceDefinition,
} from "../../src/gen/forebay/cache/v1/rate_limit_service.js";
import { cacheScenario, del, get, keyForm, keyOf, set, textOf } from "../support/caches.js";
import { durationOf, type Scenario } from "../support/scenario.js";

const [bitmap, sketch, rate] = [
  BitmapServiceDefinition,
  HyperLogLogServiceDefinition,
  RateLimitServiceDefinition,
];

interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: {
    encode(request: Request): { finish(): Uint8Array };
    fromPartial(part: object): Request;
  };
  readonly responseType: { decode(bytes: Uint8Array): Response };
}

/** Calls a method of one of the services, of the cache `default`. */
async function call<Request, Response>(
  { client }: Scenario,
  { fullName }: { readonly fullName: string },
  { name, requestType, responseType }: Method<Request, Response>,
  part: object,
): Promise<Response> {
  const request = requestType.fromPartial({ cache: "default", ...part });
  const bytes = requestType.encode(request).finish();
  return responseType.decode(await client.raw(`/${fullName}/${name}`, bytes));
}

test("bits, sketches and limits are values like any other, and are there after a restart", async () => {
  const t = await cacheScenario();
  await set(t, "flags", "a");
  const flags = { keyForm: keyForm("flags") };
  const setBit = bitmap.methods.setBit;
  // "a" is 0110 0001, and "c" 0110 0011.
  expect((await call(t, bitmap, setBit, { ...flags, offset: 6n, bit: true })).previous).toBe(false);
  expect(await get(t, "flags")).toBe("c");

  const visitors = { keyForm: keyForm("visitors") };
  const elements = ["ann", "bob", "ann"].map(textOf);
  await call(t, sketch, sketch.methods.addElements, { ...visitors, elements });

  const limit = {
    keyForm: keyForm("user"),
    limit: 2n,
    window: durationOf(60_000),
    algorithm: RateLimitAlgorithm.SLIDING,
  };
  const acquire = () => call(t, rate, rate.methods.acquireRateLimit, limit);
  expect([(await acquire()).allowed, (await acquire()).allowed]).toEqual([true, true]);

  await t.restart();
  const counted = await call(t, bitmap, bitmap.methods.bitCount, flags);
  expect(counted.count).toBe(4n);
  const keys = [keyOf("visitors"), keyOf("nobody")];
  expect((await call(t, sketch, sketch.methods.countElements, { keys })).count).toBe(2n);
  const refused = await acquire();
  expect(refused).toMatchObject({ allowed: false, remaining: 0n });
  const waitMs =
    Number(refused.retryAfter?.seconds ?? 0n) * 1_000 + (refused.retryAfter?.nanos ?? 0) / 1e6;
  await t.advance(waitMs);
  expect((await acquire()).allowed).toBe(true);

  await del(t, "visitors");
  expect((await call(t, sketch, sketch.methods.countElements, { keys })).count).toBe(0n);
});

test("a value of another form is refused with the reason that the contract names", async () => {
  const t = await cacheScenario();
  await set(t, "text", "no sketch");
  const text = { keyForm: keyForm("text") };
  const wrong = { code: "FAILED_PRECONDITION", reason: "WRONG_TYPE" };
  const window = durationOf(1_000);
  const offset = 2n ** 29n - 1n;
  await Promise.all([
    expect(call(t, sketch, sketch.methods.addElements, text)).rejects.toMatchObject(wrong),
    expect(
      call(t, rate, rate.methods.acquireRateLimit, { ...text, limit: 1n, window }),
    ).rejects.toMatchObject(wrong),
    expect(
      call(t, bitmap, bitmap.methods.setBit, { ...text, offset, bit: true }),
    ).rejects.toMatchObject({ code: "OUT_OF_RANGE", reason: "RESULT_TOO_LARGE" }),
  ]);
  expect(await get(t, "text")).toBe("no sketch");
});
