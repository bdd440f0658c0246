// A server for scripts that try one: the built program, on ports that were free a moment ago and a data directory
// of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.mjs";
import { root } from "./repository.mjs";

const readyWithinMs = 15_000;

/** Starts a server and waits until it is ready. `stop` ends it gently and removes its data. */
export async function startServer(args = []) {
  const dataDir = mkdtempSync(join(tmpdir(), "forebay-script-"));
  const address = `127.0.0.1:${await freePort()}`;
  const managementAddress = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    process.execPath,
    [
      join(root, "dist/main.js"),
      "serve",
      ...["--data-dir", dataDir],
      ...["--listen", address],
      ...["--management-listen", managementAddress],
      ...["--log-level", "error"],
      ...args,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    const [status] = await exited;
    rmSync(dataDir, { recursive: true, force: true });
    if (status !== 0) throw new Error(`The server left with status ${status}.`);
  };
  const giveUpMs = performance.now() + readyWithinMs;
  while (!(await isReady(managementAddress))) {
    if (child.exitCode !== null) throw new Error(`The server left with status ${child.exitCode}.`);
    if (performance.now() > giveUpMs) {
      child.kill("SIGKILL");
      throw new Error(`The server was not ready within ${readyWithinMs} ms.`);
    }
    await sleep(50);
  }
  return { address, managementAddress, stop };
}

/** Whether a server with this management address answers that it is ready. */
export async function isReady(managementAddress) {
  try {
    return (await fetch(`http://${managementAddress}/readyz`)).ok;
  } catch {
    // Not listening yet.
    return false;
  }
}
