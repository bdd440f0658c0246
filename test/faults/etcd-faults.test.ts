// What becomes of a cluster without etcd: the leader steps down when its lease ends, nothing acknowledged is lost, and everything
// goes on by itself once etcd is back.

import { test } from "vitest";
import { killEtcd, pauseEtcd } from "./faults.js";
import { timeout, tryFault } from "./one-fault.js";

test("a cluster whose etcd died serves again when it is back", { timeout }, () =>
  tryFault({ fault: killEtcd, lastsMs: 8_000, outageMsMax: undefined }),
);

test("a cluster whose etcd stands still serves again when it goes on", { timeout }, () =>
  tryFault({ fault: pauseEtcd, lastsMs: 8_000, outageMsMax: undefined }),
);

test("one member of etcd less is not noticed", { timeout }, () =>
  tryFault({
    fault: async ({ etcd }) => {
      const [member] = etcd.members;
      await member?.kill();
      return async () => {
        member?.start();
        await member?.ready();
      };
    },
    lastsMs: 6_000,
  }),
);
