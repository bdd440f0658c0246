// What a caller is told when the engine itself refuses: each kind with its status and reason, and when to come again; and
// what of a read that a failed commit made impossible.

import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { EngineRefusal, type RefusalKind } from "../../src/engine/command.js";
import { statusOf } from "../../src/rpc/status-details.js";
import { translateFault } from "../../src/rpc/wire-errors.js";

const cases: readonly (readonly [RefusalKind, status, string, boolean])[] = [
  ["commit_backlog", status.RESOURCE_EXHAUSTED, "COMMIT_BACKLOG", true],
  ["storage_full", status.RESOURCE_EXHAUSTED, "STORAGE_FULL", true],
  ["too_many_waiting", status.RESOURCE_EXHAUSTED, "THROTTLED", true],
  ["shutting_down", status.UNAVAILABLE, "SHUTTING_DOWN", false],
  ["not_leader", status.UNAVAILABLE, "NOT_LEADER", false],
  ["outcome_unknown", status.UNAVAILABLE, "LEADERSHIP_LOST", false],
];

test.each(cases)(
  "%s is told with its status, its reason and a hint",
  (kind, code, reason, hasQuota) => {
    const fault = translateFault(new EngineRefusal(kind, "A sentence.", 250));
    expect(fault?.fields).toMatchObject({
      code,
      reason,
      message: "A sentence.",
      retryAfterMs: 250,
    });
    const details = fault === undefined ? [] : statusOf(fault).details;
    const types = details.map(({ typeUrl }) => typeUrl.replace(/^.*\./, ""));
    expect(types).toEqual(["ErrorInfo", "RetryInfo", ...(hasQuota ? ["QuotaFailure"] : [])]);
  },
);

test("a read behind a failed commit is told that the node ends, not that it has a bug", () => {
  // The words of LMDB itself, taken from a run whose write of the meta page failed.
  const panic = new Error(
    "Invalid argument: MDB_PANIC: Update of meta page failed or environment had fatal error",
  );
  expect(translateFault(panic)?.fields).toMatchObject({
    code: status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
  });
  expect(translateFault(new Error("Invalid argument"))).toBeUndefined();
});
