// Webhooks beside autocannon: how many messages a second reach a local receiver that does nothing, each leased, sent, answered and
// settled on disk; and how many requests with the same body the same receiver takes from a program that only posts.

import { TargetKind } from "@forebay/client/gen/forebay/topic/v1/topic";
import { startLoad } from "../load/orders.js";
import type { SinkHandlers } from "../load/sink.worker.js";
import type { WireHandlers } from "../load/wire.worker.js";
import { bodyBytes, freshDirectory, type Measurement } from "../measurement.js";
import { fireCannon } from "../processes/autocannon.js";
import { startForebay } from "../processes/forebay.js";
import { rateRow } from "../report.js";
import { compare, inTurns, type Round } from "../rounds.js";

const connections = 64;
const topic = "hooks";

export const measureWebhooks: Measurement = async (context) => {
  await using server = await startForebay({
    entry: context.serverEntry,
    dataDir: freshDirectory(context, "data"),
    nodeFlags: context.nodeFlags,
    flags: {
      "public-base-url": "http://messages.example",
      "public-listen": "127.0.0.1:0",
      "webhook-allowed-cidrs": "127.0.0.0/8",
    },
  });
  await using sink = startLoad<SinkHandlers>("sink");
  await using load = startLoad<WireHandlers>("wire");
  const { port } = await sink.order("listen", undefined);
  const url = `http://127.0.0.1:${port}/`;
  await load.order("connect", { address: server.address });
  await load.order("createTopic", { topic });
  await load.order("subscribe", { topic, kind: TargetKind.HTTP, endpoint: url });
  await load.order("confirm", { topic, token: await sink.order("token", undefined) });
  const count = context.isSmoke ? 300 : 1_500;
  let most = 0;
  const rounds = await inTurns(
    {
      ours: async (): Promise<Round> => {
        await sink.order("begin", undefined);
        const before = server.cpuMicros();
        const startedMs = performance.now();
        const published = load.order("publish", {
          topic,
          bodyBytes,
          inFlight: connections,
          until: { kind: "count", count },
        });
        const { mostConnections } = await sink.order("until", { count });
        const elapsedMs = performance.now() - startedMs;
        await published;
        most = Math.max(most, mostConnections);
        const after = server.cpuMicros();
        const isKnown = before !== undefined && after !== undefined;
        const cpuMicros = isKnown ? (after - before) / count : undefined;
        return { perSecond: (count / elapsedMs) * 1_000, cpuMicros };
      },
      cannon: async (): Promise<Round> => ({
        perSecond: await fireCannon({
          url,
          connections,
          forSeconds: context.isSmoke ? 1 : 3,
          body: "x".repeat(bodyBytes),
        }),
        cpuMicros: undefined,
      }),
    },
    context.isSmoke ? 1 : 5,
  );
  await server.stop();
  const name = "webhooks, published, received and settled";
  return {
    measurement: "webhooks",
    rows: [
      rateRow(
        name,
        "messages/s",
        `autocannon, ${connections} connections`,
        compare(rounds.ours, rounds.cannon),
      ),
    ],
    notes: [
      `Webhooks went over at most ${most} connections at a time; a target in webhook_allowed_cidrs has no bound of its own.`,
    ],
  };
};
