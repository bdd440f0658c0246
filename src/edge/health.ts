// Health over gRPC (grpc.health.v1), for those who probe through it: the names "" and "readiness" say whether calls should be
// sent here, as does the name of each service; "liveness" says that the process works at all. The answers come from the same
// readiness that /readyz shows, looked at when someone asks and, for watchers, once a second.

import { status } from "@grpc/grpc-js";
import type { Clock, Timer } from "../base/clock.js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthDefinition,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health.js";
import type { CallContext, ResponseStream, ServiceHandlers } from "../rpc/call.js";
import { WireFault } from "../rpc/status-details.js";

/** What the server knows of itself. */
export interface Readiness {
  readonly isReady: boolean;
  readonly checks: readonly ReadinessCheck[];
}

export interface ReadinessCheck {
  /** As `store`. */
  readonly name: string;
  readonly isPassed: boolean;
  /** What is wrong, or what was seen. */
  readonly detail?: string;
}

export interface Health {
  readonly handlers: ServiceHandlers<typeof HealthDefinition>;
  /** Tells the watchers at once, where waiting for the next look would be too late. */
  refresh(): void;
  /** Tells the watchers to go elsewhere and ends their streams. */
  close(): void;
}

const watcherCountMax = 1_000;
const lookEveryMs = 1_000;

export interface HealthOptions {
  readonly clock: Clock;
  readonly readiness: () => Readiness;
  /** The full names of the services whose health is asked for. */
  readonly services: readonly string[];
}

export function createHealth({ clock, readiness, services }: HealthOptions): Health {
  const readyNames = ["", "readiness", ...services];
  const names = [...readyNames, "liveness"];
  const watchers = new Set<Watcher>();
  let timer: Timer | undefined;

  const statusOf = (name: string): ServingStatus => {
    if (name === "liveness") return ServingStatus.SERVING;
    if (!readyNames.includes(name)) return ServingStatus.SERVICE_UNKNOWN;
    return readiness().isReady ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  const refresh = (): void => {
    for (const watcher of watchers) watcher.tell(statusOf(watcher.name));
  };
  const lookAgain = (): void => {
    timer = undefined;
    if (watchers.size === 0) return;
    refresh();
    timer = clock.setTimer(lookEveryMs, lookAgain);
  };
  const watch = (
    { service }: HealthCheckRequest,
    stream: ResponseStream<HealthCheckResponse>,
    context: CallContext,
  ): void => {
    if (watchers.size >= watcherCountMax) throw tooManyWatchers();
    const watcher = new Watcher(service, stream);
    watchers.add(watcher);
    context.onCancelled(() => watchers.delete(watcher));
    watcher.tell(statusOf(service));
    timer ??= clock.setTimer(lookEveryMs, lookAgain);
  };
  return {
    handlers: {
      check: ({ service }) => {
        if (!names.includes(service)) throw unknownService(service);
        return { status: statusOf(service) };
      },
      watch,
      list: () => ({
        statuses: new Map(names.map((name) => [name, { status: statusOf(name) }])),
      }),
    },
    refresh,
    close: () => {
      timer?.cancel();
      refresh();
      for (const watcher of watchers) watcher.stream.fail(shuttingDown());
      watchers.clear();
    },
  };
}

/** One stream, told only of changes. */
class Watcher {
  readonly name: string;
  readonly stream: ResponseStream<HealthCheckResponse>;
  #told: ServingStatus | undefined;

  constructor(name: string, stream: ResponseStream<HealthCheckResponse>) {
    this.name = name;
    this.stream = stream;
  }

  tell(current: ServingStatus): void {
    if (current === this.#told) return;
    this.#told = current;
    this.stream.write({ status: current });
  }
}

const unknownService = (service: string): WireFault =>
  new WireFault({
    code: status.NOT_FOUND,
    reason: "UNKNOWN_SERVICE",
    message: "Health knows no service of this name; List tells those it knows.",
    metadata: { service },
    resource: { type: "service", name: service },
  });

const tooManyWatchers = (): WireFault =>
  new WireFault({
    code: status.RESOURCE_EXHAUSTED,
    reason: "TOO_MANY_WATCHERS",
    message: `At most ${watcherCountMax} streams watch the health at a time; ask with Check.`,
    metadata: { limit: String(watcherCountMax) },
    quota: [{ subject: "health watchers", description: `at most ${watcherCountMax}` }],
    retryAfterMs: 10_000,
  });

const shuttingDown = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
    message: "The server is stopping.",
    retryAfterMs: 1_000,
  });
