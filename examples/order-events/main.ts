// The main job of a topic, told as a story: every invoice is published once. Billing has a queue that gets all of them, the fraud
// department one that gets orders above a price, and a webhook receiver, a program in Python, is told of cancellations. The server is
// killed in the middle of it. At the end each of the three has exactly what the file says, to the penny.
//
//   npm run example:order-events                      orders that examples/orders/generate.ts makes up
//   npm run example:order-events -- path/orders.csv   orders from a file of the same columns
//
// Ends with status 1 if anything is off. Without python3 nobody is told of cancellations, and it says so; with CI=true that is wrong.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ForebayClient, type Topic } from "@forebay/client";
import { generateOrders } from "../orders/generate.js";
import { gatherInvoices, type Invoice, priceOf, readRows } from "../orders/invoices.js";
import { formatAmount, parseAmount, type Thousandths } from "../orders/money.js";
import { freePort, Program, startServer } from "../orders/processes.js";

/** Longer than any step takes on a slow machine; what was being posted at the kill alone waits for 25 s. */
const stepMs = 120_000;

/** Orders that come to more are looked at. */
const suspicious: Thousandths = 1_000_000n;

const receiverProgram = fileURLToPath(
  new URL("../../../examples/order-events/receiver.py", import.meta.url),
);

/** What somebody was told: how many invoices, and what they come to. */
interface Told {
  readonly count: number;
  readonly total: Thousandths;
}

const [path] = process.argv.slice(2);
const csv = path === undefined ? generateOrders() : await readFile(path, "utf8");
const invoices = gatherInvoices(readRows(csv));
const source = path === undefined ? "made-up orders" : basename(path);
console.log(`Publishing ${source}: ${invoices.length.toLocaleString("en-US")} invoices.\n`);

const folder = await mkdtemp(join(tmpdir(), "forebay-order-events-"));
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
  const [port, pagesPort] = [await freePort(), await freePort()];
  const pages = `http://127.0.0.1:${pagesPort}`;
  const settings = {
    dataDirectory: join(folder, "data"),
    port,
    args: [
      ...["--public-base-url", pages, "--public-listen", `127.0.0.1:${pagesPort}`],
      // The receiver is on this machine, without TLS.
      ...["--webhook-allowed-cidrs", "127.0.0.0/8"],
    ],
  };
  await using client = new ForebayClient({
    endpoint: `127.0.0.1:${port}`,
    timeoutMs: stepMs,
    retry: { firstContactMs: 10_000 },
  });

  let server = started(startServer(settings));
  const topic = client.topic("orders");
  await client.createTopic(topic.name);
  for (const queue of ["billing", "fraud"]) await client.createQueue(queue);
  await topic.subscribe("billing", { settings: { rawMessageDelivery: true } });
  const price = Number(formatAmount(suspicious));
  const filterPolicy = JSON.stringify({ kind: ["order"], total: [{ numeric: [">", price] }] });
  await topic.subscribe("fraud", { settings: { rawMessageDelivery: true, filterPolicy } });
  tell(`server ${server.pid} serves; billing gets everything, fraud orders above ${price}`);

  const receiver = await startReceiver(client, topic, pages);
  const billing = new Map<string, Invoice>();
  const fraud = new Map<string, Invoice>();
  const workers = (
    [
      ["billing", billing],
      ["fraud", fraud],
    ] as const
  ).map(([queue, got]) =>
    // By number: a message that comes twice counts once.
    client.queue(queue).work(async (message) => {
      const invoice = message.json() as Invoice;
      got.set(invoice.number, invoice);
    }),
  );

  const half = Math.ceil(invoices.length / 2);
  let publishedCount = 0;
  const count = (more: number): void => {
    publishedCount += more;
  };
  await publishAll(topic, invoices.slice(0, half), count);
  await until("cancellations are told", async () => (await receiver.told()).count >= 10);
  const publishing = publishAll(topic, invoices.slice(half), count);
  await until("more is published", () => publishedCount >= half + 50);
  await server.kill();
  tell(`${publishedCount} published, and more under way: server ${server.pid} KILLED`);
  server = started(startServer(settings));
  await publishing;
  tell(`server ${server.pid} serves again; all ${publishedCount} published, each on disk`);

  await until("billing has them", async () => {
    const { counters } = await client.queue("billing").attributes();
    return billing.size === invoices.length && counters.storedMessageCount === 0;
  });
  if (!(await receiver.isDone())) {
    tell("what was on its way to the receiver at the kill is sent again, within half a minute");
  }
  await until("the receiver was told", () => receiver.isDone());
  await until("fraud is done", async () => {
    const { counters } = await client.queue("fraud").attributes();
    return counters.storedMessageCount === 0;
  });
  const { counters } = await topic.describe();
  await Promise.all(workers.map((worker) => worker.stop()));
  tell("nothing is left to be delivered\n");

  const isCancelled = ({ number }: Invoice): boolean => number.startsWith("C");
  const isSuspicious = (invoice: Invoice): boolean =>
    !isCancelled(invoice) && priceOf(invoice) > suspicious;
  const rows: Row[] = [
    ["published", sumOf(invoices).count, counters?.publishedCount ?? 0],
    ...compared("billing", sumOf(invoices), sumOf(billing.values())),
    ...compared("fraud", sumOf(invoices.filter(isSuspicious)), sumOf(fraud.values())),
    ...(receiver.isThere
      ? compared("cancelled", sumOf(invoices.filter(isCancelled)), await receiver.told())
      : []),
  ];
  return [...printed(rows), ...(await receiver.complaints())];
}

