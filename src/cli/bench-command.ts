// `forebay bench`: load on a running server over real gRPC, through the client its users use, and what came of it.
//
// Phases, one after another on one queue, each for the time given:
//   send     callers of `send`, one message each at a time; the client joins them into batches
//   produce  the same over one Produce stream
//   drain    callers that receive ten messages and delete them, until the queue is empty or the time is over

import type { ForebayClient, Queue } from "@forebay/client";
import type { Command } from "commander";
import { createIds, systemRandom, uuidText } from "../base/ids.js";
import {
  type CliContext,
  type CommonOptions,
  oneOf,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { Histogram } from "./histogram.js";
import type { Row } from "./output.js";

const phases = ["send", "produce", "drain"] as const;
type Phase = (typeof phases)[number];

interface BenchOptions extends CommonOptions {
  readonly queue?: string;
  readonly inFlight: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly phase?: readonly Phase[];
}

interface PhaseResult {
  readonly phase: Phase;
  readonly messageCount: number;
  readonly failureCount: number;
  readonly seconds: number;
  readonly messagesPerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function addBenchCommand(program: Command, context: CliContext): void {
  const bench = program
    .command("bench")
    .description("put load on a running server and measure it")
    .option(
      "--queue <name>",
      "use this queue and leave what is in it; default: a new one, removed afterwards",
    )
    .option("--in-flight <count>", "callers at once", wholeNumber(1), 256)
    .option("--seconds <seconds>", "how long each phase lasts", wholeNumber(1), 5)
    .option("--bytes <bytes>", "the size of a body", wholeNumber(1), 1_024)
    .option("--phase <phase>", `only these of ${phases.join(", ")}; may be repeated`, phaseOption);
  withCommonOptions(bench).action(async (options: BenchOptions) => {
    await context.withClient(options, async (client) => {
      const queue = await benchQueue(context, client, options);
      try {
        async function* rows(): AsyncGenerator<Row> {
          for (const phase of options.phase ?? phases) {
            context.output.note(`${phase}: ${options.seconds} s, ${options.inFlight} in flight …`);
            yield resultRow(await runPhase(context, queue, phase, options));
          }
        }
        await context.output.many(options.output, headings, rows());
      } finally {
        if (options.queue === undefined) await queue.remove();
      }
    });
  });
}

async function benchQueue(
  context: CliContext,
  client: ForebayClient,
  options: BenchOptions,
): Promise<Queue> {
  if (options.queue !== undefined) {
    const queue = client.queue(options.queue);
    await queue.attributes();
    return queue;
  }
  const id = uuidText(createIds(systemRandom).messageId(context.clock.now()));
  return (await client.createQueue(`forebay-bench-${id}`)).queue;
}

async function runPhase(
  context: CliContext,
  queue: Queue,
  phase: Phase,
  { inFlight, seconds, bytes }: BenchOptions,
): Promise<PhaseResult> {
  const { clock } = context;
  const latencies = new Histogram();
  const body = "x".repeat(bytes);
  const startedMs = clock.monotonicMs();
  const endsMs = startedMs + seconds * 1_000;
  let failureCount = 0;
  await using producer = phase === "produce" ? queue.producer() : undefined;
  const step: () => Promise<number> = {
    send: async () => {
      await queue.send(body);
      return 1;
    },
    produce: async () => {
      await producer?.send(body);
      return 1;
    },
    drain: async () => {
      const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
      await Promise.all(messages.map((message) => message.delete()));
      return messages.length;
    },
  }[phase];
  async function caller(): Promise<void> {
    while (clock.monotonicMs() < endsMs && !context.interrupted.aborted) {
      const calledMs = clock.monotonicMs();
      try {
        const count = await step();
        const latencyMs = clock.monotonicMs() - calledMs;
        for (let index = 0; index < count; index += 1) latencies.record(latencyMs);
        if (count === 0) return;
      } catch (error) {
        failureCount += 1;
        if (failureCount === 1) context.output.note(`First failure: ${error}`);
        // Without a pause a server that is gone would be called in a tight loop.
        await new Promise<void>((resolve) => clock.setTimer(100, resolve));
      }
    }
  }
  // A drain moves ten messages a call, so a tenth of the callers have as many messages in flight.
  const callerCount = phase === "drain" ? Math.ceil(inFlight / 10) : inFlight;
  await Promise.all(Array.from({ length: callerCount }, caller));
  const elapsedSeconds = (clock.monotonicMs() - startedMs) / 1_000;
  return {
    phase,
    messageCount: latencies.count,
    failureCount,
    seconds: elapsedSeconds,
    messagesPerSecond: latencies.count / elapsedSeconds,
    p50Ms: latencies.percentileMs(0.5),
    p90Ms: latencies.percentileMs(0.9),
    p99Ms: latencies.percentileMs(0.99),
    maxMs: latencies.maxMs,
  };
}

const headings = [
  "phase",
  "messages",
  "failures",
  "a second",
  "p50 ms",
  "p90 ms",
  "p99 ms",
  "max ms",
];

function resultRow(result: PhaseResult): Row {
  return {
    cells: {
      phase: result.phase,
      messages: String(result.messageCount),
      failures: String(result.failureCount),
      "a second": String(Math.round(result.messagesPerSecond)),
      "p50 ms": result.p50Ms.toFixed(2),
      "p90 ms": result.p90Ms.toFixed(2),
      "p99 ms": result.p99Ms.toFixed(2),
      "max ms": result.maxMs.toFixed(2),
    },
    json: result,
    raw: String(Math.round(result.messagesPerSecond)),
  };
}

function phaseOption(text: string, before: readonly Phase[] = []): Phase[] {
  return [...before, oneOf(phases)(text)];
}
