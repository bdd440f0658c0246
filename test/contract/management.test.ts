// The management listener: one port, HTTP for probes and people, gRPC for health and reflection.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wallMs } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import type { Readiness } from "../../src/edge/health.js";
import {
  createManagementListener,
  type ManagementListener,
} from "../../src/edge/management-listener.js";
import { createMetrics } from "../../src/edge/metrics.js";
import {
  type HealthCheckResponse,
  HealthClient,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../src/gen/grpc/health/v1/health.js";
import { failureOf } from "../support/edge.js";
import { ManualClock } from "../support/manual-clock.js";

const service = "forebay.queue.v1.QueueService";
let clock: ManualClock;
let readiness: Readiness;
let management: ManagementListener;
let metrics: ReturnType<typeof createMetrics>;
let url: string;
let port: number;
let client: HealthClient;

beforeEach(async () => {
  clock = new ManualClock();
  metrics = createMetrics("0.0.0");
  readiness = { isReady: true, checks: [{ name: "store", isPassed: true, detail: "open" }] };
  management = createManagementListener({
    clock,
    wallMs,
    log: silentLog,
    metrics,
    readiness: () => readiness,
    services: [service],
    dataAddress: () => ({ host: "127.0.0.1", port: 7400 }),
  });
  ({ port } = await management.listen({ host: "127.0.0.1", port: 0 }));
  url = `http://127.0.0.1:${port}`;
  client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  const closed = management.close(1_000);
  await clock.advance(1_000);
  await closed;
  metrics.close();
});

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(`${url}${path}`, init);
  return { code: response.status, text: await response.text(), headers: response.headers };
}

function check(name: string): Promise<unknown> {
  return new Promise((resolve) => {
    client.check({ service: name }, (error, response) =>
      resolve(error === null ? response.status : failureOf(error)),
    );
  });
}

describe("over HTTP", () => {
  test("/livez says that the process works, ready or not", async () => {
    readiness = { isReady: false, checks: [] };
    expect(await get("/livez")).toMatchObject({ code: 200, text: "ok\n" });
  });

  test("/readyz says whether calls should come here, and why not", async () => {
    expect(await get("/readyz")).toMatchObject({ code: 200, text: "ok\n" });
    expect(await get("/readyz?verbose")).toMatchObject({
      code: 200,
      text: "[+] store: open\nok\n",
    });
    readiness = {
      isReady: false,
      checks: [
        { name: "store", isPassed: true },
        { name: "disk", isPassed: false, detail: "61 MiB free" },
      ],
    };
    expect(await get("/readyz")).toMatchObject({
      code: 503,
      text: "[+] store\n[-] disk: 61 MiB free\nnot ready\n",
    });
  });

  test("/metrics is what Prometheus reads", async () => {
    const { code, text, headers } = await get("/metrics");
    expect(code).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toMatch(/^# TYPE forebay_build_info gauge$/m);
    expect(text).toMatch(/^forebay_event_loop_lag_seconds\{quantile="0.99"\} \d/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  });

  test("/ lists what there is, and everything else is not there", async () => {
    const { text } = await get("/");
    expect(text).toContain("/readyz");
    expect(text).toContain("127.0.0.1:7400");
    expect(await get("/admin")).toMatchObject({ code: 404 });
    expect(await get("/metrics", { method: "POST" })).toMatchObject({ code: 405 });
    expect(await get("/livez", { method: "HEAD" })).toMatchObject({ code: 200, text: "" });
  });

  test("headers above 16 KiB are refused", async () => {
    expect(await get("/livez", { headers: { long: "x".repeat(17_000) } })).toMatchObject({
      code: 431,
    });
  });

  test("a request that is never finished is cut after ten seconds", async () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /livez HTTP/1.1\r\nx: y");
    await new Promise((resolve) => setTimeout(resolve, 100));
    await clock.advance(9_999);
    expect(socket.closed).toBe(false);
    const closed = once(socket.resume(), "close");
    await clock.advance(1);
    await closed;
  });
});

describe("over gRPC", () => {
  test.each(["", "readiness", service])("the health of %j follows readiness", async (name) => {
    expect(await check(name)).toBe(ServingStatus.SERVING);
    readiness = { isReady: false, checks: [] };
    expect(await check(name)).toBe(ServingStatus.NOT_SERVING);
  });

  test("liveness is always serving, and other names are not known", async () => {
    readiness = { isReady: false, checks: [] };
    expect(await check("liveness")).toBe(ServingStatus.SERVING);
    expect(await check("nope")).toMatchObject({ code: "NOT_FOUND", reason: "UNKNOWN_SERVICE" });
  });

  test("List tells all names", async () => {
    const statuses = await new Promise((resolve, reject) => {
      client.list({}, (error, response) =>
        error === null ? resolve(response.statuses) : reject(error),
      );
    });
    expect(statuses).toEqual(
      new Map(
        ["", "readiness", service, "liveness"].map((name) => [
          name,
          { status: ServingStatus.SERVING },
        ]),
      ),
    );
  });

  test("Watch tells the status now and every change, and ends when the server stops", async () => {
    const told: unknown[] = [];
    const stream = client.watch({ service });
    const ended = new Promise((resolve) => {
      stream.on("error", (error) => resolve(failureOf(error)));
    });
    stream.on("data", ({ status }: HealthCheckResponse) => told.push(status));
    await expect.poll(() => told).toEqual([ServingStatus.SERVING]);
    await clock.advance(5_000);
    readiness = { isReady: false, checks: [] };
    await clock.advance(999);
    expect(told).toEqual([ServingStatus.SERVING]);
    await clock.advance(1);
    await expect.poll(() => told).toEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
    readiness = { isReady: true, checks: [] };
    management.readinessChanged();
    await expect.poll(() => told.at(-1)).toBe(ServingStatus.SERVING);
    readiness = { isReady: false, checks: [] };
    const closed = management.close(1_000);
    expect(await ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    expect(told.at(-1)).toBe(ServingStatus.NOT_SERVING);
    await clock.advance(1_000);
    await closed;
  });

  test("Watch of an unknown service says so and stays open", async () => {
    const stream = client.watch({ service: "nope" });
    stream.on("error", () => undefined);
    const [response] = await once(stream, "data");
    expect(response).toEqual({ status: ServingStatus.SERVICE_UNKNOWN });
    stream.cancel();
  });

  test("reflection lists the health service, asked by a client nobody here wrote", async () => {
    const buf = join("node_modules", ".bin", "buf");
    const args = ["curl", "--http2-prior-knowledge", "--protocol", "grpc"];
    const listed = await promisify(execFile)(buf, [...args, "--list-methods", url]);
    expect(listed.stdout).toContain("grpc.health.v1.Health/Check");
    const { stdout } = await promisify(execFile)(buf, [
      ...args,
      "-d",
      JSON.stringify({ service }),
      `${url}/grpc.health.v1.Health/Check`,
    ]);
    expect(JSON.parse(stdout)).toEqual({ status: "SERVING" });
  });
});
