// Sends what waits for webhooks and functions while this node decides: finds subscriptions that have something to deliver, gives each
// a worker, and asks endpoints for their consent. What it sends is leased, so when it ends, in whatever way, the next leader goes on
// where it was, and a message that was under way is sent again.

import type { EpochMs } from "../base/brands.js";
import { type Clock, repeat, type Timer } from "../base/clock.js";
import type { Engine } from "../engine/engine.js";
import type { Topic } from "../topic/model.js";
import {
  decideLeaseConfirmations,
  decideSettleConfirmation,
  type LeasedConfirmation,
} from "../topic/push-confirmations.js";
import { decideFindPushes, type PushCursor } from "../topic/push-find.js";
import type { PushTarget } from "./push-requests.js";
import { PushRoom } from "./push-room.js";
import type { PushSender } from "./push-sender.js";
import { PushWorker, type PushWorkerParts } from "./push-worker.js";

type TopicNames = Pick<Topic, "namespace" | "name">;

/** Until the next try when the engine had no room. */
const retryMs = 200;
const faultRetryMs = 10_000;
const forgetMs = 60_000;

export interface DispatcherParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  readonly sender: PushSender;
  /** Ends connections and what is sent over them. */
  readonly closeClients: () => void;
  readonly destinationOf: (target: PushTarget) => string | undefined;
  /** A topic may have messages that nobody needs any more. */
  readonly moved: (topic: TopicNames) => void;
  /** A target did nothing but fail for so long that its subscription was disabled. */
  readonly disabled: (target: PushTarget) => void;
  /** Has envelopes signed that go to dead-letter queues. */
  readonly sign: PushWorkerParts["sign"];
  /** A bug or a corrupt row; it is tried again later. */
  readonly failed: (error: unknown) => void;
}

/** Where subscriptions are looked for: in a topic, or everywhere. */
interface Search {
  readonly topic: TopicNames | undefined;
  readonly after: PushCursor | undefined;
}

const keyOf = ({ topic }: Search): string =>
  topic === undefined ? "" : `${topic.namespace}/${topic.name}`;

