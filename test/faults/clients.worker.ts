// A process of clients of a cluster: those of the crash tests, each of which asks one node until that one does not serve it, and
// then the next. SIGTERM ends it.

import { ForebayClient, type Queue } from "@forebay/client";
import { Attempts } from "../crash/attempts.js";
import { History, nowMs, type Outcome } from "../crash/history.js";
import type { ClientPlan } from "../crash/plan.js";
import { runClients, type Way } from "../crash/run-clients.js";

export interface ClusterClientPlan extends ClientPlan {
  readonly endpoints: readonly string[];
}

const attemptMs = 3_000;

const plan: ClusterClientPlan = JSON.parse(process.argv[2] ?? "");
const history = new History(plan.historyPath);
const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());

const nodes = plan.endpoints.map((endpoint) => ({
  repeating: new ForebayClient({ endpoint, timeoutMs: 2 * attemptMs }),
  plain: new ForebayClient({ endpoint, retry: false, batching: false, timeoutMs: attemptMs }),
}));
type Node = (typeof nodes)[number];

/** Goes on to the next node whenever nobody can tell what came of a call. */
class FollowingAttempts extends Attempts {
  #number: number;

  constructor(number: number) {
    super((what) => history.add({ kind: "surprise", atMs: nowMs(), what }));
    this.#number = number;
  }

  get node(): Node {
    return nodes[this.#number % nodes.length] as Node;
  }

  override outcomeOf(error: unknown): Exclude<Outcome, "ok"> {
    const outcome = super.outcomeOf(error);
    if (outcome === "unknown") this.#number += 1;
    return outcome;
  }
}

/** A queue by whatever way is the present one. */
function following(queueOf: () => Queue): Queue {
  return new Proxy(queueOf(), {
    get: (_, name) => {
      const queue = queueOf();
      const value: unknown = Reflect.get(queue, name, queue);
      return typeof value === "function" ? value.bind(queue) : value;
    },
  });
}

function wayOf(number: number): Way {
  const attempts = new FollowingAttempts(number);
  return {
    attempts,
    queue: following(() => attempts.node.plain.queue(plan.queue)),
    repeatingQueue: following(() => attempts.node.repeating.queue(plan.queue)),
    cancelMove: (taskHandle) => attempts.node.plain.cancelMove(taskHandle),
  };
}

await runClients(plan, { history, stopping: stopping.signal }, wayOf);
await Promise.all(nodes.flatMap(({ plain, repeating }) => [plain.close(), repeating.close()]));
await history.close();
