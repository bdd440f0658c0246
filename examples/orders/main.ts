// The main job of a queue, told as a story: orders are sent as one message per invoice, three worker processes price them,
// one worker is killed in the middle, the server is killed in the middle, and still every invoice is priced, exactly once,
// to the penny. Everything here is real: processes, signals, files on disk.
//
//   npm run example:orders                      orders that generate.ts makes up
//   npm run example:orders -- path/orders.csv   orders from a file of the same columns
//
// Ends with status 1 if anything is off.

import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient, type Queue } from "@forebay/client";
import { generateOrders } from "./generate.js";
import { gatherInvoices, readRows } from "./invoices.js";
import { formatAmount, parseAmount, type Thousandths } from "./money.js";
import { freePort, type Program, startServer, startWorker } from "./processes.js";
import { countResults, mergeResults, type PricedInvoice, readResults } from "./results.js";

/** Longer than any step takes on a slow machine; a step that does not end by then has failed. */
const stepMs = 60_000;

const [path] = process.argv.slice(2);
const csv = path === undefined ? generateOrders() : await readFile(path, "utf8");
const rows = readRows(csv);
const invoices = gatherInvoices(rows);
const source = path === undefined ? "made-up orders" : basename(path);
console.log(
  `Pricing ${source}: ${count(rows.length)} lines, ${count(invoices.length)} invoices.\n`,
);

const folder = await mkdtemp(join(tmpdir(), "forebay-orders-"));
const programs: Program[] = [];
const startedMs = performance.now();
const complaints = await run().catch((error: unknown) => [String(error)]);
await Promise.all(programs.map((program) => program.kill()));
if (complaints.length === 0) {
  await rm(folder, { recursive: true });
} else {
  for (const complaint of complaints) console.error(`WRONG  ${complaint}`);
  console.error(`Data and output are left in ${folder}.`);
  process.exitCode = 1;
}

/** The story. Returns what is wrong at its end. */
async function run(): Promise<string[]> {
  const dataDirectory = join(folder, "data");
  const port = await freePort();
  await using client = new ForebayClient({
    endpoint: `127.0.0.1:${port}`,
    timeoutMs: stepMs,
    // A server that was just started may need a moment, and this client knows that there is one.
    retry: { firstContactMs: 10_000 },
  });

  let server = started(startServer({ dataDirectory, port }));
  const { queue } = await client.createQueue("orders");
  tell(`server ${server.pid} serves on ${client.endpoint}`);

  // Sends made at the same time leave together, ten to a call; each has its own answer.
  await Promise.all(invoices.map((invoice) => queue.send(JSON.stringify(invoice))));
  tell(`${count(invoices.length)} invoices sent, each on disk before its send returned`);

  const outputPaths = await outputs(3);
  const workers = outputPaths.map((outputPath) =>
    started(startWorker({ endpoint: client.endpoint, queue: queue.name, outputPath })),
  );
  tell(`three workers price them: ${workers.map(({ pid }) => pid).join(", ")}`);

  const [, unlucky, ...others] = workers;
  if (unlucky === undefined) throw new Error("There is no worker to kill.");
  const atKill = await priced(outputPaths, invoices.length / 3);
  await unlucky.kill();
  tell(`${count(atKill)} priced: worker ${unlucky.pid} KILLED, with invoices in hand`);

  const atServerKill = await priced(outputPaths, (invoices.length * 2) / 3);
  await server.kill();
  tell(`${count(atServerKill)} priced: server ${server.pid} KILLED`);

  server = started(startServer({ dataDirectory, port }));
  await queue.attributes();
  tell(`server ${server.pid} serves again from the same directory; nobody told the workers`);

  await emptied(queue);
  tell("the queue is empty: 0 messages visible, 0 in flight, 0 delayed");

  const statuses = await Promise.all([workers[0], ...others].map((worker) => worker?.stop()));
  const { counters } = await queue.attributes();
  statuses.push(await server.stop());
  tell("the other two workers and the server were asked to stop, and left\n");

  const results = await readResults(outputPaths);
  const merged = mergeResults(results);
  const again = counters.receivedCount - invoices.length;
  const repeated = results.length - merged.size;
  const total = sum([...merged.values()].map((result) => parseAmount(result.total)));
  console.log(`sent       ${count(counters.sentCount)} invoices`);
  console.log(`received   ${count(counters.receivedCount)} times: ${again} redelivered`);
  console.log(`priced     ${count(results.length)} times: ${repeated} repeated`);
  console.log(
    `output     ${count(merged.size)} invoices, each once, ${formatAmount(total)} in all`,
  );
  console.log(`file       ${count(invoices.length)} invoices, ${formatAmount(sumOfRows())} in all`);
  console.log("killed     1 worker of 3, and the server, which was restarted once\n");

  const complaints = compare(merged);
  const { sentCount, deletedCount, storedMessageCount } = counters;
  if (sentCount !== invoices.length || deletedCount !== sentCount || storedMessageCount !== 0) {
    complaints.push(`the queue says ${sentCount} sent, ${deletedCount} deleted`);
  }
  if (again < 1) complaints.push("the killed worker had nothing in hand: nothing was redelivered");
  if (statuses.some((status) => status !== 0)) {
    complaints.push(`not everyone left with status 0: ${statuses.join(", ")}`);
  }
  if (complaints.length === 0) {
    console.log(
      "Compared invoice by invoice with the file: every total equal, none missing, none extra.",
    );
  }
  return complaints;
}