export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #room = new PushRoom();
  readonly #workers = new Map<string, PushWorker>();
  readonly #searches = new Map<string, Search>();
  #isSearching = false;
  #isAsking = false;
  #isAskedAgain = false;
  #askTimer: Timer | undefined;
  #askAt: EpochMs | undefined;
  #forgetTimer: Timer | undefined;
  readonly #pauses = new Set<{ readonly timer: Timer; readonly end: () => void }>();
  #isStopped = false;
  /** What is under way; each never fails. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Goes on with what was to be sent when another decided. */
  start(): void {
    const { clock } = this.#parts;
    this.#forgetTimer = repeat(clock, forgetMs, () => this.#room.forget(clock.now()));
    this.#search({ topic: undefined, after: undefined });
    this.ask();
  }

  /** A topic has something to deliver, or may have. */
  begin({ namespace, name }: TopicNames): void {
    this.#search({ topic: { namespace, name }, after: undefined });
  }

  /** An endpoint is to be asked for its consent. */
  ask(): void {
    if (this.#isStopped) return;
    if (this.#isAsking) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isAsking = true;
    this.#run(
      this.#askOnce().finally(() => {
        this.#isAsking = false;
        if (this.#isAskedAgain) {
          this.#isAskedAgain = false;
          this.ask();
        }
      }),
    );
  }

  /** Messages being sent. */
  get inFlight(): number {
    return this.#room.messages;
  }

  /** Resolves when nothing of it is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#askTimer?.cancel();
    this.#forgetTimer?.cancel();
    for (const { timer, end } of this.#pauses) {
      timer.cancel();
      end();
    }
    this.#parts.closeClients();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    while (this.#underWay.size > 0) await Promise.all([...this.#underWay]);
  }

  #run(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => this.#parts.failed(error))
      .finally(() => this.#underWay.delete(guarded));
    this.#underWay.add(guarded);
  }

  // ---- who has something to deliver --------------------------------------------------------------------------------------

  #search(search: Search): void {
    if (this.#isStopped) return;
    this.#searches.set(keyOf(search), search);
    if (this.#isSearching) return;
    this.#isSearching = true;
    this.#run(
      this.#searchAll().finally(() => {
        this.#isSearching = false;
      }),
    );
  }

  async #searchAll(): Promise<void> {
    for (;;) {
      const [search] = this.#searches.values();
      if (search === undefined || this.#isStopped) return;
      this.#searches.delete(keyOf(search));
      const next = await this.#searchOnce(search);
      // Unless somebody asked for it meanwhile, from the start.
      if (next !== undefined && !this.#searches.has(keyOf(next))) {
        this.#searches.set(keyOf(next), next);
      }
    }
  }

  /** What is left to look at. */
  async #searchOnce(search: Search): Promise<Search | undefined> {
    try {
      const decision = await this.#parts.engine.executeIfIdle({
        name: "FindPushes",
        bytes: 0,
        isGrowing: false,
        decide: (transaction) => decideFindPushes(transaction, search),
      });
      if (decision?.kind !== "accepted") {
        await this.#pause(retryMs);
        return search;
      }
      const { found, next } = decision.outcome;
      for (const { id, readyCount, nextDueAt } of found) {
        this.#workerOf(id).wake(readyCount, nextDueAt);
      }
      return next && { topic: search.topic, after: next };
    } catch (error) {
      this.#parts.failed(error);
      await this.#pause(faultRetryMs);
      return search;
    }
  }

  #workerOf(id: Buffer): PushWorker {
    const key = id.toString("latin1");
    const known = this.#workers.get(key);
    if (known !== undefined) return known;
    const { engine, clock, sender, destinationOf, moved, disabled, sign, failed } = this.#parts;
    const worker = new PushWorker(Buffer.from(id), {
      engine,
      clock,
      room: this.#room,
      sender,
      destinationOf,
      moved: ({ topic }) => moved(topic),
      disabled,
      sign,
      idle: (idle) => {
        if (this.#workers.get(key) === idle) this.#workers.delete(key);
      },
      failed,
    });
    this.#workers.set(key, worker);
    return worker;
  }

  // ---- consent -----------------------------------------------------------------------------------------------------------

  async #askOnce(): Promise<void> {
    const decision = await this.#parts.engine.executeIfIdle({
      name: "LeaseConfirmations",
      bytes: 0,
      isGrowing: false,
      decide: decideLeaseConfirmations,
    });
    if (decision?.kind !== "accepted") {
      this.#askLater((this.#parts.clock.now() + retryMs) as EpochMs);
      return;
    }
    const { leased, nextAt } = decision.outcome;
    for (const each of leased) this.#run(this.#send(each));
    if (nextAt !== undefined) this.#askLater(nextAt);
  }

  async #send(leased: LeasedConfirmation): Promise<void> {
    const result = await this.#parts.sender.ask(leased);
    if (result === undefined) return;
    const { topic, subscription, until } = leased;
    const command = { topic, id: subscription.id, until, result };
    const decision = await this.#parts.engine.executeIfIdle({
      name: "SettleConfirmation",
      bytes: 0,
      isGrowing: false,
      decide: (transaction, stamp) => decideSettleConfirmation(transaction, command, stamp),
    });
    if (decision?.kind !== "accepted") return;
    if (decision.outcome.nextAt !== undefined) this.#askLater(decision.outcome.nextAt);
  }

  #askLater(at: EpochMs): void {
    const { clock } = this.#parts;
    if (this.#isStopped || (this.#askAt !== undefined && this.#askAt <= at)) return;
    this.#askTimer?.cancel();
    this.#askAt = at;
    this.#askTimer = clock.setTimer(Math.max(0, at - clock.now()), () => {
      this.#askAt = undefined;
      this.ask();
    });
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const pause = {
        timer: this.#parts.clock.setTimer(delayMs, () => {
          this.#pauses.delete(pause);
          resolve();
        }),
        end: resolve,
      };
      this.#pauses.add(pause);
    });
  }
}
