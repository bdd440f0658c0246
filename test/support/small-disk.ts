// A file system of its own, small enough to be filled.

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { temporaryDirectory } from "./temporary-store.js";

const diskBytes = 24 * 1_048_576;

export interface SmallDisk {
  /** A directory on it, for the store. */
  readonly store: string;
  freeBytes(): number;
  /** Somebody else writes until there is no room at all; the answer takes it away again. */
  fill(): () => void;
}

/** Undefined where none can be mounted, which is a failure where every test must count. */
export function smallDisk(): SmallDisk | undefined {
  const directory = temporaryDirectory();
  const options = ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", directory];
  if (spawnSync("mount", options).status !== 0) {
    expect(process.env["CI"], "a tmpfs must be mounted to fill a disk").toBeUndefined();
    console.warn("No tmpfs can be mounted here: full disks are not tested.");
    return undefined;
  }
  // Registered after the directory's removal, and so done before it.
  onTestFinished(() => {
    spawnSync("umount", ["-l", directory]);
  });
  const store = join(directory, "store");
  mkdirSync(store);
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };
  const fill = (): (() => void) => {
    const path = join(directory, "others");
    writeUntilFull(path);
    expect(freeBytes()).toBeLessThan(4_096);
    return () => rmSync(path);
  };
  return { store, freeBytes, fill };
}

function writeUntilFull(path: string): void {
  const file = openSync(path, "w");
  for (const size of [1_048_576, 4_096, 1]) {
    const block = Buffer.alloc(size, "b");
    try {
      while (writeSync(file, block) === size);
    } catch {
      // Full for blocks of this size.
    }
  }
  closeSync(file);
}

/**
 * Room that is gone between the store's look and its write is a write that fails, and ends the program: it says why, or LMDB ends
 * it while it puts its words together.
 */
export function expectEndOnFullDisk(program: {
  readonly failure: string | undefined;
  readonly errors: string;
}): void {
  if (program.failure !== undefined) {
    expect(program.failure).toMatch(/filled up while a commit was being written/);
  } else expect(program.errors).toMatch(/No space left|buffer overflow|corrupt|invalid/);
}
