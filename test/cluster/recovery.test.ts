// Who may go on alone when most voters are gone: the rule, without etcd.

import { expect, test } from "vitest";
import { epoch, memberId } from "../../src/base/brands.js";
import type { ClusterFacts } from "../../src/cluster/cluster-facts.js";
import { decideRecovery } from "../../src/cluster/recovery.js";
import type { GroupMember } from "../../src/store/replica-disk.js";

const member = (node: string, isVoter: boolean): GroupMember => ({
  id: memberId(Buffer.from(node).toString("hex").padStart(32, "0")),
  node,
  zone: `zone-${node}`,
  isVoter,
  replicationEndpoint: `${node}:7402`,
  dataEndpoint: `${node}:7400`,
});

const members = [member("a", true), member("b", true), member("c", true), member("d", false)];

const facts: ClusterFacts = {
  revision: 1n,
  groupId: undefined,
  configuration: { version: 7, members, acks: "all" },
  epoch: epoch(3),
  leader: undefined,
  hint: undefined,
  nodes: new Map(),
  members: new Map(),
  removed: new Map(),
};

test("the named member is the only one and votes, a learner too, in the next version", () => {
  for (const node of ["b", "d"]) {
    expect(decideRecovery(facts, node)).toEqual({
      kind: "made",
      configuration: { version: 8, members: [member(node, true)], acks: "all" },
    });
  }
});

test("nobody goes on alone while somebody leads, without a cluster, or without being a member", () => {
  const [a] = members;
  if (a === undefined) throw new Error("There is a first member.");
  const leader = { node: "a", memberId: a.id, dataEndpoint: a.dataEndpoint, epoch: epoch(3) };
  const why = (given: ClusterFacts, node: string): string => {
    const recovery = decideRecovery(given, node);
    return recovery.kind === "refused" ? recovery.why : recovery.kind;
  };
  expect(why({ ...facts, leader } as ClusterFacts, "b")).toContain('Node "a" leads');
  expect(why({ ...facts, configuration: undefined }, "b")).toContain("No cluster has begun");
  expect(why(facts, "x")).toContain('Node "x" is no member of the cluster: a, b, c, d are.');
});
