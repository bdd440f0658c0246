// The terms of a node of a cluster: one is built each time it is elected, over the state that it has then, and abandoned the
// moment it leads no more. In between everybody is served elsewhere, by way of this node if they like.

import { after, type EpochMs, milliseconds } from "../base/brands.js";
import { type Clock, createSystemClock } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import { LeadershipLost } from "../base/leadership-lost.js";
import type { Log } from "../base/log.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Config } from "../config/settings.js";
import type { ClusterMetrics } from "../edge/cluster-metrics.js";
import type { Metrics } from "../edge/metrics.js";
import { Engine } from "../engine/engine.js";
import type { Leadership, ReplicationMember, Role } from "../replication/ports.js";
import { defaultMemberSettings } from "../replication/settings.js";
import { type Zones, zonesNotReached } from "../rpc/cache-handler-context.js";
import { leadershipLost } from "../rpc/leader-faults.js";
import type { Configuration } from "../store/replica-disk.js";
import type { ReplicaStore } from "../store/replica-store.js";
import { settleGroupSecret } from "./group-secret.js";
import { LeaderLog } from "./leader-log.js";
import { createPageHandlers } from "./page-handlers.js";
import type { PushRules } from "./push-service.js";
import { type LeaderRecords, LeaderTenure } from "./tenure.js";
import { Term } from "./term.js";

export interface LeadershipTermsParts {
  readonly replica: ReplicaStore;
  readonly member: () => Pick<ReplicationMember, "leadership" | "status">;
  readonly configuration: () => Configuration;
  readonly ids: Ids;
  readonly config: Config;
  readonly metrics: Metrics;
  readonly pushRules: PushRules;
  readonly clusterMetrics: ClusterMetrics;
  readonly log: Log;
  /** Where this node takes calls, as others are told. */
  readonly endpoint: string;
  readonly clock: ((notBefore: EpochMs) => Clock) | undefined;
  readonly failed: (error: Error) => void;
}

export class LeadershipTerms {
  readonly #parts: LeadershipTermsParts;
  /** Grows with every change of roles, so that what is prepared for an earlier one is thrown away. */
  #turn = 0;
  #current: { readonly term: Term; readonly tenure: LeaderTenure } | undefined;
  #isClosedToNew = false;
  /** Everything abandoned has ended; never fails. */
  #ending: Promise<void> = Promise.resolve();

  constructor(parts: LeadershipTermsParts) {
    this.#parts = parts;
  }

  /** While this node leads, has a term, and takes calls. */
  get tenure(): LeaderTenure | undefined {
    return this.#isClosedToNew ? undefined : this.#current?.tenure;
  }

  get term(): Term | undefined {
    return this.#current?.term;
  }

  roleChanged(role: Role): void {
    this.#turn += 1;
    this.#end();
    if (role.kind === "leader") {
      this.#begin(this.#turn).catch((error: unknown) => {
        // Another role has come, and with it another turn; a row that cannot be read has ended this one.
        if (error instanceof LeadershipLost || error instanceof RecordCorrupt) return;
        this.#parts.failed(error instanceof Error ? error : new Error(String(error)));
      });
    }
  }

  /** Takes no more calls, or takes them again; those under way go on. */
  closeToNew(isClosed: boolean): void {
    this.#isClosedToNew = isClosed;
  }

  /** Ends the term in order if there is one, as when a node alone stops. */
  async stop(callsEnd: () => Promise<void>): Promise<void> {
    this.#turn += 1;
    const current = this.#current;
    if (current === undefined) await callsEnd();
    else {
      await current.term.stop(callsEnd);
      this.#current = undefined;
    }
    await this.#ending;
  }

  async #begin(turn: number): Promise<void> {
    const { replica, member, metrics, config, ids, log, failed, endpoint } = this.#parts;
    const leadership = member().leadership();
    if (leadership === undefined) return;
    const clock = this.#clockAfterState();
    const secret = await settleGroupSecret(replica.store, leadership, clock.now());
    if (turn !== this.#turn) return;
    const beginsAt = { epoch: leadership.epoch, seq: member().status().commitSeq };
    const term = await Term.prepare({
      store: replica.store,
      zones: (engine) => zonesOf(recordsOf(engine, leadership, this.#parts.configuration), clock),
      commitLog: new LeaderLog({
        leadership,
        clock,
        recordBytesMax: defaultMemberSettings.recordBytesMax,
        beginsAt,
        committed: (elapsedMs) => this.#parts.clusterMetrics.committed(elapsedMs),
      }),
      secret,
      clock,
      ids,
      config,
      metrics,
      pushRules: this.#parts.pushRules,
      log,
      failed,
    });
    if (turn !== this.#turn) {
      this.#abandon(term);
      return;
    }
    const records = recordsOf(term.engine, leadership, this.#parts.configuration);
    const handlers = { ...term.handlers, pages: createPageHandlers(term.pushes) };
    this.#current = { term, tenure: new LeaderTenure(handlers, records, endpoint) };
    term.begin();
    log.info({ epoch: leadership.epoch, seq: beginsAt.seq }, "leading");
  }

  /** Later than any instant of the state: two leaders never make the same ones. */
  #clockAfterState(): Clock {
    const { store, disk } = this.#parts.replica;
    const stateTime = Math.max(Engine.lastInstant(store), disk.load()?.leaderTime ?? 0) as EpochMs;
    return this.#parts.clock?.(stateTime) ?? createSystemClock(after(stateTime, milliseconds(1)));
  }

  #end(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    // Whoever waits hears from the edge first: it knows how to say who leads now.
    current.tenure.end(leadershipLost());
    this.#abandon(current.term);
    this.#parts.log.info({}, "not leading any more");
  }

  #abandon(term: Term): void {
    const ended = term.abandon().catch(this.#parts.failed);
    this.#ending = this.#ending.then(() => ended);
  }
}

/** Each voter is a zone of its own. */
const zonesOf = (records: LeaderRecords, clock: Clock): Zones => ({
  get count() {
    return records.voters().all;
  },
  durableIn: (count) =>
    new Promise((resolve, reject) => {
      const late = clock.setTimer(zonesMsMax, () => reject(zonesNotReached(count)));
      records
        .durableOn(records.position().seq, count)
        .then(resolve, reject)
        .finally(() => late.cancel());
    }),
});

/** A call does not wait longer for its zones; what comes behind it in a pipeline waits for it. */
const zonesMsMax = 5_000;

function recordsOf(
  engine: Engine,
  leadership: Leadership,
  configuration: () => Configuration,
): LeaderRecords {
  const position = () => engine.position ?? { epoch: leadership.epoch, seq: 0 };
  return {
    position,
    durableCount: (seq) =>
      leadership.durableCount(seq as Parameters<typeof leadership.durableCount>[0]),
    durableOn: (seq, count) =>
      new Promise((resolve, reject) => {
        leadership.whenDurable(
          seq as Parameters<typeof leadership.whenDurable>[0],
          count,
          (isDurable) => (isDurable ? resolve() : reject(leadershipLost())),
        );
      }),
    voters: () => {
      const all = configuration().members.filter(({ isVoter }) => isVoter).length;
      return { majority: Math.floor(all / 2) + 1, all };
    },
  };
}
