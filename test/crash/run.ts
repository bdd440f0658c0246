// A crash test's run: a server that dies and comes back, processes of clients that work on, and at the end the drain and
// the verdict. What happens to the server in between is the test's (crash.test.ts, faults.test.ts).

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CreateQueueOptions, ForebayClient, ForebayError, type Queue } from "@forebay/client";
import { freePort } from "../../scripts/support/free-port.mjs";
import { loadConfig } from "../../src/config.js";
import { checkDirectory } from "../../src/server/check-directory.js";
import { type FinalCounters, type Judgement, judge } from "./checker.js";
import { drainQueue } from "./drain.js";
import {
  bodyOf,
  type Event,
  History,
  hashOf,
  nowMs,
  type Outcome,
  readHistory,
} from "./history.js";
import type { ClientPlan } from "./plan.js";
import { answers, type ServerPlace, ServerProcess, type StartOptions } from "./server-process.js";

const clientsProgram = fileURLToPath(
  new URL("../../dist-tools/test/crash/clients.worker.js", import.meta.url),
);
/** The queue that every run has. */
const mainQueue = "crash-test";
/** Longer than a client process takes to get its last answers. */
const clientsStopMs = 40_000;
/** Longer than any lease and any delay of the clients. */
const drainMs = 40_000;

export interface ClientsPlan
  extends Omit<ClientPlan, "endpoint" | "queue" | "name" | "seed" | "historyPath"> {
  /** Default: the queue that every run has. */
  readonly queue?: string;
  /** The queue that this is told of. Default: the same. */
  readonly about?: string;
}

export interface RunOptions {
  readonly seed: number;
  /** Where the store is; a directory of the run's own unless given. */
  readonly dataDirectory?: string;
  readonly serverArgs?: readonly string[];
}

export class Run {
  readonly seed: number;
  readonly port: number;
  readonly dataDirectory: string;
  /** How long each start took until the server answered, where that was waited for. */
  readonly restartMs: number[] = [];
  server: ServerProcess;
  readonly folder: string;
  readonly #place: ServerPlace;
  readonly #clients: ChildProcess[] = [];
  /** Which queue each history is about; of a dead-letter queue its source. */
  readonly #histories: { readonly about: string; readonly path: string }[] = [];
  readonly #closing: Promise<void>[] = [];
  #probeCount = 0;
  #processCount = 0;

  private constructor(folder: string, place: ServerPlace, seed: number) {
    this.folder = folder;
    this.#place = place;
    this.seed = seed;
    this.port = place.port;
    this.dataDirectory = place.dataDirectory;
    this.server = new ServerProcess(place);
  }

  /** Runs a test over a new run, and tells how to repeat it should it fail. */
  static async use(options: RunOptions, test: (run: Run) => Promise<void>): Promise<void> {
    const run = await Run.#start(options);
    let hasFailed = true;
    try {
      await test(run);
      hasFailed = false;
    } finally {
      if (hasFailed)
        console.error(`Seed ${run.seed}. The server's last words:\n${run.server.output}`);
      await run.#end(hasFailed);
    }
  }

