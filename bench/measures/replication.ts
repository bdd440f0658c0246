// What it costs that three nodes have a message on disk before it is confirmed: sends to the leader of a cluster beside the same
// sends to a node alone, in turn. All of it, the load and etcd included, runs on this one machine, so three times the work is
// done by the same processors; on machines of their own the nodes would do it at the same time. Hence the CPU time of each node by
// itself, and how long a send takes while there is little to do. And how long nobody can send when the leader is killed, with the
// lease of the default settings.

import { ForebayClient } from "@forebay/client";
import { startLoad } from "../load/orders.js";
import type { WireHandlers } from "../load/wire.worker.js";
import {
  type BenchContext,
  bodyBytes,
  freshDirectory,
  type Measurement,
  planOf,
  queue,
  sideOf,
  startServer,
  type WireLoad,
} from "../measurement.js";
import { type ForebayCluster, startCluster } from "../processes/cluster.js";
import type { ForebayServer } from "../processes/forebay.js";
import { type Row, rateRow } from "../report.js";
import { type Comparison, compare, inTurns, median, type Side } from "../rounds.js";
import { measureAddedLatency } from "./added-latency.js";

const measurement = "replication";
/** Three nodes share the processors that one has alone. */
const ratioAtLeast = 0.25;

export const measureReplication: Measurement = async (context) => {
  await using cluster = await startCluster({
    entry: context.serverEntry,
    directory: freshDirectory(context, "cluster"),
    nodeFlags: context.nodeFlags,
  });
  if (cluster === undefined) {
    return {
      measurement,
      rows: [],
      notes: ["etcd is not to be had here, so there is no cluster."],
    };
  }
  const rows = await compareSends(context, cluster);
  rows.push(await measureFailover(cluster));
  const notes = ["The three nodes, the node alone, etcd and the load share one machine."];
  return { measurement, rows, notes };
};

async function compareSends(context: BenchContext, cluster: ForebayCluster): Promise<Row[]> {
  await using alone = await startServer(context);
  await using aloneLoad = startLoad<WireHandlers>("wire");
  await using clusterLoad = startLoad<WireHandlers>("wire");
  const leader = await cluster.leader();
  for (const [load, { address }] of [
    [aloneLoad, alone],
    [clusterLoad, leader],
  ] as const) {
    await load.order("connect", { address });
    await load.order("createQueue", { queue });
  }
  const followers = await cluster.followers();
  const { roundCount } = planOf(context);
  const rows = await measureAddedLatency(context, { cluster: clusterLoad, alone: aloneLoad });
  for (const { name, call, run } of shapes(context)) {
    const usages = followers.map((follower) => new Usage(follower));
    const sides: Record<"ours" | "alone", Side> = {
      ours: sideOf(leader, async () => {
        for (const usage of usages) usage.begin();
        const result = await run(clusterLoad);
        for (const usage of usages) usage.end(result.count);
        return result;
      }),
      alone: sideOf(alone, () => run(aloneLoad)),
    };
    const rounds = await inTurns(sides, roundCount);
    const compared = compare(rounds.ours, rounds.alone);
    rows.push(rateRow(name, "messages/s", "a node alone", compared, ratioAtLeast));
    rows.push(...cpuRows(call, compared, usages));
  }
  return rows;
}

/** The CPU time of a process for each message that the cluster took, round by round. */
class Usage {
  readonly perMessage: number[] = [];
  readonly #server: ForebayServer;
  #before: number | undefined;

  constructor(server: ForebayServer) {
    this.#server = server;
  }

  begin(): void {
    this.#before = this.#server.cpuMicros();
  }

  end(messageCount: number): void {
    const after = this.#server.cpuMicros();
    if (after === undefined || this.#before === undefined) return;
    this.perMessage.push((after - this.#before) / messageCount);
  }
}

/** Nothing where the system does not tell. */
function cpuRows(call: string, compared: Comparison, followers: readonly Usage[]): Row[] {
  const { cpuMicros, peerCpuMicros } = compared;
  if (cpuMicros === undefined || peerCpuMicros === undefined) return [];
  const row = (who: string, figure: number): Row => ({
    name: `CPU of ${who} for a message of ${call}`,
    figure,
    unit: "us",
    peer: { name: "a node alone", figure: peerCpuMicros },
  });
  return [
    row("the leader", cpuMicros),
    // The first of the measured rounds is the one that does not count.
    ...followers.map(({ perMessage }, index) =>
      row(`follower ${index + 1}`, median(perMessage.slice(1))),
    ),
  ];
}

const shapes = (context: BenchContext) => {
  const { until } = planOf(context);
  const common = { service: "queue", queue, bodyBytes, until } as const;
  return [
    {
      name: "SendMessage to 3 nodes, 256 in flight",
      call: "SendMessage",
      run: (load: WireLoad) => load.order("send", { ...common, inFlight: 256 }),
    },
    {
      name: "SendMessageBatch of 10 to 3 nodes, 64 in flight",
      call: "SendMessageBatch",
      run: (load: WireLoad) =>
        load.order("sendBatches", { ...common, entryCount: 10, inFlight: 64 }),
    },
  ];
};

/** From the end of the leader's process until the next send is confirmed. */
async function measureFailover({ nodes, leader }: ForebayCluster): Promise<Row> {
  const endpoint = nodes.map(({ address }: ForebayServer) => address);
  await using client = new ForebayClient({ endpoint });
  const { queue: sent } = await client.createQueue("failover");
  await sent.send("before");
  const first = await leader();
  await first.kill();
  const killedMs = performance.now();
  await sent.send("after");
  return {
    name: "no send confirmed after the leader is killed",
    figure: performance.now() - killedMs,
    unit: "ms",
  };
}
