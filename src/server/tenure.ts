// The times in which a node of a cluster answers calls by itself: as the leader, until it is no more, or reads as a node that
// follows, for as long as its state is whole. What is under way when such a time ends is told so at once.

import { Metadata, status } from "@grpc/grpc-js";
import type { Tenure } from "../edge/call-router.js";
import { acksKey, durableZonesKey, leaderKey, positionKey } from "../edge/cluster-metadata.js";
import { PageServiceDefinition } from "../gen/forebay/replication/v1/page_service.js";
import { cacheDefinitions } from "../rpc/cache-services.js";
import { type CallContext, isReadOnly, type ServiceDefinition } from "../rpc/call.js";
import { type Position, positionText } from "../rpc/parse-consistency.js";
import { WireFault } from "../rpc/status-details.js";
import type { PageHandlers } from "./page-handlers.js";
import { type ServedHandlers, servedDefinitions } from "./term.js";

type Handlers = ReadonlyMap<string, unknown>;

/** The handlers of all services by the paths of their methods. */
function handlersByPath({ queues, schedules, topics, caches }: ServedHandlers): Handlers {
  const [queueService, scheduleService, topicService] = servedDefinitions;
  const ofCaches = (Object.keys(cacheDefinitions) as (keyof typeof cacheDefinitions)[]).flatMap(
    (name) => entriesOf(cacheDefinitions[name], caches[name]),
  );
  return new Map([
    ...entriesOf(queueService, queues),
    ...entriesOf(scheduleService, schedules),
    ...entriesOf(topicService, topics),
    ...ofCaches,
  ]);
}

/** Of those, the ones that change nothing. */
function readersByPath(served: ServedHandlers): Handlers {
  const reads = servedDefinitions.flatMap(({ fullName, methods }) =>
    Object.values(methods)
      .filter((method) => isReadOnly(method))
      .map(({ name }) => `/${fullName}/${name}`),
  );
  const all = handlersByPath(served);
  return new Map(reads.map((path) => [path, all.get(path)]));
}

function entriesOf(
  { fullName, methods }: ServiceDefinition,
  handlers: Readonly<Record<string, unknown>>,
): [string, unknown][] {
  return Object.entries(methods).map(([key, { name }]) => [`/${fullName}/${name}`, handlers[key]]);
}

/** What a leader can be asked about the records it has. */
export interface LeaderRecords {
  /** Up to where everything is committed and applied. */
  position(): Position;
  /** Voters that have a position on disk. */
  durableCount(seq: number): number;
  /** Resolves once so many voters have it on disk; rejects with a WireFault when leadership ends before. */
  durableOn(seq: number, count: number): Promise<void>;
  /** Voters that a majority takes, and all of them. */
  voters(): { readonly majority: number; readonly all: number };
}

abstract class EndingTenure implements Tenure {
  readonly #handlers: Handlers;
  readonly #underWay = new Set<(fault: WireFault) => void>();
  #ended: WireFault | undefined;

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
  }

  handlerOf(path: string): unknown {
    return this.#handlers.get(path);
  }

  onEnd(react: (fault: WireFault) => void): () => void {
    if (this.#ended !== undefined) react(this.#ended);
    else this.#underWay.add(react);
    return () => this.#underWay.delete(react);
  }

  /** Everything under way ends with this. */
  end(fault: WireFault): void {
    if (this.#ended !== undefined) return;
    this.#ended = fault;
    for (const react of [...this.#underWay]) react(fault);
    this.#underWay.clear();
  }

  abstract holdOf(context: CallContext): (() => Promise<void>) | undefined;
  abstract trailers(isRead: boolean): Metadata;
}

/** What only a leader serves, beside what applications call. */
export interface LeaderHandlers extends ServedHandlers {
  /** For the other nodes. */
  readonly pages: PageHandlers;
}

export class LeaderTenure extends EndingTenure {
  readonly #records: LeaderRecords;
  readonly #endpoint: string;

  constructor(served: LeaderHandlers, records: LeaderRecords, endpoint: string) {
    const pages = entriesOf(PageServiceDefinition, served.pages);
    super(new Map([...handlersByPath(served), ...pages]));
    this.#records = records;
    this.#endpoint = endpoint;
  }

  get records(): LeaderRecords {
    return this.#records;
  }

  holdOf(context: CallContext): (() => Promise<void>) | undefined {
    const asked = context.metadata(acksKey);
    if (asked === undefined) return undefined;
    if (asked !== "all" && asked !== "quorum") throw unknownAcks();
    const { majority, all } = this.#records.voters();
    const count = asked === "all" ? all : majority;
    // The position of now is that of the answer or a later one: the answer's record is committed.
    return () => this.#records.durableOn(this.#records.position().seq, count);
  }

  trailers(isRead: boolean): Metadata {
    const position = this.#records.position();
    const trailers = new Metadata();
    trailers.set(leaderKey, this.#endpoint);
    trailers.set(positionKey, positionText(position));
    if (!isRead) {
      trailers.set(durableZonesKey, String(this.#records.durableCount(position.seq)));
    }
    return trailers;
  }
}

export class ReplicaTenure extends EndingTenure {
  readonly #position: () => Position;
  readonly #leader: () => string | undefined;

  constructor(served: ServedHandlers, position: () => Position, leader: () => string | undefined) {
    super(readersByPath(served));
    this.#position = position;
    this.#leader = leader;
  }

  /** Reads make nothing durable. */
  holdOf(): undefined {
    return undefined;
  }

  trailers(): Metadata {
    const trailers = leaderTrailers(this.#leader());
    trailers.set(positionKey, positionText(this.#position()));
    return trailers;
  }
}

/** Metadata, so no field of the request is at fault. */
const unknownAcks = (): WireFault =>
  new WireFault({
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_PARAMETER",
    message: `The metadata ${acksKey} is neither "quorum" nor "all". Nothing was done.`,
    metadata: { field: acksKey },
  });

export function leaderTrailers(endpoint: string | undefined): Metadata {
  const trailers = new Metadata();
  if (endpoint !== undefined) trailers.set(leaderKey, endpoint);
  return trailers;
}
