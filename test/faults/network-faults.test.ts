// What networks do to a cluster beside cutting a node off altogether: they lose what goes one way and pass what goes the other, cut
// the leader from the voters and not from etcd, part two nodes that both reach the third, and get slow.

import { expect, test } from "vitest";
import {
  cutLeaderFromOneVoter,
  cutLeaderFromVoters,
  deafenLeader,
  isolateLeader,
  pauseFollower,
  silenceLeader,
  slowFollower,
} from "./faults.js";
import { timeout, tryFault } from "./one-fault.js";

/** A probe may have asked a node in vain, or twice. */
const unnoticedMs = 2_500;

test(
  "a leader that only its clients reach answers none of them once another one may lead",
  {
    timeout,
  },
  () => tryFault({ fault: isolateLeader, lastsMs: 9_000 }),
);

test("a leader whose packets vanish is replaced, although it hears everybody", { timeout }, () =>
  tryFault({ fault: silenceLeader, lastsMs: 9_000 }),
);

test("a leader that hears nobody is replaced, although everybody hears it", { timeout }, () =>
  tryFault({ fault: deafenLeader, lastsMs: 9_000 }),
);

test("a leader that reaches etcd and no voter gives its lease back", { timeout }, () =>
  tryFault({ fault: cutLeaderFromVoters, lastsMs: 12_000 }),
);

test("two nodes that reach the third and not each other do not take turns in leading", {
  timeout,
}, async () => {
  let epoch = 0n;
  await tryFault({
    fault: async (cluster) => {
      epoch = (await cluster.status())?.epoch ?? 0n;
      return await cutLeaderFromOneVoter(cluster);
    },
    lastsMs: 12_000,
    outageMsMax: undefined,
    before: async (cluster) => {
      const status = await cluster.status();
      expect(Number((status?.epoch ?? 0n) - epoch)).toBeLessThanOrEqual(1);
      expect(status?.leader).toBeDefined();
    },
  });
});

test("a follower behind a slow link holds nobody up, and catches up", { timeout }, () =>
  tryFault({ fault: slowFollower, lastsMs: 8_000, outageMsMax: unnoticedMs }),
);

test("a follower that stands still holds nobody up, and catches up", { timeout }, () =>
  tryFault({ fault: pauseFollower, lastsMs: 8_000, outageMsMax: unnoticedMs }),
);
