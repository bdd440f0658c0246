// Wall clocks of nodes that are stepped while they run, faked at the boundary of the process as in the tests of a node alone
// (test/support/stepped-wall.mjs). Elapsed time runs on, as on a machine whose clock somebody sets.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterNode, NodeStart } from "./cluster-node.js";

const preload = new URL("../support/stepped-wall.mjs", import.meta.url).href;
const seenMsMax = 5_000;

export class WallClocks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** How to start a node so that its clock can be stepped, in all its lives. */
  startOf(name: string): NodeStart {
    const path = this.#pathOf(name);
    writeFileSync(path, "0");
    return { environment: { NODE_OPTIONS: `--import ${preload}`, WALL_OFFSET_FILE: path } };
  }

  /** Resolves once the node has the new wall clock; one that is down has it from its next start. */
  async step(node: ClusterNode, offsetMs: number): Promise<void> {
    const path = this.#pathOf(node.name);
    writeFileSync(path, String(offsetMs));
    if (!node.program.isRunning) return;
    node.program.signal("SIGUSR2");
    const giveUpMs = performance.now() + seenMsMax;
    while (readFileSync(`${path}.seen`, "utf8") !== String(offsetMs)) {
      if (performance.now() > giveUpMs) throw new Error(`${node.name} keeps its clock.`);
      await sleep(10);
    }
  }

  #pathOf(name: string): string {
    return join(this.#folder, `${name}.offset`);
  }
}