/** What differs between the workers' output and a direct computation over the file. */
function compare(merged: ReadonlyMap<string, PricedInvoice>): string[] {
  const expected = new Map<string, Thousandths>();
  for (const row of rows) {
    const amount = BigInt(row.Quantity) * parseAmount(row.UnitPrice);
    expected.set(row.InvoiceNo, (expected.get(row.InvoiceNo) ?? 0n) + amount);
  }
  const missing = [...expected.keys()].filter((number) => !merged.has(number));
  const extra = [...merged.keys()].filter((number) => !expected.has(number));
  const different = [...merged.values()].filter(
    ({ invoice, total }) => expected.has(invoice) && expected.get(invoice) !== parseAmount(total),
  );
  return [
    ...missing.map((number) => `invoice ${number} is missing in the output`),
    ...extra.map((number) => `invoice ${number} was never sent`),
    ...different.map(({ invoice, total }) => `invoice ${invoice} came to ${total} in the output`),
  ];
}

function sumOfRows(): Thousandths {
  return sum(rows.map((row) => BigInt(row.Quantity) * parseAmount(row.UnitPrice)));
}

function sum(amounts: readonly Thousandths[]): Thousandths {
  return amounts.reduce((total, amount) => total + amount, 0n);
}

/** Waits until the workers have written this many results. */
async function priced(outputPaths: readonly string[], least: number): Promise<number> {
  let results = 0;
  await until(`${Math.ceil(least)} invoices are priced`, async () => {
    results = await countResults(outputPaths);
    return results >= least;
  });
  return results;
}

/** Waits until the queue holds no message: none waiting, none in a worker's hands. */
async function emptied(queue: Queue): Promise<void> {
  await until("the queue is empty", async () => {
    const { counters } = await queue.attributes();
    const { visibleMessageCount, inFlightMessageCount, delayedMessageCount } = counters;
    return visibleMessageCount + inFlightMessageCount + delayedMessageCount === 0;
  });
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + stepMs;
  while (!(await isTrue())) {
    if (performance.now() > giveUpMs) throw new Error(`Waited ${stepMs / 1_000} s until ${what}.`);
    await sleep(20);
  }
}

async function outputs(workerCount: number): Promise<string[]> {
  const output = join(folder, "output");
  await mkdir(output);
  return Array.from({ length: workerCount }, (_, index) => join(output, `${index + 1}.jsonl`));
}

/** Remembers a program, so that none outlives the story. */
function started(program: Program): Program {
  programs.push(program);
  return program;
}

function tell(sentence: string): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(`${seconds.padStart(5)} s  ${sentence}`);
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
