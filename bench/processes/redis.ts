// A private Redis to compare with: from the system's package, in a directory of its own, on loopback, gone afterwards. It keeps
// nothing on disk, which is how it is fastest and how most people run it as a cache.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { cpuMicrosOf } from "./process-usage.js";

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  cpuMicros(): number | undefined;
}

const startMsMax = 10_000;
const loopback = "127.0.0.1";

/** Undefined where it is not installed. */
export function findRedis(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, "redis-server")).find((path) => existsSync(path));
}

export async function startRedis(command: string, directory: string): Promise<RedisServer> {
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const settings = ["--port", String(port), "--bind", loopback, "--save", "", "--dir", directory];
  const child = spawn(command, [...settings, "--appendonly", "no"], { stdio: "ignore" });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  const startedMs = performance.now();
  while (!(await isListening(port))) {
    if (child.exitCode !== null || performance.now() - startedMs > startMsMax) {
      throw new Error("Redis did not start.");
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    cpuMicros: () => (child.pid === undefined ? undefined : cpuMicrosOf(child.pid)),
    [Symbol.asyncDispose]: async () => {
      const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
      kill();
      await gone;
      process.off("exit", kill);
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, loopback);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Nobody else is expected to take it before the server does. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, loopback, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
