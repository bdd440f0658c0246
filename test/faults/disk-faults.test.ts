// A leader whose disk cannot flush, and one whose disk is full. The disks are file systems in memory, mounted where only this run
// sees them.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ClusterNode } from "./cluster-node.js";
import type { Fault } from "./faults.js";
import { timeout, tryFault } from "./one-fault.js";

const mebibyte = 1_048_576;
const diskBytes = 96 * mebibyte;

/** The line with which a node ends that cannot trust its disk any more. */
const died = /"level":"fatal".*A commit failed with space left on the disk/;

/** From now on every flush of the leader fails. */
const failFlushes: Fault = async (cluster) => {
  const leader = await cluster.leader();
  const call = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"];
  const tracer = spawn("strace", ["-f", "-qq", "-p", String(leader.program.pid), ...call], {
    stdio: "ignore",
  });
  onTestFinished(() => void tracer.kill());
  expect(await leader.program.exited).not.toBe(0);
  expect(leader.output).toMatch(died);
  return () => leader.start();
};

test("a leader whose disk cannot flush ends at once and is replaced", { timeout }, () =>
  tryFault({ fault: failFlushes, lastsMs: 4_000, hasStreams: true }),
);

test("a leader whose disk is full is no reason to refuse sends while another one has room", {
  timeout,
}, async () => {
  const disks = mountDisks(["a", "b", "c"]);
  await tryFault({
    fault: async (cluster) => {
      const leader = await cluster.leader();
      const filler = fill(leader);
      return () => rmSync(filler);
    },
    lastsMs: 8_000,
    argsOf: () => ["--storage-reserve-bytes", String(4 * mebibyte)],
    directoryOf: (name) => join(disks, name, "data"),
  });
});

function mountDisks(names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "forebay-disks-"));
  for (const name of names) {
    const disk = join(folder, name);
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", disk]);
    onTestFinished(() => void execFileSync("umount", [disk]));
  }
  return folder;
}

/** Leaves no room on a node's disk; returns what to remove for there to be room again. */
function fill(node: ClusterNode): string {
  const path = join(node.plan.dataDirectory, "..", "filler");
  const file = openSync(path, "w");
  try {
    for (const bytes of [mebibyte, 4_096]) {
      const block = Buffer.alloc(bytes);
      try {
        while (writeSync(file, block) === block.length);
      } catch {
        // Full, for blocks of this size.
      }
    }
  } finally {
    closeSync(file);
  }
  return path;
}
