// A publish to many queues beside what an application does without topics: the same messages sent to each of the queues, one by one,
// and in batches. All of a round's copies are in their queues when its time ends. How fast publishes are answered is a figure of
// its own, since the copies for many are made after the answer. And what filters cost: ten thousand of them beside one.

import {
  type Bench,
  type BenchContext,
  bodyBytes,
  type Measurement,
  planOf,
  sideOf,
  withBench,
} from "../measurement.js";
import { type Measured, type Row, rateRow } from "../report.js";
import { compare, inTurns, median, type Round, type Side } from "../rounds.js";

/** Copies that a round makes, whatever the number of queues. */
const copiesPerRound = 100_000;
const copiesPerRoundSmoke = 2_000;
/** Publishes of a round: no more than are done while a round of sends lasts. */
const publishesPerRoundMax = 5_000;

const unaryInFlight = 256;
const batchInFlight = 64;
const entryCount = 10;
const ratioAtLeast = 20;
/** How short a body is that costs next to nothing to copy. */
const shortBodyBytes = 32;

export const measureFanOut: Measurement = (context) =>
  withBench(context, async (bench): Promise<Measured> => {
    const rows: Row[] = [];
    for (const queueCount of context.isSmoke ? [1, 20] : [1, 10, 100, 1_000]) {
      const topic = `fan-out-${queueCount}`;
      await bench.load.order("createTopic", { topic });
      await bench.load.order("subscribeQueues", { topic, queueCount, isFiltered: false });
      rows.push(...(await rowsOf(context, bench, { topic, queueCount })));
    }
    return { measurement: "fanout", rows, notes: [] };
  });

interface Fan {
  readonly topic: string;
  readonly queueCount: number;
}

async function rowsOf(context: BenchContext, bench: Bench, fan: Fan): Promise<Row[]> {
  const { queueCount } = fan;
  const answered: number[] = [];
  const { until } = planOf(context);
  const sends = (count: number, inFlight: number): Side =>
    sideOf(bench.server, () =>
      bench.load.order("sendToEach", { ...fan, bodyBytes, entryCount: count, inFlight, until }),
    );
  const rounds = await inTurns(
    {
      ours: fanOut(context, bench, fan, bodyBytes, answered),
      sends: sends(1, unaryInFlight),
      batches: sends(entryCount, batchInFlight),
      short: fanOut(context, bench, fan, shortBodyBytes, []),
    },
    context.isSmoke ? 1 : 5,
  );
  const name = `copies in ${queueCount} queues, published`;
  const target = queueCount === 1_000 ? ratioAtLeast : undefined;
  const besideSends = compare(rounds.ours, rounds.sends);
  const besideBatches = compare(rounds.ours, rounds.batches);
  const besideShort = compare(rounds.ours, rounds.short);
  const short = `bodies of ${shortBodyBytes} bytes`;
  return [
    {
      name: `Publish to ${queueCount} queues, answered`,
      figure: median(answered.slice(1)),
      unit: "publishes/s",
    },
    rateRow(name, "copies/s", "SendMessage to each", besideSends, target),
    rateRow(name, "copies/s", `SendMessageBatch of ${entryCount} to each`, besideBatches),
    rateRow(name, "copies/s", short, besideShort),
  ];
}

/** Publishes until all copies are in their queues; `answered` gets the rate of the answers. */
function fanOut(
  { isSmoke }: BenchContext,
  { server, load }: Bench,
  { topic, queueCount }: Fan,
  bytes: number,
  answered: number[],
): Side {
  const copies = isSmoke ? copiesPerRoundSmoke : copiesPerRound;
  const count = Math.min(Math.ceil(copies / queueCount), publishesPerRoundMax);
  return sideOf(server, async () => {
    const { elapsedMs, answeredMs } = await load.order("publishAndHandOn", {
      topic,
      bodyBytes: bytes,
      inFlight: unaryInFlight,
      until: { kind: "count", count },
    });
    answered.push((count / answeredMs) * 1_000);
    return { count: count * queueCount, elapsedMs };
  });
}

export const measureFilters: Measurement = (context) =>
  withBench(context, async (bench): Promise<Measured> => {
    const many = context.isSmoke ? 200 : 10_000;
    const { load, server } = bench;
    const topics = { one: 1, many } as const;
    for (const [topic, queueCount] of Object.entries(topics)) {
      await load.order("createTopic", { topic });
      await load.order("subscribeQueues", { topic, queueCount, isFiltered: true });
    }
    const count = context.isSmoke ? 200 : 4_000;
    const answered: Record<keyof typeof topics, Round[]> = { one: [], many: [] };
    const side = (topic: keyof typeof topics): Side =>
      sideOf(server, async () => {
        const result = await load.order("publishAndHandOn", {
          topic,
          bodyBytes,
          inFlight: unaryInFlight,
          until: { kind: "count", count },
          // Of all that there are, the filter in the middle.
          customer: Math.floor(topics[topic] / 2),
        });
        const perSecond = (count / result.answeredMs) * 1_000;
        answered[topic].push({ perSecond, cpuMicros: undefined });
        return result;
      });
    const rounds = await inTurns({ many: side("many"), one: side("one") }, context.isSmoke ? 1 : 7);
    const sustained = compare(rounds.many, rounds.one);
    const answers = compare(answered.many.slice(1), answered.one.slice(1));
    const name = `Publish, ${many} filters of which one takes it`;
    return {
      measurement: "filters",
      rows: [
        rateRow(`${name}, answered`, "publishes/s", "one filter", answers, 0.5),
        rateRow(`${name}, copy in its queue`, "publishes/s", "one filter", sustained, 0.5),
      ],
      notes: [],
    };
  });
