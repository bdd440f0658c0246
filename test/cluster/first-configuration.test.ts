// With whom a cluster begins, and which of two reads is the later: rules without etcd.

import { describe, expect, test } from "vitest";
import { memberId } from "../../src/base/brands.js";
import type { RegisteredMember } from "../../src/cluster/documents.js";
import { decideFirstConfiguration } from "../../src/cluster/first-configuration.js";
import { ViewOrder } from "../../src/cluster/view-order.js";

function node(name: string, zone: string, hasOwnData = false): RegisteredMember {
  return {
    id: memberId(Buffer.from(name).toString("hex").padStart(32, "0")),
    node: name,
    zone,
    replicationEndpoint: `${name}:7402`,
    dataEndpoint: `${name}:7400`,
    managementEndpoint: `${name}:7401`,
    hasOwnData,
  };
}

const zones = (count: number): RegisteredMember[] =>
  Array.from({ length: count }, (_, at) => node(`n${at + 1}`, `z${at + 1}`));

function votersOf(registered: readonly RegisteredMember[], voterCount?: number): string[] | string {
  const decision = decideFirstConfiguration(registered, { acks: "quorum", voterCount });
  if (decision.kind === "refused") return decision.why;
  expect(decision.configuration.members.length).toBe(registered.length);
  return decision.configuration.members.filter(({ isVoter }) => isVoter).map((each) => each.node);
}

describe("the first configuration", () => {
  test("has 1, 3 or 5 voters, as many as there are zones", () => {
    expect(votersOf(zones(1))).toEqual(["n1"]);
    expect(votersOf(zones(2))).toEqual(["n1"]);
    expect(votersOf(zones(3))).toEqual(["n1", "n2", "n3"]);
    expect(votersOf(zones(4))).toEqual(["n1", "n2", "n3"]);
    expect(votersOf(zones(5))).toHaveLength(5);
    expect(votersOf(zones(7))).toHaveLength(5);
  });

  test("has fewer voters when told so, and refuses what zones or numbers do not allow", () => {
    expect(votersOf(zones(5), 3)).toEqual(["n1", "n2", "n3"]);
    expect(votersOf(zones(3), 1)).toEqual(["n1"]);
    expect(votersOf(zones(2), 3)).toContain("3 voters need nodes in 3 zones");
    expect(votersOf(zones(3), 2)).toContain("1, 3 or 5 voters, not 2");
    expect(votersOf(zones(3), 0)).toContain("1, 3 or 5 voters, not 0");
    expect(votersOf([])).toContain("No node has registered yet");
  });

  test("has at most one voter per zone; the rest only learn", () => {
    const registered = [node("b", "z1"), node("a", "z1"), node("c", "z2"), node("d", "z3")];
    expect(votersOf(registered)).toEqual(["a", "c", "d"]);
  });

  test("begins with the one node that has data, and refuses two of them", () => {
    const registered = [node("a", "z1"), node("b", "z1", true), ...zones(3)];
    // Two without its data would be a majority of three, and could lead.
    expect(votersOf(registered, 3)).toEqual(["b"]);
    const decision = decideFirstConfiguration(registered, { acks: "quorum", voterCount: 3 });
    expect(decision).toMatchObject({ promoteLater: ["n2", "n3"] });
    expect(votersOf([...zones(2), node("x", "z9", true)], 1)).toEqual(["x"]);
    expect(votersOf([node("a", "z1", true), node("b", "z2", true)])).toContain(
      "a, b each hold data",
    );
  });

  test("is version 1, with the addresses that nodes registered and the acks asked for", () => {
    const decision = decideFirstConfiguration(zones(1), { acks: "all", voterCount: undefined });
    expect(decision).toEqual({
      kind: "made",
      promoteLater: [],
      configuration: {
        version: 1,
        acks: "all",
        members: [
          {
            id: zones(1)[0]?.id,
            node: "n1",
            zone: "z1",
            isVoter: true,
            replicationEndpoint: "n1:7402",
            dataEndpoint: "n1:7400",
          },
        ],
      },
    });
  });
});

describe("of two reads", () => {
  test("the one that began after the other had ended is later, whatever their revisions", () => {
    const order = new ViewOrder();
    expect(order.mayFollow(order.begin(), 100n)).toBe(true);
    // etcd was restored from a backup.
    expect(order.mayFollow(order.begin(), 7n)).toBe(true);
  });

  test("that overlapped the one with the later revision is later", () => {
    const order = new ViewOrder();
    const [one, other, third] = [order.begin(), order.begin(), order.begin()];
    expect(order.mayFollow(other, 100n)).toBe(true);
    expect(order.mayFollow(one, 99n)).toBe(false);
    expect(order.mayFollow(third, 101n)).toBe(true);
  });
});
