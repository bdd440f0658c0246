// What a node of a cluster says of itself when it is asked whether it is ready.

import { expect, test } from "vitest";
import { clusterReadiness, type Standing } from "../../src/server/cluster-status.js";

type View = Extract<Standing, { kind: "member" }>["view"];

const following: View = {
  role: { kind: "follower", leader: undefined },
  isWhole: true,
  isRemoved: () => false,
  leading: () => undefined,
  leader: () => undefined,
  leaderlessMs: () => 0,
};

const clusterOf = (view: View) =>
  clusterReadiness({ kind: "member", view, isStorageFull: false, copy: undefined });

test("a node that was removed is not ready, and says what to do", () => {
  expect(clusterOf(following).isReady).toBe(true);
  const { isReady, checks } = clusterOf({ ...following, isRemoved: () => true });
  expect(isReady).toBe(false);
  expect(checks[0]?.detail).toMatch(/^removed from the cluster;.*forebay cluster add/);
});
