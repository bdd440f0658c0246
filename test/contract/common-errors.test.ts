// What every call may answer: the errors that the conventions of the contract list, provoked of every method.

import { describe, expect, test } from "vitest";
import type { CallError } from "../support/call-error.js";
import { commonErrors, methods } from "../support/contract.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { type Scenario, scenario } from "../support/scenario.js";
import { keyOf, queueFieldOf, wholeRequests } from "../support/whole-requests.js";

type Provocation = (t: Scenario) => Promise<unknown>;

const text = (value: string) => ({ $case: "text" as const, value });

/** Makes `dead` the dead-letter queue of the scenario's. */
const makeDead = async (t: Scenario): Promise<void> => {
  await t.createQueue("dead");
  await t.setQueue({ redrive: { to: "dead", after: 1 } });
};

describe("what every call may answer", () => {
  test("is what the conventions list", () => {
    expect(commonErrors().map(({ code, reason }) => `${code} ${reason}`)).toEqual([
      "INVALID_ARGUMENT MALFORMED_REQUEST",
      "INVALID_ARGUMENT MISSING_PARAMETER",
      "INVALID_ARGUMENT INVALID_PARAMETER",
      "RESOURCE_EXHAUSTED COMMIT_BACKLOG",
      "UNAVAILABLE SHUTTING_DOWN",
      // These, and a position that is unknown, are of a cluster: test/cluster-node and test/edge provoke them.
      "UNAVAILABLE NOT_LEADER",
      "UNAVAILABLE LEADERSHIP_LOST",
      "INTERNAL RECORD_CORRUPT",
      "FAILED_PRECONDITION POSITION_UNKNOWN",
      "RESOURCE_EXHAUSTED STORAGE_FULL",
    ]);
  });

  const unary = methods.filter(({ isStream }) => !isStream);

  test("INVALID_ARGUMENT / MALFORMED_REQUEST", async () => {
    const t = await scenario();
    for (const { path } of methods.filter(({ isStream }) => !isStream)) {
      const error = await failureOf(t.client.raw(path, Buffer.from([0x0a, 0x05, 0x61])));
      expect(error, path).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
      checkDetails(error);
    }
    for (const stream of [t.produce(), t.consume()]) {
      stream.writeBytes(Buffer.from([0x0a, 0x05, 0x61]));
      const error = (await stream.ended) as CallError;
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
    }
  });

  test("INVALID_ARGUMENT / MISSING_PARAMETER and INVALID_PARAMETER, for the queue's name", async () => {
    const t = await scenario();
    for (const { name } of unary) {
      const field = queueFieldOf(name);
      if (field === undefined) continue;
      const request = wholeRequests(t.queue, "garbage")[keyOf(name)];
      for (const [queue, reason] of [
        ["", "MISSING_PARAMETER"],
        ["a b", "INVALID_PARAMETER"],
      ]) {
        const call = t.call(keyOf(name), { ...request, [field]: queue } as typeof request);
        const error = await failureOf(call);
        expect(error, name).toMatchObject({ code: "INVALID_ARGUMENT", reason });
        // A policy names its queue, so that it does not fit another name either.
        const others = error.violations.filter((each) => !each.startsWith("attributes.policy"));
        expect(others).toEqual([field]);
        checkDetails(error);
      }
    }
    const error = await failureOf(t.call("listQueues", { pageSize: 0 }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
  });

  test("RESOURCE_EXHAUSTED / COMMIT_BACKLOG, of every method, before any effect", async () => {
    const t = await scenario({ config: { commandsPendingMax: 16 } });
    await makeDead(t);
    const taskHandle = await t.startMove();
    // Reads wait for the record they see, so they can be refused as well.
    for (const { name } of unary.filter(({ name }) => name !== "DeleteQueue")) {
      const whole = { ...wholeRequests(t.queue, "garbage"), cancelMessageMoveTask: { taskHandle } };
      const request = whole[keyOf(name)];
      const before = await t.counters();
      // The disk may be quicker than the calls that are to wait for it.
      let error: CallError | undefined;
      for (let attempt = 0; error?.reason !== "COMMIT_BACKLOG" && attempt < 50; attempt += 1) {
        const fill = Promise.allSettled(Array.from({ length: 60 }, () => t.send("fill")));
        error = await failureOf(t.call(keyOf(name), request)).catch(() => undefined);
        const sent = (await fill).filter(({ status }) => status === "fulfilled").length;
        if (error !== undefined) expect((await t.counters()).sent).toBe(before.sent + sent);
        before.sent = (await t.counters()).sent;
      }
      expect(error, name).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "COMMIT_BACKLOG",
        quota: ["server"],
        retryAfterMs: 200,
      });
      checkDetails(error as CallError);
    }
  });

  test("INTERNAL / RECORD_CORRUPT, instead of what is not what was stored", async () => {
    const t = await scenario();
    t.expectErrors();
    await t.call("tagQueue", { queue: t.queue, tags: new Map([["needle", "haystack"]]) });
    await t.createQueue("other");
    await t.corrupt("haystack");
    for (const { name } of unary.filter(({ name }) => queueFieldOf(name) !== undefined)) {
      const error = await failureOf(
        t.call(keyOf(name), wholeRequests(t.queue, "garbage")[keyOf(name)]),
      );
      expect(error, name).toMatchObject({ code: "INTERNAL", reason: "RECORD_CORRUPT" });
      checkDetails(error);
    }
    await t.send("the others are served", { queue: "other" });
    expect(await t.receive({ queue: "other" })).toHaveLength(1);
  });

  test("RESOURCE_EXHAUSTED / STORAGE_FULL, of what stores something, while receives and deletes go on", async () => {
    const t = await scenario();
    t.expectErrors();
    await t.sendBatch(["a", "b"]);
    await t.restart({ storageReserveBytes: Number.MAX_SAFE_INTEGER });
    const full: Provocation[] = [
      () => t.send("more"),
      () => t.sendBatch(["more"]),
      () => t.createQueue("more"),
      () => t.startMove({ source: t.queue }),
      async () => {
        const stream = t.produce();
        stream.write({ queue: t.queue, entries: [{ body: text("more") }] });
        stream.halfClose();
        await stream.ended;
        const result = stream.responses[0]?.results[0]?.result;
        if (result?.$case === "error") {
          expect(result.value.code).toBe(8);
          expect(result.value.message).toContain("storage is full");
        }
        return await t.send("more");
      },
    ];
    for (const provoke of full) {
      const error = await failureOf(provoke(t));
      expect(error).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "STORAGE_FULL",
        quota: ["server"],
      });
      checkDetails(error);
    }
    const [a] = await t.receive();
    expect(await t.delete(a?.handle ?? "")).toBe("DELETED");
    expect(await t.purge()).toBe(1);
  });
});
