// The composition root: builds everything by hand, in order, and stops it in reverse.
//
// Up: lock the directory, open the store, start clock and node, then listen. Down (SIGTERM): readiness says no, another node
// takes over if there is one, waits end empty, streams end, what is decided is flushed, connections close, the store closes,
// the lock goes. Nothing here decides anything about queues.

import { mkdirSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { after, type DurationMs, milliseconds } from "./base/brands.js";
import { type Clock, createSystemClock, sleep, wallMs } from "./base/clock.js";
import { type DirectoryLock, lockDirectory } from "./base/directory-lock.js";
import { createIds, type Ids, systemRandom } from "./base/ids.js";
import type { Log } from "./base/log.js";
import { version } from "./base/version.js";
import { type Address, addressText } from "./config/address.js";
import type { Config } from "./config/settings.js";
import { ownListenersOf } from "./delivery/target-gate.js";
import { createDataListener } from "./edge/data-listener.js";
import type { Readiness } from "./edge/health.js";
import { createManagementListener } from "./edge/management-listener.js";
import { createMetrics } from "./edge/metrics.js";
import { noopHandlers, noopServiceDefinition } from "./edge/noop-service.js";
import { Engine } from "./engine/engine.js";
import { translateFault } from "./rpc/wire-errors.js";
import { ClusteredNode } from "./server/clustered-node.js";
import { LoneNode } from "./server/lone-node.js";
import { PageListener } from "./server/page-listener.js";
import { pushRulesOf } from "./server/push-service.js";
import type { ServedNode } from "./server/served-node.js";
import { StoreWatch } from "./server/store-watch.js";
import { servedDefinitions } from "./server/term.js";
import { openStore } from "./store/environment.js";
import { openReplicaStore, type ReplicaStore } from "./store/replica-store.js";
import type { Store } from "./store/store.js";

export interface RunningServer {
  readonly dataAddress: Address;
  readonly managementAddress: Address;
  /** Undefined: there are no pages. */
  readonly pageAddress: Address | undefined;
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
    const opened = open(config);
    try {
      return await startOver(opened, lock, config, log, parts);
    } catch (error) {
      await opened.store.close();
      throw error;
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The store of a node alone, or that of a member of a cluster, with its log. */
type OpenedStore = { readonly store: Store } | ReplicaStore;

function open({ clusterName, dataDir, mapSizeBytes }: Config): OpenedStore {
  const options = { directory: dataDir, mapSizeBytes, freshSecret: freshSecret() };
  return clusterName === "" ? { store: openStore(options) } : openReplicaStore(options);
}

async function startOver(
  opened: OpenedStore,
  lock: DirectoryLock,
  config: Config,
  log: Log,
  parts: ServerParts,
): Promise<RunningServer> {
  const { store } = opened;
  const lastInstant = Engine.lastInstant(store);
  const metrics = createMetrics(version);
  const pushRules = pushRulesOf(config);
  const common = {
    config,
    metrics,
    pushRules,
    log,
    ids: parts.ids ?? createIds(systemRandom),
    failed: parts.failed,
  };
  // One later than the last, so that numbers made of the time are never made twice. In a cluster every term has a clock of its own.
  const clock =
    ("disk" in opened ? undefined : parts.clock?.(lastInstant)) ??
    createSystemClock(after(lastInstant, milliseconds(1)));
  const node: ServedNode =
    "disk" in opened
      ? new ClusteredNode({ ...common, replica: opened, clock, termClock: parts.clock })
      : await LoneNode.prepare({ ...common, store, secret: store.secret, clock });
  const watch = new StoreWatch(store);
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
  node.serveOn(data);
  const drain = async (graceMs: number): Promise<void> => {
    await Promise.all([data.drain(graceMs), node.drain(graceMs)]);
  };
  if (config.noopService) data.add(noopServiceDefinition, noopHandlers);
  const management = createManagementListener({
    clock,
    wallMs,
    log,
    metrics,
    services: servedDefinitions.map(({ fullName }) => fullName),
    dataAddress: () => dataAddress,
    readiness: () => readinessOf(node.readiness(), isLeaving),
    ...(node.cluster && { cluster: node.cluster }),
  });
  metrics.observe({
    queues: () => watch.counts,
    topics: () => watch.topicCounts,
    caches: () => watch.cacheCounts,
    store: () => ({
      ...watch.state(),
      commandsWaiting: node.engine?.pendingCount ?? 0,
      uncommittedBytes: node.engine?.pendingBytes ?? 0,
    }),
    waiters: () => ({ receive: node.engine?.waiterCount ?? 0 }),
    moves: () => node.movesRunning,
  });
  const managementAddress = await management.listen(config.managementListen);
  const dataAddress: Address = await data.listen(config.listen).catch(async (error: unknown) => {
    await management.close(0);
    throw error;
  });
  const pages =
    config.publicBaseUrl === ""
      ? undefined
      : new PageListener({
          listen: config.publicListen,
          answer: (request) => node.answerPage(request),
          log,
        });
  const pageAddress = await pages?.listen().catch(async (error: unknown) => {
    await node.stop(() => drain(0));
    await management.close(0);
    throw error;
  });
  pushRules.ownListeners = ownListenersOf(
    [dataAddress, managementAddress, ...(pageAddress === undefined ? [] : [pageAddress])].map(
      ({ host, port }) => ({ address: host, port }),
    ),
    networkInterfaces(),
  );
  await node.begin({ data: dataAddress, management: managementAddress }).catch(async (error) => {
    await pages?.close();
    await node.stop(() => drain(0));
    await management.close(0);
    throw error;
  });
  watch.start({ clock, lock, engine: () => node.engine, log, failed: parts.failed });
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
    await Promise.race([node.leave(), hurried.promise]);
    if (config.drainGraceMs > 0)
      await Promise.race([sleep(clock, config.drainGraceMs), hurried.promise]);
    await node.stop(() => drain(config.drainTimeoutMs as DurationMs));
    await pages?.close();
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
    pageAddress,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
    hurry: () => {
      hurried.resolve();
      drain(0).catch((error: unknown) => log.error({ err: error }, "closing failed"));
    },
  };
}

function readinessOf({ isReady, checks }: Readiness, isLeaving: boolean): Readiness {
  const serving = {
    name: "serving",
    isPassed: !isLeaving,
    ...(isLeaving && { detail: "draining" }),
  };
  return { isReady: isReady && !isLeaving, checks: [serving, ...checks] };
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
