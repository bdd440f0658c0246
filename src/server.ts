// The composition root: builds everything by hand, in order, and stops it in reverse.
//
// Up: lock the directory, open the store, start clock and engine, then listen. Down (SIGTERM): readiness says no, waits end
// empty, streams end, what is decided is flushed, connections close, the store closes, the lock goes. Nothing here decides
// anything about queues.

import { setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { after, type DurationMs, milliseconds, seconds } from "./base/brands.js";
import { type Clock, createSystemClock, sleep, wallMs } from "./base/clock.js";
import { type DirectoryLock, lockDirectory } from "./base/directory-lock.js";
import { createIds, type Ids, systemRandom } from "./base/ids.js";
import type { Log } from "./base/log.js";
import { version } from "./base/version.js";
import { type Address, addressText } from "./config/address.js";
import type { Config } from "./config/settings.js";
import { createDataListener } from "./edge/data-listener.js";
import type { Readiness } from "./edge/health.js";
import type { Listener } from "./edge/listener.js";
import { createManagementListener, type ManagementListener } from "./edge/management-listener.js";
import { createMetrics, type Metrics } from "./edge/metrics.js";
import { noopHandlers, noopServiceDefinition } from "./edge/noop-service.js";
import { Engine, type EngineObserver } from "./engine/engine.js";
import { Mover } from "./engine/mover.js";
import { Scheduler } from "./engine/scheduler.js";
import { Sweeper } from "./engine/sweeper.js";
import { QueueServiceDefinition } from "./gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "./gen/forebay/queue/v1/schedule_service.js";
import { ReceiptCodec } from "./queue/receipt.js";
import { MoveHandles } from "./rpc/move-handle.js";
import { PageTokens } from "./rpc/page-token.js";
import { createQueueHandlers } from "./rpc/queue-handlers.js";
import { createScheduleHandlers } from "./rpc/schedule-handlers.js";
import { translateFault } from "./rpc/wire-errors.js";
import { StoreWatch } from "./server/store-watch.js";
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
  const engine = await Engine.start({
    store,
    clock,
    ids: parts.ids ?? createIds(systemRandom),
    limits: {
      commandsPendingMax: config.commandsPendingMax,
      uncommittedBytesMax: config.uncommittedBytesMax,
      waitersMax: config.waitingReceivesMax,
      commitAgeMsMax: config.commitBacklogAgeMaxMs,
      storageReserveBytes: config.storageReserveBytes,
    },
    observer: observeEngine(metrics, log, parts.failed),
  });
  const sweeper = new Sweeper({
    engine,
    clock,
    failed: (error) => log.error({ err: error }, "sweep failed"),
  });
  const mover = new Mover({
    engine,
    clock,
    moved: (count) => metrics.messagesMoved(count),
    failed: (error) => log.error({ err: error }, "move task failed; it is tried again"),
  });
  const scheduler = new Scheduler({
    engine,
    clock,
    failed: (error) => log.error({ err: error }, "runs of schedules failed; they are tried again"),
  });
  let isLeaving = false;
  const draining = new AbortController();
  // Every open stream listens.
  setMaxListeners(0, draining.signal);
  const data = createDataListener({
    clock,
    wallMs,
    log,
    metrics,
    translateError: translateFault,
    hasReflection: config.reflection,
    managementAddress: () => managementAddress,
  });
  const pageTokens = new PageTokens(store.secret);
  const requestKeepMs = seconds(config.requestIdWindowSeconds);
  data.add(
    QueueServiceDefinition,
    createQueueHandlers({
      engine,
      clock,
      receipts: new ReceiptCodec(store.secret),
      pageTokens,
      moveHandles: new MoveHandles(store.secret),
      mover,
      isStrictTiming: config.sqsTiming === "strict",
      requestKeepMs,
      draining: draining.signal,
    }),
  );
  data.add(
    ScheduleServiceDefinition,
    createScheduleHandlers({ engine, pageTokens, requestKeepMs, scheduler }),
  );
  if (config.noopService) data.add(noopServiceDefinition, noopHandlers);
  const management = createManagementListener({
    clock,
    wallMs,
    log,
    metrics,
    services: [QueueServiceDefinition.fullName, ScheduleServiceDefinition.fullName],
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
    moves: () => mover.runningCount,
  });
  const managementAddress = await management.listen(config.managementListen);
  const dataAddress: Address = await data.listen(config.listen).catch(async (error: unknown) => {
    await management.close(0);
    throw error;
  });
  sweeper.start();
  mover.start();
  scheduler.start();
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
    draining.abort();
    await Promise.all([sweeper.stop(), mover.stop(), scheduler.stop()]);
    await closeInOrder(engine, data, management, config.drainTimeoutMs as DurationMs);
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

/** Calls under way finish against a working engine; then the engine flushes; the management listener goes last. */
async function closeInOrder(
  engine: Engine,
  data: Listener,
  management: ManagementListener,
  timeoutMs: DurationMs,
): Promise<void> {
  engine.refuseWaits();
  await data.drain(timeoutMs);
  await engine.stop();
  await management.close(0);
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

function observeEngine(metrics: Metrics, log: Log, failed: (error: Error) => void): EngineObserver {
  const told = new Set<string>();
  return {
    recordCommitted: (changeCount, _commandCount, elapsedMs) =>
      metrics.committed(elapsedMs, changeCount),
    storageChanged: (isFull, space) => {
      const fields = { availableBytes: space.availableBytes, fileBytes: space.fileBytes };
      if (isFull) log.error(fields, "storage full: sends are refused, receives and deletes go on");
      else log.info(fields, "storage has room again");
    },
    corruptRowPassed: (corrupt) => {
      if (told.size >= toldRowsMax || told.has(corrupt.key)) return;
      told.add(corrupt.key);
      log.error({ err: corrupt }, "stored value is corrupt and is not served; run `forebay check`");
    },
    failed,
  };
}

/** Corrupt rows that get a line of their own in the log. */
const toldRowsMax = 1_000;
