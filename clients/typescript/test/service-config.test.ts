// The published retry rules: current, the same in both forms, and no bolder than the contract.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../gen/forebay/queue/v1/schedule_service.js";
import { serviceConfigJson } from "../src/service-config.js";

interface ServiceConfig {
  readonly methodConfig: readonly {
    readonly name: readonly { readonly method: string }[];
    readonly retryPolicy: { readonly retryableStatusCodes: readonly string[] };
  }[];
}

interface Method {
  readonly name: string;
  readonly requestStream: boolean;
  readonly options: { readonly idempotencyLevel?: string };
}

const published = readFileSync(new URL("../service-config.json", import.meta.url), "utf8");
const config: ServiceConfig = JSON.parse(published);

test("the files are what the contract generates now", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const run = spawnSync(process.execPath, ["scripts/service-config.mjs", "--check"], { cwd: root });
  expect(run.stderr.toString()).toBe("");
  expect(run.status).toBe(0);
});

test("the channel gets what is published", () => {
  expect(JSON.parse(serviceConfigJson)).toEqual(config);
});

test("every unary method is repeated when refused, and when lost only if it is idempotent", () => {
  const codes = new Map(
    config.methodConfig.flatMap(({ name, retryPolicy }) =>
      name.map(({ method }) => [method, retryPolicy.retryableStatusCodes] as const),
    ),
  );
  const methods = [QueueServiceDefinition, ScheduleServiceDefinition].flatMap((service) =>
    Object.values<Method>(service.methods),
  );
  for (const method of methods) {
    const isIdempotent = method.options.idempotencyLevel !== undefined;
    expect([method.name, codes.get(method.name)]).toEqual([
      method.name,
      method.requestStream
        ? undefined
        : ["RESOURCE_EXHAUSTED", ...(isIdempotent ? ["UNAVAILABLE"] : [])],
    ]);
  }
  expect(codes.get("SendMessage")).toEqual(["RESOURCE_EXHAUSTED"]);
  expect(codes.get("DeleteMessage")).toEqual(["RESOURCE_EXHAUSTED", "UNAVAILABLE"]);
});