/** Publishes every invoice, ten to a call. A call whose answer was lost is repeated, and has its effect once. */
async function publishAll(
  topic: Topic,
  some: readonly Invoice[],
  published: (count: number) => void,
): Promise<void> {
  for (let from = 0; from < some.length; from += 10) {
    const batch = some.slice(from, from + 10).map((invoice) => ({
      body: JSON.stringify(invoice),
      attributes: {
        kind: invoice.number.startsWith("C") ? "cancellation" : "order",
        total: { type: "Number", value: formatAmount(priceOf(invoice)) },
      },
    }));
    const { failed } = await topic.publishBatch(batch);
    if (failed.length > 0) throw new Error(`Refused: ${failed[0]?.message}`);
    published(batch.length);
  }
}

interface WebhookReceiver {
  readonly isThere: boolean;
  told(): Promise<Told>;
  /** Whether nothing waits for it. */
  isDone(): Promise<boolean>;
  complaints(): Promise<readonly string[]>;
}

/** What stands for the receiver where there is no Python. */
function nobody(): WebhookReceiver {
  return {
    isThere: false,
    told: async () => ({ count: 10, total: 0n }),
    isDone: async () => true,
    complaints: async () => (process.env["CI"] === "true" ? ["python3 is not here"] : []),
  };
}

/** Starts the program in Python and subscribes it; it confirms by itself. */
async function startReceiver(
  client: ForebayClient,
  topic: Topic,
  pages: string,
): Promise<WebhookReceiver> {
  if (spawnSync("python3", ["--version"]).status !== 0) {
    tell("SKIPPED the webhook receiver: python3 is not here, so nobody is told of cancellations");
    return nobody();
  }
  const port = await freePort();
  const output = join(folder, "cancellations.jsonl");
  const secret = randomBytes(24).toString("base64url");
  const args = [receiverProgram, String(port), output, pages];
  const program = started(new Program("python3", args, { env: { RECEIVER_SECRET: secret } }));
  const url = `http://127.0.0.1:${port}/cancellations`;
  await until("the receiver listens", async () => {
    if (!program.isRunning) throw new Error("The receiver has ended.");
    return (await fetch(url).catch(() => undefined))?.status === 200;
  });
  const { subscription } = await topic.subscribe(
    { webhook: url },
    {
      settings: {
        filterPolicy: '{"kind":["cancellation"]}',
        deliveryPolicy: { retries: 50, minDelayMs: 1_000, maxDelayMs: 1_000 },
        webhook: { hmacSecret: Buffer.from(secret) },
      },
    },
  );
  await until("it has confirmed", async () => {
    const { state } = await subscriptionOf(client, subscription.subscription);
    return state === "CONFIRMED";
  });
  tell(`receiver ${program.pid} (Python) has confirmed that it wants to hear of cancellations`);
  return {
    isThere: true,
    told: () => toldIn(output),
    isDone: async () => (await subscriptionOf(client, subscription.subscription)).isIdle,
    complaints: async () => {
      const forged = await fetch(url, {
        method: "POST",
        headers: {
          "x-forebay-signature": `t=${Math.floor(Date.now() / 1_000)},v1=${"0".repeat(64)}`,
        },
        body: JSON.stringify({ Type: "Notification", MessageId: "forged", Message: "{}" }),
      });
      return forged.status === 403 ? [] : [`a forged message was answered ${forged.status}`];
    },
  };
}

async function subscriptionOf(
  client: ForebayClient,
  id: string,
): Promise<{ readonly state: string | undefined; readonly isIdle: boolean }> {
  const { state, counters } = await client.subscription(id).describe();
  return { state, isIdle: counters?.backlogCount === 0 };
}

/** What stands in the receiver's file. */
async function toldIn(output: string): Promise<Told> {
  const text = await readFile(output, "utf8");
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  const amounts = lines
    .filter((line) => line !== "")
    .map((line) => parseAmount((JSON.parse(line) as { readonly total: string }).total));
  return { count: amounts.length, total: amounts.reduce((sum, amount) => sum + amount, 0n) };
}

function sumOf(some: Iterable<Invoice>): Told {
  let [count, total] = [0, 0n];
  for (const invoice of some) {
    count += 1;
    total += priceOf(invoice);
  }
  return { count, total };
}

type Row = readonly [name: string, file: number | string, got: number | string];

function compared(name: string, file: Told, got: Told): Row[] {
  return [
    [`${name}: invoices`, file.count, got.count],
    [`${name}: amount`, formatAmount(file.total), formatAmount(got.total)],
  ];
}

/** Prints the table; returns the rows whose numbers differ. */
function printed(rows: readonly Row[]): string[] {
  const line = (name: string, ...cells: readonly (number | string)[]): void =>
    console.log(`${name.padEnd(22)}${cells.map((cell) => String(cell).padStart(16)).join("")}`);
  line("", "from the file", "got");
  for (const row of rows) line(...row);
  const wrong = rows.filter(([, file, got]) => file !== got);
  if (wrong.length === 0) console.log("\nEqual, all of them; the server was killed once.");
  return wrong.map(([name, file, got]) => `${name}: ${file} in the file, ${got} told`);
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + stepMs;
  while (!(await isTrue())) {
    if (performance.now() > giveUpMs) throw new Error(`Waited ${stepMs / 1_000} s until ${what}.`);
    await sleep(20);
  }
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
