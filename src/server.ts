// The composition root: builds everything by hand, in order, and stops it in reverse.
//
// Up: lock the directory, open the store, start clock and engine, then listen. Down (SIGTERM): readiness says no, waits end
// empty, streams end, what is decided is flushed, connections close, the store closes, the lock goes. Nothing here decides
// anything about queues.

import { mkdirSync } from "node:fs";
import { after, type DurationMs, milliseconds } from "./base/brands.js";
import { type Clock, createSystemClock, sleep, wallMs } from "./base/clock.js";
import { type DirectoryLock, lockDirectory } from "./base/directory-lock.js";
import { createIds, type Ids, systemRandom } from "./base/ids.js";
import type { Log } from "./base/log.js";
import { version } from "./base/version.js";
import { type Address, addressText } from "./config/address.js";
import type { Config } from "./config/settings.js";
import { createDataListener } from "./edge/data-listener.js";
import type { Readiness } from "./edge/health.js";
import { createManagementListener } from "./edge/management-listener.js";
import { createMetrics } from "./edge/metrics.js";
import { noopHandlers, noopServiceDefinition } from "./edge/noop-service.js";
import { Engine } from "./engine/engine.js";
import { translateFault } from "./rpc/wire-errors.js";
import { StoreWatch } from "./server/store-watch.js";
import { servedDefinitions, Term } from "./server/term.js";
import { openStore } from "./store/environment.js";
import type { Store } from "./store/store.js";

export interface RunningServer {
  readonly dataAddress: Address;
  readonly managementAddress: Address;
  /** Drains and closes everything; resolves when the store is closed. A second call waits for the first. */
  stop(): Promise<void>;
  /** Ends the draining now: calls under way are cut off, what is decided is flushed, the store is closed. */
  hurry(): void;
}

/** What a test may put in the place of the real thing. */
export interface ServerParts {
  readonly clock?: (notBefore: ReturnType<typeof Engine.lastInstant>) => Clock;
  readonly ids?: Ids;
  /** Called when the store failed or an invariant broke; the process must end. */
  readonly failed: (error: Error) => void;
}

export async function startServer(
  config: Config,
  log: Log,
  parts: ServerParts,
): Promise<RunningServer> {
  mkdirSync(config.dataDir, { recursive: true });
  // The lock comes before the store, and the store knows the last instant handed out: the lock measures time by the wall.
  const lock = await lockDirectory(config.dataDir, createSystemClock());
  try {
    const store = openStore({
      directory: config.dataDir,
      mapSizeBytes: config.mapSizeBytes,
      freshSecret: freshSecret(),
    });
    try {
      return await startOver(store, lock, config, log, parts);
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function startOver(
  store: Store,
  lock: DirectoryLock,
  config: Config,
  log: Log,
  parts: ServerParts,
): Promise<RunningServer> {
  const lastInstant = Engine.lastInstant(store);
  // One later than the last, so that numbers made of the time are never made twice.
  const clock =
    parts.clock?.(lastInstant) ?? createSystemClock(after(lastInstant, milliseconds(1)));
  const metrics = createMetrics(version);
  const watch = new StoreWatch(store);
  const term = await Term.prepare({
    store,
    secret: store.secret,
    clock,
    ids: parts.ids ?? createIds(systemRandom),
    config,
    metrics,
    log,
    failed: parts.failed,
  });
  const { engine, handlers } = term;
  let isLeaving = false;
  const data = createDataListener({
    clock,
    wallMs,
    log,
    metrics,
    translateError: translateFault,
    hasReflection: config.reflection,
    managementAddress: () => managementAddress,
  });
  const [queueService, scheduleService] = servedDefinitions;
  data.add(queueService, handlers.queues);
  data.add(scheduleService, handlers.schedules);
  if (config.noopService) data.add(noopServiceDefinition, noopHandlers);
  const management = createManagementListener({
    clock,
    wallMs,
    log,
    metrics,
    services: servedDefinitions.map(({ fullName }) => fullName),
    dataAddress: () => dataAddress,
    readiness: () => readinessOf(engine, isLeaving),
  });
  metrics.observe({
    queues: () => watch.counts,
    store: () => ({
      ...watch.state(),
      commandsWaiting: engine.pendingCount,
      uncommittedBytes: engine.pendingBytes,
    }),
    waiters: () => ({ receive: engine.waiterCount }),
    moves: () => term.movesRunning,
  });
  const managementAddress = await management.listen(config.managementListen);
  const dataAddress: Address = await data.listen(config.listen).catch(async (error: unknown) => {
    await management.close(0);
    throw error;
  });
  term.begin();
  watch.start({ clock, lock, engine, log, failed: parts.failed });
  log.info(
    {
      version,
      dataDir: config.dataDir,
      listen: addressText(dataAddress),
      managementListen: addressText(managementAddress),
    },
    "serving",
  );

  let stopped: Promise<void> | undefined;
  const hurried = signalOf();
  const stop = async (): Promise<void> => {
    log.info({ drainGraceMs: config.drainGraceMs }, "draining");
    // Balancers look elsewhere first; callers are served on meanwhile.
    isLeaving = true;
    management.readinessChanged();
    if (config.drainGraceMs > 0)
      await Promise.race([sleep(clock, config.drainGraceMs), hurried.promise]);
    await term.stop(() => data.drain(config.drainTimeoutMs as DurationMs));
    // The last to go, so that whoever asks is told until the end.
    await management.close(0);
    await watch.stop();
    metrics.close();
    await store.close();
    await lock.release();
    log.info({}, "stopped");
  };
  return {
    dataAddress,
    managementAddress,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
    hurry: () => {
      hurried.resolve();
      data.drain(0).catch((error: unknown) => log.error({ err: error }, "closing failed"));
    },
  };
}

function readinessOf(engine: Engine, isLeaving: boolean): Readiness {
  return {
    isReady: !isLeaving,
    checks: [
      {
        name: "serving",
        isPassed: !isLeaving,
        ...(isLeaving && { detail: "draining" }),
      },
      // Receives and deletes go on with the storage full, so the node stays in service.
      {
        name: "storage",
        isPassed: !engine.isStorageFull,
        ...(engine.isStorageFull && { detail: "full: sends are refused" }),
      },
    ],
  };
}

/** Made for every start, kept by the first. */
function freshSecret(): Buffer {
  const secret = Buffer.alloc(32);
  systemRandom.fill(secret);
  return secret;
}

/** A promise resolved from outside. */
function signalOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve() };
}
