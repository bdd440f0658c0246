// autocannon, which drives an HTTP server as hard as Node can, in a process of its own.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface CannonOptions {
  readonly url: string;
  readonly connections: number;
  readonly forSeconds: number;
  readonly body: string;
}

/** What of its report is used. */
interface Report {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly errors: number;
  readonly non2xx: number;
}

/** Posts the same body again and again; requests answered a second. */
export async function fireCannon(options: CannonOptions): Promise<number> {
  const { url, connections, forSeconds, body } = options;
  const flags = ["-c", String(connections), "-d", String(forSeconds), "-m", "POST", "-b", body];
  const entry = fileURLToPath(import.meta.resolve("autocannon"));
  const child = spawn(process.execPath, [entry, ...flags, "--json", "--no-progress", url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => child.once("close", resolve));
  const report = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Report;
  if (report.errors + report.non2xx > 0) {
    throw new Error(`autocannon met ${report.errors} errors and ${report.non2xx} refusals.`);
  }
  return report.requests.total / report.duration;
}
