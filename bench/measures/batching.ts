// What the client's automatic batching is worth to a program that sends concurrently, beside one that awaits one send after
// another, and beside the same concurrency with batching turned off.

import type { ClientHandlers, ClientSendOrder } from "../load/client.worker.js";
import { startLoad } from "../load/orders.js";
import { bodyBytes, type Measurement, planOf, queue, sideOf, startServer } from "../measurement.js";
import { rateRow } from "../report.js";
import { compare, inTurns, type Side } from "../rounds.js";

const concurrent = 256;

export const measureBatching: Measurement = async (context) => {
  await using server = await startServer(context);
  await using load = startLoad<ClientHandlers>("client");
  await load.order("connect", { address: server.address, queue });
  const { roundCount, until } = planOf(context);
  const side = (way: Pick<ClientSendOrder, "isBatching" | "inFlight">): Side =>
    sideOf(server, () => load.order("send", { queue, bodyBytes, until, ...way }));
  const rounds = await inTurns(
    {
      batched: side({ isBatching: true, inFlight: concurrent }),
      oneByOne: side({ isBatching: false, inFlight: 1 }),
      single: side({ isBatching: false, inFlight: concurrent }),
    },
    roundCount,
  );
  await server.stop();
  const name = `client send, ${concurrent} at once`;
  const besideOne = compare(rounds.batched, rounds.oneByOne);
  const besideSingle = compare(rounds.batched, rounds.single);
  return {
    measurement: "batching",
    rows: [
      rateRow(name, "messages/s", "one by one", besideOne, 8),
      rateRow(name, "messages/s", "not batched", besideSingle),
    ],
    notes: [],
  };
};
