// A run: a cluster under load, a fault, its mending, and the verdict. The clients are those of the crash test, on a standard and on
// a FIFO queue; the probes write and read others. In the end the queues are drained and everything is judged by the checkers,
// and so are the stores of all members.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { expect } from "vitest";
import { loadConfig } from "../../src/config.js";
import { checkDirectory } from "../../src/server/check-directory.js";
import { type FinalCounters, judge, type Summary } from "../crash/checker.js";
import { drainQueue } from "../crash/drain.js";
import { type Event, History, nowMs, readHistory } from "../crash/history.js";
import { judgeOrder } from "../crash/order-checker.js";
import type { ClientPlan } from "../crash/plan.js";
import { judgeAvailability, lengthOf, longestOutage } from "./checkers/availability.js";
import {
  type ClusterViolation,
  type ProbeEvent,
  readProbeHistory,
} from "./checkers/cluster-history.js";
import { judgeGroupTime } from "./checkers/group-time.js";
import { judgeMembers, type MemberImage } from "./checkers/members-equal.js";
import { judgeReads } from "./checkers/replica-reads.js";
import { judgeWindows } from "./checkers/windows.js";
import type { ClusterClientPlan } from "./clients.worker.js";
import { Cluster, type ClusterOptions } from "./cluster.js";
import { readMember } from "./member-image.js";
import type { ProbePlan } from "./probe-plan.js";
import { toolPath } from "./tools.js";

const standard = "faults";
const inOrder = "faults.fifo";
/** One for each writer among the probes. */
const probed = ["probed-0", "probed-1", "probed-2"];

/** Longer than a client takes to get its last answers. */
const clientsStopMs = 45_000;
/** Longer than any lease and any delay of the clients. */
const drainMs = 60_000;
/** What the protocol promises beyond the lease, for an election and for clients to find the new leader. */
const beyondLeaseMs = 3_000;
/** A probe that asks a node which is silent asks the next one after so long. */
const probeMsMax = 700;

export interface RunOptions extends ClusterOptions {
  readonly seed: number;
  /**
   * Whether clients consume over streams. What a node sent over one before it was cut off or paused may come as late as that ends,
   * so that nothing can be said of it.
   */
  readonly hasStreams: boolean;
}

export interface Expectation {
  /** Without an acknowledged write; undefined where nothing is promised. Default: lease and election. */
  readonly outageMsMax?: number | undefined;
}

export class FaultRun {
  readonly cluster: Cluster;
  readonly #folder: string;
  readonly #options: RunOptions;
  readonly #clients: ChildProcess[] = [];
  readonly #mendedMs: number[] = [];
  #beganMs = 0;

  private constructor(folder: string, cluster: Cluster, options: RunOptions) {
    this.#folder = folder;
    this.cluster = cluster;
    this.#options = options;
  }

