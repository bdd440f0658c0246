// A program of its own around a member's disk: what a test may kill, put on a full disk or give a failing one. It writes records
// whose effects can be told from their numbers alone (`numbered-records.ts`), and says what the disk said, never more.

import { isExpectedStoreRejection } from "../../src/store/commit-fault.js";
import type { DiskOutcome, ReplicaDisk } from "../../src/store/replica-disk.js";
import { copiedRows, copiedState, nextBatch } from "./numbered-records.js";
import { newMember, openTestReplica, outcomeOf } from "./replica-log.js";

/** How the program is started, as JSON in its first argument. */
export interface ReplicaProcessOptions {
  readonly directory: string;
  readonly mapSizeBytes: number;
  /** `log`: writes for ever. `copy`: takes a copy of a state and goes on with the log behind it for a while. */
  readonly task: "log" | "copy";
}

/** What the program says of itself. */
export type ReplicaEvent =
  | { readonly event: "ready" }
  | { readonly event: "durable"; readonly batch: number }
  | { readonly event: "full" }
  | { readonly event: "copied" }
  | { readonly event: "failed"; readonly message: string }
  | { readonly event: "done" };

/** With which the program ends when the disk says that it failed. */
export const failedExitCode = 7;
const sliceCount = 6;
const batchesAfterCopy = 5;
const fullPauseMs = 20;

async function tell(event: ReplicaEvent): Promise<void> {
  await new Promise<void>((resolve) => {
    process.send?.(event, undefined, undefined, () => resolve());
  });
}

async function start({ directory, mapSizeBytes, task }: ReplicaProcessOptions): Promise<void> {
  process.on("unhandledRejection", (reason) => {
    if (!isExpectedStoreRejection(reason)) throw reason;
  });
  const { store, disk } = openTestReplica(directory, { mapSizeBytes });
  await tell({ event: "ready" });
  if (task === "log") {
    for (;;) await writeNext(disk);
  }
  await durable((done) => disk.beginCopy(done));
  const state = copiedState(disk.load() ?? newMember());
  const rows = copiedRows();
  const sliceLength = Math.ceil(rows.length / sliceCount);
  for (let at = 0; at < rows.length; at += sliceLength) {
    await durable((done) => disk.addToCopy(rows.slice(at, at + sliceLength), done));
  }
  await durable((done) => disk.finishCopy(state, done));
  await tell({ event: "copied" });
  for (let count = 0; count < batchesAfterCopy; count += 1) await writeNext(disk);
  await store.close();
  await tell({ event: "done" });
  process.exit(0);
}

async function writeNext(disk: ReplicaDisk): Promise<void> {
  const batch = nextBatch(disk);
  await durable((done) => disk.write(batch, done));
  await tell({ event: "durable", batch: batch.state.leaderTime });
}

/** As the protocol does it: the same again while the disk is full, and the end of everything when it fails. */
async function durable(ask: (done: (outcome: DiskOutcome) => void) => void): Promise<void> {
  for (;;) {
    const outcome = await outcomeOf(ask);
    switch (outcome.kind) {
      case "durable":
        return;
      case "full":
        await tell({ event: "full" });
        await new Promise((resolve) => {
          setTimeout(resolve, fullPauseMs);
        });
        break;
      case "failed":
        await tell({ event: "failed", message: outcome.error.message });
        process.exit(failedExitCode);
    }
  }
}

const [, , options] = process.argv;
if (options !== undefined && process.send !== undefined)
  await start(JSON.parse(options) as ReplicaProcessOptions);
