// The wall clock of the machine is stepped by an hour, forward and back, while a real server runs: what was to end after some
// time ends after that time, and no instant the server tells is earlier than one it told before. The step is faked at the
// boundary of the process (stepped-wall.mjs), so that nothing of the product knows of it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient, type Queue } from "@forebay/client";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { answers, ServerProcess } from "../crash/server-process.js";

const hourMs = 3_600_000;
/** How long everything here lasts that is to end by itself. */
const spanMs = 3_000;
/** How late something may end on a busy machine. */
const latenessMs = 2_500;
/** Elapsed time and server time differ by at most this much over a span: 500 ppm of it, and rounding. */
const driftMs = 10;

class Machine {
  readonly #directory = mkdtempSync(join(tmpdir(), "forebay-wall-"));
  readonly #offsetPath = join(this.#directory, "offset");
  #port = 0;
  #server: ServerProcess | undefined;
  #client: ForebayClient | undefined;

  static async start(): Promise<Machine> {
    const machine = new Machine();
    writeFileSync(machine.#offsetPath, "0");
    machine.#port = await freePort();
    onTestFinished(async () => {
      await machine.stop();
      rmSync(machine.#directory, { recursive: true, force: true });
    });
    await machine.startServer();
    return machine;
  }

  async startServer(): Promise<void> {
    const preload = new URL("../support/stepped-wall.mjs", import.meta.url).href;
    this.#server = new ServerProcess(
      { dataDirectory: join(this.#directory, "data"), port: this.#port },
      { env: { NODE_OPTIONS: `--import ${preload}`, WALL_OFFSET_FILE: this.#offsetPath } },
    );
    await answers(this.#port);
    this.#client = new ForebayClient({ endpoint: `127.0.0.1:${this.#port}`, batching: false });
  }

  get client(): ForebayClient {
    if (this.#client === undefined) throw new Error("The server was not started.");
    return this.#client;
  }

  /** Resolves once the server has the new wall clock. */
  async step(offsetMs: number): Promise<void> {
    writeFileSync(this.#offsetPath, String(offsetMs));
    this.#server?.signal("SIGUSR2");
    const seen = (): string => readFileSync(`${this.#offsetPath}.seen`, "utf8");
    await expect.poll(seen, { timeout: 5_000, interval: 10 }).toBe(String(offsetMs));
  }

  /** Ends the server and its connections, as a kill does. */
  async stop(): Promise<void> {
    await this.#client?.close();
    await this.#server?.kill();
  }
}

/** Something that ends by itself, and has not ended as long as `isOver` says so. */
interface Running {
  readonly what: string;
  readonly startedMs: number;
  readonly isOver: () => Promise<boolean>;
}

const receivesOne = async (queue: Queue): Promise<boolean> =>
  (await queue.receive({ waitTimeMs: 0, visibilityTimeoutMs: 0 })).length > 0;

/** One of each kind: a lease, a delay, a deduplication window and a message sent for a time to come. */
async function beginAll({ client }: Machine, name: string): Promise<Running[]> {
  const leases = await createQueue(client, `${name}-leases`);
  await leases.send("leased");
  const leasedMs = performance.now();
  expect(await leases.receive({ visibilityTimeoutMs: spanMs })).toHaveLength(1);

  const delays = await createQueue(client, `${name}-delays`);
  const delayedMs = performance.now();
  await delays.send("delayed", { delayMs: spanMs });

  const windows = await createQueue(client, `${name}-windows.fifo`);
  await windows.setAttributes({ dedupWindowMs: spanMs });
  const rememberedMs = performance.now();
  await windows.send("first", { groupId: "g", dedupId: "d" });
  let attemptCount = 0;

  const times = await createQueue(client, `${name}-times`);
  // Taken before the server says what time it is, from when the time to come counts.
  const scheduledMs = performance.now();
  const { sendTime } = await sendAndReceive(times);
  await times.send("scheduled", { deliverTime: new Date(sendTime.getTime() + spanMs) });

  return [
    { what: "lease", startedMs: leasedMs, isOver: () => receivesOne(leases) },
    { what: "delay", startedMs: delayedMs, isOver: () => receivesOne(delays) },
    {
      what: "deduplication window",
      startedMs: rememberedMs,
      isOver: async () => {
        attemptCount += 1;
        const { duplicate } = await windows.send(`again ${attemptCount}`, {
          groupId: "g",
          dedupId: "d",
        });
        return !duplicate;
      },
    },
    { what: "scheduled message", startedMs: scheduledMs, isOver: () => receivesOne(times) },
  ];
}

async function createQueue(client: ForebayClient, name: string): Promise<Queue> {
  const attributes = name.endsWith(".fifo") ? { fifoQueue: true } : {};
  return (await client.createQueue(name, { attributes })).queue;
}

/** What the server's clock says: the send time of a message that is sent for that. */
async function sendAndReceive(queue: Queue): Promise<{ readonly sendTime: Date }> {
  await queue.send("what time is it");
  const [message] = await queue.receive({ waitTimeMs: 1_000 });
  if (message?.sendTime === undefined) throw new Error("The message sent did not come.");
  await message.delete();
  return { sendTime: message.sendTime };
}

/** Each ends in its time, or as much later as the server was away, and not before. */
async function expectEnds(running: readonly Running[], awayMs = 0): Promise<void> {
  const latestMs = spanMs + awayMs + latenessMs;
  await Promise.all(
    running.map(async ({ what, startedMs, isOver }) => {
      for (;;) {
        const askedMs = performance.now();
        const over = await isOver();
        const lastedMs = performance.now() - startedMs;
        if (over) {
          expect(lastedMs, `the ${what} ended early`).toBeGreaterThanOrEqual(spanMs - driftMs);
          expect(askedMs - startedMs, `the ${what} ended late`).toBeLessThan(latestMs);
          return;
        }
        if (askedMs - startedMs > latestMs) throw new Error(`The ${what} does not end.`);
        await sleep(100);
      }
    }),
  );
}

test.each([
  ["forward", hourMs],
  ["back", -hourMs],
])(
  "leases, delays, windows, times to come and waits end after elapsed time when the wall clock is stepped %s by an hour",
  { timeout: 60_000 },
  async (_, offsetMs) => {
    const machine = await Machine.start();
    const { client } = machine;
    const clock = await createQueue(client, "clock");
    const ticks = await createQueue(client, "ticks");
    await ticks.schedules.put({
      name: "tick",
      timing: { kind: "interval", intervalMs: 1_000 },
      message: { body: "tick" },
    });
    const before = await sendAndReceive(clock);
    const running = await beginAll(machine, "around");
    const waitedMs = performance.now();
    const waiting = (await createQueue(client, "empty")).receive({ waitTimeMs: spanMs });

    await machine.step(offsetMs);
    await expectEnds(running);
    expect(await waiting).toEqual([]);
    expect(performance.now() - waitedMs).toBeGreaterThanOrEqual(spanMs - driftMs);
    expect(performance.now() - waitedMs).toBeLessThan(spanMs + latenessMs);

    // What begins after the step lasts as long as what began before it.
    await expectEnds(await beginAll(machine, "after"));

    const after = await sendAndReceive(clock);
    const elapsedMs = performance.now() - waitedMs;
    const toldMs = after.sendTime.getTime() - before.sendTime.getTime();
    expect(toldMs).toBeGreaterThan(2 * spanMs - 2 * driftMs);
    expect(toldMs).toBeLessThan(elapsedMs + latenessMs);
    // A schedule of every second ran every second: neither an hour of runs at once, nor none for an hour.
    const { runCount, nextTime } = (await ticks.schedules.get("tick")).status;
    expect(runCount).toBeGreaterThanOrEqual(4);
    expect(runCount).toBeLessThan((elapsedMs + latenessMs) / 1_000 + 1);
    expect(Math.abs((nextTime?.getTime() ?? 0) - after.sendTime.getTime())).toBeLessThan(5_000);
  },
);

test("Q66 a restart after the wall clock was stepped back neither ends leases early nor brings back what had ended", {
  timeout: 60_000,
}, async () => {
  const machine = await Machine.start();
  const clock = await createQueue(machine.client, "clock");
  const ticks = await createQueue(machine.client, "ticks");
  await ticks.schedules.put({
    name: "tick",
    timing: { kind: "interval", intervalMs: 1_000 },
    message: { body: "tick" },
  });
  const ended = await createQueue(machine.client, "ended.fifo");
  await ended.setAttributes({ dedupWindowMs: 1_000 });
  await ended.send("over", { groupId: "g", dedupId: "over", timeToLiveMs: 1_000 });
  await sleep(1_500);
  const running = await beginAll(machine, "across");
  const { runCount } = (await ticks.schedules.get("tick")).status;
  // The last instant that the store knows: the clock does not go back behind it.
  const before = await sendAndReceive(clock);

  const downMs = performance.now();
  await machine.step(-hourMs);
  await machine.stop();
  await machine.startServer();
  const awayMs = performance.now() - downMs;

  const { client } = machine;
  const after = await sendAndReceive(client.queue("clock"));
  expect(after.sendTime.getTime()).toBeGreaterThanOrEqual(before.sendTime.getTime());
  // With the wall an hour behind, the clock goes on from where it stood.
  expect(after.sendTime.getTime() - before.sendTime.getTime()).toBeLessThan(awayMs + latenessMs);
  expect(await client.queue("ended.fifo").receive()).toEqual([]);
  const sent = await client.queue("ended.fifo").send("new", { groupId: "g", dedupId: "over" });
  expect(sent.duplicate).toBe(false);
  expect((await client.queue("ticks").schedules.get("tick")).status.runCount).toBeLessThan(
    runCount + (awayMs + latenessMs) / 1_000 + 1,
  );
  // With the wall behind, the time that the server was down counts for none of them.
  await expectEnds(overAnotherConnection(client, running), awayMs);
});

/** What was begun before a restart, as it looks after it. */
function overAnotherConnection(client: ForebayClient, running: readonly Running[]): Running[] {
  const looks: readonly Running["isOver"][] = [
    () => receivesOne(client.queue("across-leases")),
    () => receivesOne(client.queue("across-delays")),
    async () => {
      const options = { groupId: "g", dedupId: "d" };
      return !(await client.queue("across-windows.fifo").send("again", options)).duplicate;
    },
    () => receivesOne(client.queue("across-times")),
  ];
  return running.map((one, index) => ({ ...one, isOver: looks[index] as Running["isOver"] }));
}
