// Every call that reads says how fresh it has to be, so that it may be answered by any node of a cluster.

import { expect, test } from "vitest";
import { isReadOnly } from "../../src/rpc/call.js";
import { servedDefinitions } from "../../src/server/term.js";

/**
 * Reads that are the leader's alone, as the contract says: one settles what it counts, one tells what has just become durable, and
 * one what is only in the leader's memory.
 */
const forLeader = ["PreviewMessageMoveTask", "Tail", "SubscribeToChannels"];
/** What depends on nothing but its request. */
const ofNoState = ["TestFilterPolicy"];

test("every call without side effects has a consistency, but those that the contract keeps for the leader", () => {
  const methods = servedDefinitions.flatMap((definition) => Object.values(definition.methods));
  const reads = methods.filter((method) => isReadOnly(method));
  const without = reads.filter(
    ({ requestType }) => !("consistency" in requestType.fromPartial({})),
  );
  expect(reads.length).toBeGreaterThan(10);
  expect(without.map(({ name }) => name).sort()).toEqual([...forLeader, ...ofNoState].sort());
});
