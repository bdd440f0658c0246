// A hundred tails of one topic: how many items a second their readers get, and how many publishes a second that is, beside the no-op
// stream, whose answers are as many items without a queue or topic behind them.

import {
  type BenchContext,
  bodyBytes,
  type Measurement,
  planOf,
  sideOf,
  withBench,
} from "../measurement.js";
import { type Measured, rateRow } from "../report.js";
import { compare, inTurns } from "../rounds.js";

const topic = "tailed";

const tailCountOf = ({ isSmoke }: BenchContext): number => (isSmoke ? 10 : 100);

export const measureTails: Measurement = (context) =>
  withBench(context, async ({ server, load }): Promise<Measured> => {
    const tailCount = tailCountOf(context);
    await load.order("createTopic", { topic });
    await load.order("openTails", { topic, tailCount });
    const count = context.isSmoke ? 50 : 500;
    const rounds = await inTurns(
      {
        ours: sideOf(server, async () => {
          const { elapsedMs } = await load.order("publishAndTail", {
            topic,
            bodyBytes,
            inFlight: 64,
            until: { kind: "count", count },
          });
          return { count: count * tailCount, elapsedMs };
        }),
        noop: sideOf(server, () =>
          load.order("produce", {
            service: "noop",
            queue: "bench",
            bodyBytes,
            entryCount: 100,
            inFlight: 40,
            until: planOf(context).until,
          }),
        ),
      },
      context.isSmoke ? 1 : 7,
    );
    // Tails that are open when the server stops would be told so, in a warning each.
    await load.order("connect", { address: server.address });
    const compared = compare(rounds.ours, rounds.noop);
    return {
      measurement: "tails",
      rows: [
        rateRow(`items of ${tailCount} tails`, "items/s", "no-op stream, entries", compared),
        {
          name: `Publish under ${tailCount} tails, seen by all`,
          figure: compared.perSecond / tailCount,
          unit: "publishes/s",
        },
      ],
      notes: [],
    };
  });
