// A real server for tests of the client: on a port it keeps over restarts, with a store that is gone after the test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Log } from "../../../../src/base/log.js";
import { loadConfig } from "../../../../src/config.js";
import { type RunningServer, startServer } from "../../../../src/server.js";
import { ForebayClient, type ForebayClientOptions } from "../../src/index.js";

const mapSizeBytes = 1_024 * 1_048_576;

type AtEnd = (end: () => Promise<void>) => void;

export class RealServer {
  readonly #root = mkdtempSync(join(tmpdir(), "forebay-client-"));
  #server: RunningServer | undefined;
  #port = 0;

  /** Started, and gone when the test ends, or all tests of a file do. */
  static async start(atEnd: AtEnd = onTestFinished): Promise<RealServer> {
    const server = new RealServer();
    atEnd(async () => {
      await server.stop();
      rmSync(server.#root, { recursive: true, force: true });
    });
    await server.start();
    return server;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** A client that is closed when the test ends, before the server stops. */
  connect(options: ForebayClientOptions = {}): ForebayClient {
    const client = new ForebayClient({ endpoint: this.endpoint, ...options });
    onTestFinished(() => client.close());
    return client;
  }

  async start(): Promise<void> {
    const { config } = loadConfig({ args: [], env: {}, workingDirectory: this.#root });
    const address = { host: "127.0.0.1", port: 0 };
    const listen = { ...address, port: this.#port };
    this.#server = await startServer(
      { ...config, mapSizeBytes, listen, managementListen: address },
      silent,
      {
        failed: (error) => {
          throw error;
        },
      },
    );
    this.#port = this.#server.dataAddress.port;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const silent = Object.fromEntries(
  levels.map((level) => [level, () => undefined]),
) as unknown as Log;