  /** Runs a test over a new cluster under load, and tells how to repeat it should it fail. */
  static async use(options: RunOptions, test: (run: FaultRun) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "forebay-faults-"));
    mkdirSync(join(folder, "history"));
    const cluster = await Cluster.start(folder, options);
    const run = new FaultRun(folder, cluster, options);
    let hasFailed = true;
    try {
      await run.#startLoad();
      await test(run);
      hasFailed = false;
    } finally {
      for (const client of run.#clients) client.kill("SIGKILL");
      if (hasFailed) {
        writeFileSync(join(folder, "nodes.log"), cluster.output);
        console.error(
          `Seed ${options.seed}. Stores, histories and the nodes' words are in ${folder}.`,
        );
      }
      await cluster.remove();
      if (!hasFailed) rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Lets time pass under load. */
  async work(ms: number): Promise<void> {
    await sleep(ms);
    for (const client of this.#clients) {
      if (client.exitCode !== null) throw new Error(`A client left early with ${client.exitCode}.`);
    }
  }

  /** Everything is mended from now on: the cluster has to serve again within its bound. */
  mended(): void {
    this.#mendedMs.push(nowMs());
  }

  async #startLoad(): Promise<void> {
    await this.withClient(async (client) => {
      await client.createQueue(standard);
      await client.createQueue(inOrder, { attributes: { fifoQueue: true } });
      for (const name of probed) await client.createQueue(name);
    });
    const { hasStreams, seed } = this.#options;
    const streams = hasStreams ? 1 : 0;
    this.#startClients("s", standard, {
      sender: 2,
      hasty_sender: 1,
      batch_sender: 1,
      producer: 1,
      receiver: 2,
      consumer: streams,
    });
    this.#startClients("f", inOrder, {
      sender: 3,
      batch_sender: 1,
      receiver: 3,
      consumer: streams,
    });
    const plan: ProbePlan = {
      nodes: this.cluster.nodes.map(({ name, endpoint }) => ({ name, endpoint })),
      queues: probed,
      seed,
      historyPath: this.#historyPath("probe"),
      readerCount: 3,
      pauseMs: 50,
    };
    this.#beganMs = nowMs();
    this.#spawn("probe.worker.js", plan);
  }

  #startClients(name: string, queue: string, clients: ClientPlan["clients"]): void {
    const { endpoints } = this.cluster;
    const plan: ClusterClientPlan = {
      endpoints,
      endpoint: endpoints[0] ?? "",
      queue,
      name,
      seed: this.#options.seed,
      historyPath: this.#historyPath(queue),
      clients,
      largeBodyShare: 0.05,
      bodyBytesMax: 30_000,
      pauseMsMax: 60,
    };
    this.#spawn("clients.worker.js", plan);
  }

  #spawn(program: string, plan: object): void {
    const args = [toolPath(program), JSON.stringify(plan)];
    const environment = { PATH: process.env["PATH"] };
    const stdio = ["ignore", "inherit", "inherit"] as const;
    this.#clients.push(spawn(process.execPath, args, { env: environment, stdio: [...stdio] }));
  }

  /** Ends the load, drains the queues, and judges everything that was told and everything that is stored. */
  async finish(expectation: Expectation = {}): Promise<void> {
    const endedMs = nowMs();
    await this.#stopClients();
    const counters = await this.#drain();
    const streamless = [standard, inOrder].map((queue) => readHistory(this.#historyPath(queue)));
    const [ofStandard = [], ofFifo = []] = streamless;
    const judgements = [judge(ofStandard, counters.standard), judge(ofFifo, counters.inOrder)];
    const violations = [
      ...judgements.flatMap((judgement) => judgement.violations),
      ...judgeOrder(ofFifo),
      ...[ofStandard, ofFifo].flatMap(judgeWindows),
      ...[ofStandard, ofFifo].flatMap(judgeGroupTime),
      ...this.#judgeProbes(endedMs, expectation),
      ...(await this.#judgeStores()),
    ];
    for (const { summary } of judgements) console.log(`  ${JSON.stringify(summary)}`);
    expect(violations.slice(0, 20)).toEqual([]);
    for (const { summary } of judgements) expectMuch(summary, endedMs - this.#beganMs);
  }

  #judgeProbes(endedMs: number, expectation: Expectation): ClusterViolation[] {
    const events = readProbeHistory(this.#historyPath("probe"));
    const leaseMs = this.cluster.leaseSeconds * 1_000;
    const usualMs = leaseMs + beyondLeaseMs + probeMsMax;
    return probed.flatMap((queue) => {
      const ofQueue = events.filter((event) => event.queue === queue);
      const writes = ofQueue.filter((event) => event.kind === "wrote");
      const reads = ofQueue.filter((event) => event.kind === "read");
      const bounds = {
        // The probes' process takes its time to start.
        fromMs: writes[0]?.startedMs ?? this.#beganMs,
        untilMs: endedMs,
        outageMsMax: "outageMsMax" in expectation ? expectation.outageMsMax : usualMs,
        healedMs: this.#mendedMs,
        liveAgainMsMax: leaseMs + beyondLeaseMs,
      };
      console.log(`  ${queue}: ${outageText(ofQueue, bounds)}`);
      return [...judgeAvailability(writes, bounds), ...judgeReads(writes, reads)];
    });
  }

  /** All members are killed at one moment, wherever they are. */
  async #judgeStores(): Promise<ClusterViolation[]> {
    await this.cluster.untilEqual();
    await Promise.all(this.cluster.nodes.map((node) => node.kill()));
    const images: MemberImage[] = [];
    for (const { name, plan } of this.cluster.nodes) {
      images.push(await readMember(name, plan.dataDirectory));
      expect(await contradictions(plan.dataDirectory)).toEqual([]);
    }
    return judgeMembers(images);
  }

  async #stopClients(): Promise<void> {
    const exits = this.#clients.splice(0).map(async (client) => {
      const exited = once(client, "exit");
      client.kill("SIGTERM");
      const timer = setTimeout(() => client.kill("SIGKILL"), clientsStopMs);
      const [code, signal] = await exited;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`A process of clients ended with ${code ?? signal}.`);
    });
    await Promise.all(exits);
  }

  async #drain(): Promise<{ readonly standard: FinalCounters; readonly inOrder: FinalCounters }> {
    const drained = (name: string): Promise<FinalCounters> =>
      this.withClient(async (client) => {
        const history = new History<Event>(this.#historyPath(name));
        const queue = client.queue(name);
        await drainQueue(queue, history, { isEnough: () => false, withinMs: drainMs });
        await history.close();
        return (await queue.attributes()).counters;
      });
    return { standard: await drained(standard), inOrder: await drained(inOrder) };
  }

  /** Calls of the test's own, to the node that leads. */
  async withClient<Result>(use: (client: ForebayClient) => Promise<Result>): Promise<Result> {
    const { endpoint } = await this.cluster.leader();
    await using client = new ForebayClient({ endpoint, timeoutMs: 10_000 });
    return await use(client);
  }

  #historyPath(name: string): string {
    return join(this.#folder, "history", `${name}.jsonl`);
  }
}

async function contradictions(dataDirectory: string): Promise<readonly string[]> {
  const args = ["--data-dir", dataDirectory];
  const { config } = loadConfig({ args, env: {}, workingDirectory: dataDirectory });
  const found = await checkDirectory(config);
  return found.contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
}

function outageText(
  events: readonly ProbeEvent[],
  bounds: { readonly fromMs: number; readonly untilMs: number },
): string {
  const writes = events.filter((event) => event.kind === "wrote");
  const acknowledged = writes.filter(({ outcome }) => outcome === "ok").length;
  const longestMs = Math.round(lengthOf(longestOutage(writes, bounds)));
  const reads = events.length - writes.length;
  return `${acknowledged} of ${writes.length} writes, ${reads} reads; longest outage ${longestMs} ms`;
}

/** A run in which little happened proves little. */
function expectMuch({ acknowledged, deletesAcknowledged }: Summary, lastedMs: number): void {
  const least = lastedMs / 1_000;
  expect(acknowledged).toBeGreaterThan(least);
  expect(deletesAcknowledged).toBeGreaterThan(least);
}
