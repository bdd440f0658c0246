// Which stores may start as which node: the whole table, without etcd.

import { describe, expect, test } from "vitest";
import { epoch, groupId, type MemberId, memberId } from "../../src/base/brands.js";
import type { ClusterFacts } from "../../src/cluster/cluster-facts.js";
import type { RegisteredMember } from "../../src/cluster/documents.js";
import { decideStart, type NodeDescription, type OwnStore } from "../../src/cluster/start-rules.js";

const group = groupId("a".repeat(32));
const otherGroup = groupId("b".repeat(32));
const own = memberId("1".repeat(32));
const former = memberId("2".repeat(32));

const node: NodeDescription = {
  cluster: "shop",
  node: "alpha",
  zone: "north",
  replicationEndpoint: "alpha:7402",
  dataEndpoint: "alpha:7400",
  managementEndpoint: "alpha:7401",
};

const fresh: OwnStore = { memberId: own, groupId: undefined, hasOwnData: false };
const joined: OwnStore = { memberId: own, groupId: group, hasOwnData: false };

function registered(id: MemberId, changes: Partial<RegisteredMember> = {}): RegisteredMember {
  const { cluster: _, ...description } = node;
  return { id, ...description, hasOwnData: false, ...changes };
}

function facts({
  groupIs = group,
  runs,
  members = [],
  removed = [],
  voters = [],
  learners = [],
}: {
  readonly groupIs?: typeof group | undefined;
  readonly runs?: MemberId;
  readonly members?: readonly RegisteredMember[];
  readonly removed?: readonly MemberId[];
  readonly voters?: readonly MemberId[];
  readonly learners?: readonly MemberId[];
} = {}): ClusterFacts {
  const memberOf = (id: MemberId, isVoter: boolean) => {
    const { managementEndpoint: _management, hasOwnData: _data, ...rest } = registered(id);
    return { ...rest, isVoter };
  };
  return {
    revision: 1n,
    groupId: groupIs,
    configuration:
      groupIs === undefined
        ? undefined
        : {
            version: 1,
            acks: "quorum",
            members: [
              ...voters.map((id) => memberOf(id, true)),
              ...learners.map((id) => memberOf(id, false)),
            ],
          },
    epoch: epoch(3),
    leader: undefined,
    hint: undefined,
    nodes: new Map(runs === undefined ? [] : [["alpha", runs]]),
    members: new Map(members.map((member) => [member.id, member])),
    removed: new Map(removed.map((id) => [id, { node: "alpha", configurationVersion: 2 }])),
  };
}

const notBegun = { ...facts(), groupId: undefined, configuration: undefined };

describe("a node may start", () => {
  test("with a fresh store under a name nobody has: it registers, before the cluster begins", () => {
    expect(decideStart(fresh, node, notBegun)).toEqual({
      kind: "register",
      member: registered(own),
    });
  });

  test("with a fresh store under a name nobody has: it registers with a cluster that runs", () => {
    expect(decideStart(fresh, node, facts({ voters: [former] }))).toMatchObject({
      kind: "register",
    });
  });

  test("as the member it was, at the same addresses: it goes on", () => {
    const known = facts({ runs: own, members: [registered(own)], voters: [own] });
    expect(decideStart(joined, node, known)).toEqual({ kind: "go_on" });
  });

  test("as the member it was, at other addresses: it registers them", () => {
    const known = facts({
      runs: own,
      members: [registered(own, { replicationEndpoint: "elsewhere:7402" })],
      voters: [own],
    });
    expect(decideStart(joined, node, known)).toEqual({
      kind: "register",
      member: registered(own),
    });
  });

  test("as the member it was, when its registration was lost: it registers again", () => {
    expect(decideStart(joined, node, facts({ voters: [own] }))).toMatchObject({ kind: "register" });
  });

  test("registered and not yet begun, with the id it had: it goes on", () => {
    const known = {
      ...notBegun,
      nodes: new Map([["alpha", own]]),
      members: new Map([[own, registered(own)]]),
    };
    expect(decideStart(fresh, node, known)).toEqual({ kind: "go_on" });
  });

  test("with another id, while the former one is no member of the configuration", () => {
    const known = facts({ runs: former, members: [registered(former)] });
    expect(decideStart(fresh, node, known)).toEqual({ kind: "register", member: registered(own) });
  });

  test("with another id, while the former one only learns: no vote is lost with it", () => {
    const known = facts({ runs: former, members: [registered(former)], learners: [former] });
    expect(decideStart(fresh, node, known)).toMatchObject({ kind: "register" });
  });

  test("with data of its own, which is said", () => {
    expect(decideStart({ ...fresh, hasOwnData: true }, node, notBegun)).toMatchObject({
      kind: "register",
      member: { hasOwnData: true },
    });
  });
});

describe("a node is refused, with what to do", () => {
  const whyOf = (store: OwnStore, known: ClusterFacts): string => {
    const decision = decideStart(store, node, known);
    return decision.kind === "refuse" ? decision.why : decision.kind;
  };

  test("with another id, while the former one is a voter", () => {
    const known = facts({ runs: former, members: [registered(former)], voters: [former] });
    const why = whyOf(fresh, known);
    expect(why).toContain(`a voter of the cluster as member ${former}`);
    expect(why).toContain("`forebay cluster remove alpha`");
    expect(why).toContain("`forebay cluster add alpha`");
    expect(why).toContain("`forebay cluster promote alpha`");
  });

  test("with an id that was removed", () => {
    const why = whyOf(joined, facts({ removed: [own], voters: [former] }));
    expect(why).toContain("was removed from the cluster");
    expect(why).toContain("`forebay cluster add alpha`");
  });

  test("with a store of another group", () => {
    const why = whyOf({ ...joined, groupId: otherGroup }, facts({ runs: own, voters: [own] }));
    expect(why).toContain(otherGroup);
    expect(why).toContain(group);
    expect(why).toContain("data_dir");
  });

  test("with a store of a group, where etcd knows no cluster", () => {
    const why = whyOf(joined, notBegun);
    expect(why).toContain('etcd knows no cluster "shop"');
    expect(why).toContain("restore it from a backup");
  });

  test("with a store that another node is registered with", () => {
    const known = facts({ members: [registered(own, { node: "beta" })], voters: [own] });
    const why = whyOf(joined, known);
    expect(why).toContain('registered as node "beta"');
    expect(why).toContain("node_name");
  });
});
