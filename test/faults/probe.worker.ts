// The probes of a run: a writer for each queue, which sends a small message after another by one of two nodes, the other one when
// one does not serve it, and readers that ask any node how many there are, as fresh as chance has it. Two of three nodes, because
// a leader with an undecided write answers no read of that queue anyway: what a former leader tells of a queue that nobody
// writes there is what would be stale.
//
// What they were told is judged by the checkers availability.ts and replica-reads.ts. SIGTERM ends it.
//
// They call by the generated stubs: the client library hides the trailers that say where an answer was read.

import { setTimeout as sleep } from "node:timers/promises";
import { ReadMode } from "@forebay/client/gen/forebay/queue/v1/consistency";
import {
  GetQueueAttributesRequest,
  type GetQueueAttributesResponse,
  QueueServiceClient,
  SendMessageRequest,
  type SendMessageResponse,
} from "@forebay/client/gen/forebay/queue/v1/queue_service";
import {
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status as statusCodes,
} from "@grpc/grpc-js";
import { History, nowMs, type Outcome } from "../crash/history.js";
import { Random } from "../crash/random.js";
import {
  type Freshness,
  type Position,
  type ProbeEvent,
  positionOf,
  positionText,
} from "./checkers/cluster-history.js";
import type { ProbePlan } from "./probe-plan.js";

/** A node that says nothing for so long is given up on. */
const writeMsMax = 700;
const readMsMax = 1_500;
const staleness = [300, 1_000, 3_000] as const;

const plan: ProbePlan = JSON.parse(process.argv[2] ?? "");
const history = new History<ProbeEvent>(plan.historyPath);
let isStopping = false;
process.once("SIGTERM", () => {
  isStopping = true;
});
const nodes = plan.nodes.map(({ name, endpoint }) => ({
  name,
  client: new QueueServiceClient(endpoint, credentials.createInsecure(), {
    "grpc.enable_retries": 0,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
    "grpc.use_local_subchannel_pool": 1,
  }),
}));
type Node = (typeof nodes)[number];
/** The furthest that anybody was told of. */
let known: Position | undefined;

type Called<Response> =
  | { readonly response: Response; readonly position: Position | undefined }
  | { readonly error: ServiceError };

/** One call; its position is in the trailers, which come after the answer. */
function called<Response>(
  ask: (done: (error: ServiceError | null, response: Response) => void) => ClientUnaryCall,
): Promise<Called<Response>> {
  return new Promise((resolve) => {
    let response: Response | undefined;
    let failure: ServiceError | undefined;
    const call = ask((error, answer) => {
      if (error === null) response = answer;
      else failure = error;
    });
    call.on("status", ({ metadata }) => {
      const [text = ""] = metadata.get("forebay-position").map(String);
      const position = positionOf(text);
      if (response !== undefined) resolve({ response, position });
      else if (failure !== undefined) resolve({ error: failure });
    });
  });
}

const deadlineIn = (ms: number) => ({ deadline: Date.now() + ms });

async function write(queue: string, number: number): Promise<void> {
  let attempt = 0;
  for (let count = 1; !isStopping; count += 1) {
    const node = nodes[(number + (attempt % 2)) % nodes.length] as Node;
    const startedMs = nowMs();
    const request = SendMessageRequest.fromPartial({
      queue,
      body: { $case: "text", value: `probe ${count}` },
    });
    const result = await called<SendMessageResponse>((done) =>
      node.client.sendMessage(request, new Metadata(), deadlineIn(writeMsMax), done),
    );
    const span = { startedMs, endedMs: nowMs() };
    const common = { kind: "wrote", queue, node: node.name, ...span } as const;
    if ("error" in result) {
      attempt += 1;
      history.add({ ...common, outcome: outcomeOf(result.error), why: reasonOf(result.error) });
    } else {
      const { position } = result;
      note(position);
      history.add({ ...common, outcome: "ok", ...(position && { position }) });
    }
    await sleep(plan.pauseMs);
  }
}

async function read(number: number): Promise<void> {
  const random = new Random(plan.seed + number);
  while (!isStopping) {
    const node = nodes[random.between(0, nodes.length - 1)] as Node;
    const queue = plan.queues[random.between(0, plan.queues.length - 1)] as string;
    const freshness = freshnessOf(random);
    const startedMs = nowMs();
    const request = GetQueueAttributesRequest.fromPartial({
      queue,
      consistency: { kind: wireOf(freshness) },
    });
    const result = await called<GetQueueAttributesResponse>((done) =>
      node.client.getQueueAttributes(request, new Metadata(), deadlineIn(readMsMax), done),
    );
    if (!("error" in result)) {
      const { response, position } = result;
      note(position);
      const count = Number(response.counters?.sentCount ?? 0n);
      const span = { startedMs, endedMs: nowMs() };
      history.add({ kind: "read", queue, node: node.name, freshness, count, position, ...span });
    }
    await sleep(plan.pauseMs);
  }
}

function freshnessOf(random: Random): Freshness {
  const choice = random.next();
  if (choice < 0.15) return { kind: "leader_lease" };
  if (choice < 0.3) return { kind: "leader_quorum" };
  if (choice < 0.45) return { kind: "any" };
  if (choice < 0.7 && known !== undefined) return { kind: "at_least", position: known };
  const stalenessMsMax = staleness[random.between(0, staleness.length - 1)] as number;
  return { kind: "bounded", stalenessMsMax };
}

function wireOf(freshness: Freshness) {
  switch (freshness.kind) {
    case "leader_lease":
      return { $case: "mode", value: ReadMode.LEADER_LEASE } as const;
    case "leader_quorum":
      return { $case: "mode", value: ReadMode.LEADER_QUORUM } as const;
    case "any":
      return { $case: "mode", value: ReadMode.ANY } as const;
    case "at_least":
      return { $case: "atLeast", value: positionText(freshness.position) } as const;
    case "bounded": {
      const { stalenessMsMax: ms } = freshness;
      const value = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
      return { $case: "maxStaleness", value } as const;
    }
  }
}

function note(position: Position | undefined): void {
  if (position !== undefined && position.seq > (known?.seq ?? 0)) known = position;
}

/** What the contract calls refused before any effect. */
const refusals = ["NOT_LEADER", "COMMIT_BACKLOG", "STORAGE_FULL"];

const outcomeOf = (error: ServiceError): Outcome =>
  refusals.includes(reasonOf(error)) ? "refused" : "unknown";

/** The reason of its ErrorInfo if it has one: a word in capitals among bytes that are no letters. */
function reasonOf(error: ServiceError): string {
  const [details = ""] = error.metadata.get("grpc-status-details-bin").map(String);
  const [reason] = /\b[A-Z]+(?:_[A-Z]+)+\b/.exec(details) ?? [];
  return reason ?? `${statusCodes[error.code]} ${error.details}`.slice(0, 120);
}

await Promise.all([
  ...plan.queues.map(write),
  ...Array.from({ length: plan.readerCount }, (_, number) => read(number)),
]);
for (const { client } of nodes) client.close();
await history.close();
