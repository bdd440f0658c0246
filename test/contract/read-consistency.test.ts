// Every call that reads says how fresh it has to be, so that it may be answered by any node of a cluster.

import { expect, test } from "vitest";
import { isReadOnly } from "../../src/rpc/call.js";
import { servedDefinitions } from "../../src/server/term.js";

/** Reads that are the leader's alone; the contract says why. */
const forLeader = ["PreviewMessageMoveTask"];

test("every call without side effects has a consistency, but those that the contract keeps for the leader", () => {
  const methods = servedDefinitions.flatMap((definition) => Object.values(definition.methods));
  const reads = methods.filter((method) => isReadOnly(method));
  const without = reads.filter(
    ({ requestType }) => !("consistency" in requestType.fromPartial({})),
  );
  expect(reads.length).toBeGreaterThan(10);
  expect(without.map(({ name }) => name)).toEqual(forLeader);
});
