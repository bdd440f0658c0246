// A program around store, engine and mover, for being killed while it moves: it goes on with the tasks that its store holds,
// says when it has begun, and when the newest task of `dead` has ended. Its argument is the directory.

import { createSystemClock } from "../../src/base/clock.js";
import { createIds, systemRandom } from "../../src/base/ids.js";
import { Engine } from "../../src/engine/engine.js";
import { Mover } from "../../src/engine/mover.js";
import { decideListMoves } from "../../src/queue/move-tasks.js";
import { isExpectedStoreRejection } from "../../src/store/commit-fault.js";
import { addressOf } from "./engine-entries.js";
import { openTestStore } from "./temporary-store.js";

/** What the program says. */
export type MoverEvent = "begun" | "ended";

process.on("unhandledRejection", (reason) => {
  if (!isExpectedStoreRejection(reason)) throw reason;
});

const fail = (error: unknown): never => {
  process.stderr.write(String(error));
  process.exit(1);
};

const store = openTestStore(process.argv[2] ?? "");
const clock = createSystemClock(Engine.lastInstant(store));
const engine = await Engine.start({
  store,
  clock,
  ids: createIds(systemRandom),
  limits: {
    commandsPendingMax: 1_000,
    uncommittedBytesMax: 64 * 1_048_576,
    waitersMax: 1,
    commitAgeMsMax: 60_000,
    storageReserveBytes: 1_048_576,
  },
  observer: {
    recordCommitted: () => undefined,
    corruptRowPassed: fail,
    storageChanged: () => undefined,
    failed: fail,
  },
});
const mover = new Mover({ engine, clock, moved: () => undefined, failed: fail });
mover.start();
process.send?.("begun" satisfies MoverEvent);
for (;;) {
  const decision = await engine.execute({
    name: "ListMoves",
    bytes: 0,
    isGrowing: false,
    decide: (transaction) =>
      decideListMoves(transaction, {
        source: addressOf("dead"),
        before: undefined,
        countMax: 1,
        bytesMax: 1,
      }),
  });
  if (decision.kind === "rejected") fail(decision.rejection.kind);
  else if (decision.outcome.moves[0]?.task.state.kind !== "running") break;
  await new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
}
process.send?.("ended" satisfies MoverEvent);
await mover.stop();
await engine.stop();
await store.close();
process.exit(0);
