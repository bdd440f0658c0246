// `npm run bench -- --profile`: where the server's main thread spends its time while it sends, beside the no-op of the same
// shape. The numbers are microseconds of the thread for each message, so that the two columns can be subtracted. Profiling
// slows the server, and time in which the thread had to wait for a processor counts too, so nothing here is a rate.

import Table from "cli-table3";
import { startLoad } from "../load/orders.js";
import type { Service, WireHandlers } from "../load/wire.worker.js";
import { type BenchContext, freshDirectory, queue, startServer } from "../measurement.js";
import { batchShape, produceShape, type Shape, unaryShape } from "../measures/sends.js";
import { type ProfileSummary, readProfile, type SelfTime } from "./cpu-profile.js";

const functionsShown = 30;
const partsShown = 14;

interface Profiled {
  readonly summary: ProfileSummary;
  readonly messageCount: number;
}

export async function profileSends(context: BenchContext, only: readonly string[]): Promise<void> {
  for (const shape of [unaryShape, batchShape, produceShape]) {
    if (!only.includes(shape.measurement)) continue;
    const ours = await profileOf(context, shape, "queue");
    const noop = await profileOf(context, shape, "noop");
    console.log(`\n${shape.name}: microseconds of the server's main thread for each message`);
    console.log(tableOf("part", ours, noop, ({ summary }) => summary.parts, partsShown));
    console.log(
      tableOf("function (self)", ours, noop, ({ summary }) => summary.functions, functionsShown),
    );
  }
}

async function profileOf(context: BenchContext, shape: Shape, service: Service): Promise<Profiled> {
  const directory = freshDirectory(context, "profile");
  await using server = await startServer(context, freshDirectory(context, "data"), [
    "--cpu-prof",
    `--cpu-prof-dir=${directory}`,
    "--cpu-prof-interval=200",
  ]);
  await using load = startLoad<WireHandlers>("wire");
  await load.order("connect", { address: server.address });
  await load.order("createQueue", { queue });
  // Starting takes a second of its own and would drown what a message costs.
  const fromMicros = Number(process.hrtime.bigint() / 1_000n);
  let messageCount = 0;
  for (let round = 0; round < (context.isSmoke ? 1 : 4); round += 1) {
    messageCount += (await shape.run({ server, load }, service, context)).count;
  }
  await server.stop();
  return { summary: await readProfile(directory, fromMicros), messageCount };
}

function tableOf(
  title: string,
  ours: Profiled,
  noop: Profiled,
  timesOf: (profiled: Profiled) => readonly SelfTime[],
  count: number,
): string {
  const table = new Table({
    head: [title, "us/message", "share", "no-op"],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  const noopTimes = new Map(timesOf(noop).map(({ name, micros }) => [name, micros]));
  const perMessage = (micros: number, { messageCount }: Profiled): string =>
    (micros / messageCount).toFixed(2);
  const { busyMicros } = ours.summary;
  table.push(["all", perMessage(busyMicros, ours), "", perMessage(noop.summary.busyMicros, noop)]);
  for (const { name, micros } of timesOf(ours).slice(0, count)) {
    const share = `${((micros / busyMicros) * 100).toFixed(1)}%`;
    table.push([name, perMessage(micros, ours), share, perMessage(noopTimes.get(name) ?? 0, noop)]);
  }
  return table.toString();
}