  /** Starts a server on an empty store, with the queue in it. */
  static async #start({ seed, dataDirectory, serverArgs = [] }: RunOptions): Promise<Run> {
    if (!existsSync(clientsProgram)) {
      throw new Error(`There is no ${clientsProgram}; run npm run build first.`);
    }
    const folder = mkdtempSync(join(tmpdir(), "forebay-crash-"));
    mkdirSync(join(folder, "history"));
    const place = {
      dataDirectory: dataDirectory ?? join(folder, "data"),
      port: await freePort(),
      args: serverArgs,
    };
    const run = new Run(folder, place, seed);
    try {
      await answers(run.port);
      await run.createQueue(mainQueue);
    } catch (error) {
      await run.#end(true);
      throw error;
    }
    return run;
  }

  async createQueue(name: string, options: CreateQueueOptions = {}): Promise<void> {
    await this.withQueue(async (_, client) => void (await client.createQueue(name, options)));
  }

  /** Calls of the test's own, on a connection of their own. */
  async withQueue<Result>(
    use: (queue: Queue, client: ForebayClient) => Promise<Result>,
    name: string = mainQueue,
  ): Promise<Result> {
    await using client = new ForebayClient({ endpoint: `127.0.0.1:${this.port}`, retry: false });
    return await use(client.queue(name), client);
  }

  /** Starts a process of clients; what they do on a dead-letter queue is told of its source. */
  startClients(plan: ClientsPlan): void {
    const { queue = mainQueue, about = queue, ...rest } = plan;
    this.#processCount += 1;
    const name = `p${this.#processCount}`;
    const historyPath = this.#newHistory(name, about);
    const whole: ClientPlan = {
      ...rest,
      name,
      historyPath,
      endpoint: `127.0.0.1:${this.port}`,
      queue,
      seed: this.seed + this.#processCount * 1_000_000,
    };
    const child = spawn(process.execPath, [clientsProgram, JSON.stringify(whole)], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "inherit", "inherit"],
    });
    this.#clients.push(child);
  }

  /** Lets the clients finish what they asked; the server must be there for that. */
  async stopClients(): Promise<void> {
    const exits = this.#clients.splice(0).map(async (client) => {
      if (client.exitCode !== null) throw new Error(`A client left early with ${client.exitCode}.`);
      const exited = once(client, "exit");
      client.kill("SIGTERM");
      const timer = setTimeout(() => client.kill("SIGKILL"), clientsStopMs);
      const [code, signal] = await exited;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`A process of clients ended with ${code ?? signal}.`);
    });
    await Promise.all(exits);
  }

  /** The next life of the server. Does not wait until it answers. */
  startServer(options: StartOptions = {}): void {
    this.server = new ServerProcess(this.#place, options);
  }

  /** Starts the server and waits until it answers. */
  async restartServer(options: StartOptions = {}): Promise<void> {
    const startedMs = performance.now();
    this.startServer(options);
    await answers(this.port);
    this.restartMs.push(performance.now() - startedMs);
  }

  /** Sends one message; says how that went, as the reason of a refusal. */
  async trySend(): Promise<string> {
    this.#probeCount += 1;
    const key = `probe-${this.#probeCount}`;
    const body = bodyOf(key, 2_000);
    const startedMs = nowMs();
    const record = (outcome: Outcome, messageId?: string): void => {
      const history = new History(this.#newHistory(key, mainQueue));
      const bodyHash = hashOf(body);
      const attemptCount = 1;
      const endedMs = nowMs();
      const id = messageId === undefined ? {} : { messageId };
      history.add({
        kind: "sent",
        key,
        bodyHash,
        outcome,
        attemptCount,
        startedMs,
        endedMs,
        ...id,
      });
      this.#closing.push(history.close());
    };
    try {
      const { messageId } = await this.withQueue(async (queue) => await queue.send(body));
      record("ok", messageId);
      return "ok";
    } catch (error) {
      if (!(error instanceof ForebayError)) throw error;
      record(error.reason === "STORAGE_FULL" ? "refused" : "unknown");
      return error.reason;
    }
  }

  /** What the store of a server that is not running says that contradicts itself. */
  async contradictions(): Promise<readonly string[]> {
    const { config } = loadConfig({
      args: ["--data-dir", this.dataDirectory, ...(this.#place.args ?? [])],
      env: {},
      workingDirectory: this.folder,
    });
    const { contradictions } = await checkDirectory(config);
    return contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
  }

  /** Receives and deletes everything, and judges all that happened. The server must be running, the clients not. */
  async drainAndJudge(): Promise<Judgement> {
    const [counters] = await this.drainAll(mainQueue, [mainQueue]);
    if (counters === undefined) throw new Error("The queue is drained, and has no counters.");
    return judge(await this.eventsAbout(mainQueue), counters);
  }

  /** Drains queues one after another, and returns their counters in the end. What that brings is told of `about`. */
  async drainAll(about: string, names: readonly string[]): Promise<FinalCounters[]> {
    const never = (): boolean => false;
    for (const name of names) {
      await this.withQueue((queue) => this.drain(queue, never, about), name);
    }
    return await Promise.all(
      names.map((name) =>
        this.withQueue(async (queue) => (await queue.attributes()).counters, name),
      ),
    );
  }

  /** All that the clients wrote down about a queue. */
  async eventsAbout(queue: string): Promise<Event[]> {
    await Promise.all(this.#closing);
    return this.#histories
      .filter(({ about }) => about === queue)
      .flatMap(({ path }) => readHistory(path));
  }

  /** Receives and deletes until nothing is stored, or until `isEnough`. */
  async drain(
    queue: Queue,
    isEnough: (deletedCount: number) => boolean,
    about: string = queue.name,
  ): Promise<void> {
    const history = new History(this.#newHistory(`drain-${this.#histories.length}`, about));
    await drainQueue(queue, history, { isEnough, withinMs: drainMs });
    await history.close();
  }

  /** Ends every process. Keeps what was stored and written down if the run failed. */
  async #end(hasFailed: boolean): Promise<void> {
    for (const client of this.#clients) client.kill("SIGKILL");
    await this.server.kill();
    if (hasFailed) console.error(`Store and histories are left in ${this.folder}.`);
    else rmSync(this.folder, { recursive: true, force: true });
  }

  #newHistory(name: string, about: string): string {
    const path = join(this.folder, "history", `${name}.jsonl`);
    this.#histories.push({ about, path });
    return path;
  }
}
