// A process of a crash test: clients of every kind, working on one queue while their server is killed, and writing down what
// they did and were told. SIGTERM ends it: clients stop asking, and wait for what they asked to be answered.

import { ForebayClient } from "@forebay/client";
import { Attempts } from "./attempts.js";
import type { Client } from "./client.js";
import { History, nowMs } from "./history.js";
import { move } from "./mover.js";
import type { ClientKind, ClientPlan } from "./plan.js";
import { Random } from "./random.js";
import { consume, receive } from "./receivers.js";
import { produce, send, sendBatches, sendHastily } from "./senders.js";

const attemptMs = 4_000;

const plan: ClientPlan = JSON.parse(process.argv[2] ?? "");
const history = new History(plan.historyPath);
const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());

// The library's repetition is tried by half of the clients; the others repeat by themselves, so that it is known how often.
const repeating = new ForebayClient({ endpoint: plan.endpoint });
const plain = new ForebayClient({
  endpoint: plan.endpoint,
  retry: false,
  batching: false,
  timeoutMs: attemptMs,
});

const kinds: Readonly<Record<ClientKind, (client: Client) => Promise<void>>> = {
  sender: send,
  hasty_sender: sendHastily,
  batch_sender: sendBatches,
  producer: produce,
  receiver: receive,
  consumer: consume,
  mover: move,
};

const running = Object.entries(plan.clients).flatMap(([kind, count], place) =>
  Array.from({ length: count }, (_, index) =>
    kinds[kind as ClientKind]({
      name: `${plan.name}-${kind}-${index}`,
      plan,
      random: new Random(plan.seed + place * 1_000 + index),
      history,
      attempts: new Attempts((what) => history.add({ kind: "surprise", atMs: nowMs(), what })),
      queue: plain.queue(plan.queue),
      repeatingQueue: repeating.queue(plan.queue),
      cancelMove: (taskHandle) => plain.cancelMove(taskHandle),
      stopping: stopping.signal,
    }),
  ),
);
await Promise.all(running);
await Promise.all([plain.close(), repeating.close()]);
await history.close();
