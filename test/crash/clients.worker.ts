// A process of a crash test: clients of every kind, working on one queue while their server is killed, and writing down what
// they did and were told. SIGTERM ends it: clients stop asking, and wait for what they asked to be answered.

import { ForebayClient } from "@forebay/client";
import { Attempts } from "./attempts.js";
import { History, nowMs } from "./history.js";
import type { ClientPlan } from "./plan.js";
import { runClients } from "./run-clients.js";

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

await runClients(plan, { history, stopping: stopping.signal }, () => ({
  attempts: new Attempts((what) => history.add({ kind: "surprise", atMs: nowMs(), what })),
  queue: plain.queue(plan.queue),
  repeatingQueue: repeating.queue(plan.queue),
  cancelMove: (taskHandle) => plain.cancelMove(taskHandle),
}));
await Promise.all([plain.close(), repeating.close()]);
await history.close();
