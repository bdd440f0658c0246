// A server that may be killed and started again on the same store, and a connection to whichever runs: for crash tests that make a
// few calls themselves. (Tests with processes of clients have `run.ts`.)

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { QueueClient } from "../support/queue-client.js";
import { openTestStore } from "../support/temporary-store.js";
import { answers, ServerProcess } from "./server-process.js";

/** For webhooks of this machine. */
const args = [
  ...["--public-base-url", "http://messages.example"],
  ...["--public-listen", "127.0.0.1:0"],
  ...["--webhook-allowed-cidrs", "127.0.0.0/8"],
];

export class Life {
  readonly directory = mkdtempSync(join(tmpdir(), "forebay-life-"));
  #process: ServerProcess | undefined;
  #client: QueueClient | undefined;

  /** One that runs, and is gone with its store when the test ends. */
  static async begin(): Promise<Life> {
    const life = new Life();
    onTestFinished(async () => {
      await life.kill();
      rmSync(life.directory, { recursive: true, force: true });
    });
    await life.start();
    return life;
  }

  async start(): Promise<void> {
    const port = await freePort();
    this.#process = new ServerProcess({ dataDirectory: this.directory, port, args });
    await answers(port);
    this.#client = new QueueClient({ host: "127.0.0.1", port });
  }

  get client(): QueueClient {
    if (this.#client === undefined) throw new Error("The server has not been started.");
    return this.#client;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#client?.close();
  }

  async killAndStart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** What a check of the store says once the server is dead. */
  async report(): Promise<string> {
    await this.kill();
    const store = openTestStore(this.directory);
    try {
      return renderCheckReport(await checkStore(store));
    } finally {
      await store.close();
    }
  }
}
