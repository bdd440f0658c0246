// What every measurement is given, and what all those that put load on a server share: a fresh server, a load process
// connected to it, and rounds that tell the server's CPU time beside the rate.

import { join } from "node:path";
import type { LoadResult, Until } from "./load/load-run.js";
import { type LoadProcess, startLoad } from "./load/orders.js";
import type { WireHandlers } from "./load/wire.worker.js";
import { type ForebayServer, startForebay } from "./processes/forebay.js";
import type { Measured } from "./report.js";
import type { Round, Side } from "./rounds.js";

export interface BenchContext {
  /** A directory of this run, on a disk; removed at the end. */
  readonly directory: string;
  /** The compiled entry of the server. */
  readonly serverEntry: string;
  /** Flags for the server's node, as `--max-semi-space-size=64`. */
  readonly nodeFlags: readonly string[];
  readonly isSmoke: boolean;
  /** One line about what happens now. */
  say(line: string): void;
}

export type Measurement = (context: BenchContext) => Promise<Measured>;

/** The body that sends are measured with, unless said otherwise. */
export const bodyBytes = 1_024;
export const queue = "bench";

export type WireLoad = LoadProcess<WireHandlers>;

export interface Bench {
  readonly server: ForebayServer;
  readonly load: WireLoad;
}

let directoryCount = 0;

export function freshDirectory(context: BenchContext, name: string): string {
  directoryCount += 1;
  return join(context.directory, `${name}-${directoryCount}`);
}

/** A server over a data directory; a fresh one unless it is given. */
export const startServer = (
  context: BenchContext,
  dataDir: string = freshDirectory(context, "data"),
  nodeFlags: readonly string[] = [],
): Promise<ForebayServer> =>
  startForebay({
    entry: context.serverEntry,
    dataDir,
    nodeFlags: [...context.nodeFlags, ...nodeFlags],
  });

/** Runs `work` against a fresh server with one queue and a connected load process. */
export async function withBench<Result>(
  context: BenchContext,
  work: (bench: Bench) => Promise<Result>,
): Promise<Result> {
  await using server = await startServer(context);
  await using load = startLoad<WireHandlers>("wire");
  await load.order("connect", { address: server.address });
  await load.order("createQueue", { queue });
  const result = await work({ server, load });
  await server.stop();
  return result;
}

/** How long a round of load lasts and how often it is repeated. */
export interface RoundPlan {
  readonly roundCount: number;
  readonly until: Until;
}

export const planOf = ({ isSmoke }: BenchContext): RoundPlan =>
  isSmoke
    ? { roundCount: 3, until: { kind: "time", forMs: 500 } }
    : { roundCount: 9, until: { kind: "time", forMs: 2_000 } };

/** A side whose rate is that of the load, with the server's CPU time for each operation. */
export function sideOf(
  server: ForebayServer,
  runLoad: () => Promise<Pick<LoadResult, "count" | "elapsedMs">>,
): Side {
  return async (): Promise<Round> => {
    const before = server.cpuMicros();
    const result = await runLoad();
    const after = server.cpuMicros();
    return {
      perSecond: (result.count / result.elapsedMs) * 1_000,
      cpuMicros:
        before === undefined || after === undefined ? undefined : (after - before) / result.count,
    };
  };
}
