// A node alone: one term from start to stop, over its own store.

import { createPages, type PageRequest, type PageResponse } from "../delivery/pages.js";
import type { Readiness } from "../edge/health.js";
import type { Listener } from "../edge/listener.js";
import { cacheDefinitions } from "../rpc/cache-services.js";
import type { ServedNode } from "./served-node.js";
import { servedDefinitions, Term, type TermParts } from "./term.js";

export class LoneNode implements ServedNode {
  readonly cluster = undefined;
  readonly #term: Term;
  readonly #pages: ReturnType<typeof createPages>;

  private constructor(term: Term) {
    this.#term = term;
    this.#pages = createPages(term.pushes);
  }

  static async prepare(parts: TermParts): Promise<LoneNode> {
    return new LoneNode(await Term.prepare(parts));
  }

  serveOn(data: Listener): void {
    const [queueService, scheduleService, topicService] = servedDefinitions;
    const { queues, schedules, topics, caches } = this.#term.handlers;
    data.add(queueService, queues);
    data.add(scheduleService, schedules);
    data.add(topicService, topics);
    data.add(cacheDefinitions.cache, caches.cache);
    data.add(cacheDefinitions.cacheAdmin, caches.cacheAdmin);
    data.add(cacheDefinitions.bitmap, caches.bitmap);
    data.add(cacheDefinitions.hyperLogLog, caches.hyperLogLog);
    data.add(cacheDefinitions.lease, caches.lease);
    data.add(cacheDefinitions.lock, caches.lock);
    data.add(cacheDefinitions.rateLimit, caches.rateLimit);
    data.add(cacheDefinitions.dictionary, caches.dictionary);
    data.add(cacheDefinitions.set, caches.set);
    data.add(cacheDefinitions.list, caches.list);
    data.add(cacheDefinitions.sortedSet, caches.sortedSet);
    data.add(cacheDefinitions.channel, caches.channel);
    data.add(cacheDefinitions.session, caches.session);
  }

  get engine(): Term["engine"] {
    return this.#term.engine;
  }

  answerPage(request: PageRequest): Promise<PageResponse> {
    return this.#pages(request);
  }

  get movesRunning(): number {
    return this.#term.movesRunning;
  }

  readiness(): Readiness {
    const isFull = this.#term.engine.isStorageFull;
    return {
      isReady: true,
      checks: [
        // Receives and deletes go on with the storage full, so the node stays in service.
        {
          name: "storage",
          isPassed: !isFull,
          ...(isFull && { detail: "full: sends are refused" }),
        },
      ],
    };
  }

  async begin(): Promise<void> {
    this.#term.begin();
  }

  /** Nobody passes anything on to it. */
  async drain(): Promise<void> {
    return;
  }

  /** Nobody can take over. */
  async leave(): Promise<void> {
    return;
  }

  async stop(callsEnd: () => Promise<void>): Promise<void> {
    await this.#term.stop(callsEnd);
  }
}
