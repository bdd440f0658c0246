// The ways between nodes, one in each direction. Each loses, repeats, delays and reorders as it is told, or is cut. What is on
// its way to a process that died is lost with it; bytes on one way count against its window.

import { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { EventQueue } from "./event-queue.js";
import type { Prng } from "./prng.js";

export interface NetworkHabits {
  delayMsMean: number;
  loss: number;
  repetition: number;
  /** False: as one stream, in order, where a loss breaks the connection and what was on it. */
  readonly reorders: boolean;
  /** Messages are encoded and decoded on their way, as on a real one: slower, and finds what aliasing hides. */
  readonly encodes: boolean;
  /** Bytes on one way beyond which it is not ready. */
  readonly windowBytes: number;
}

interface Way {
  isCut: boolean;
  /** Whether the sender's side notices a cut. */
  isNoticed: boolean;
  bytes: number;
  lastArrivalMs: number;
  /** Its sender was told to wait. */
  isAwaited: boolean;
  /** What was sent before this is lost. */
  generation: number;
}

/** Told when a way has room again, or came up. Nodes are named by where they run, not by who runs there. */
export type WayReady = (from: string, to: string) => void;

/** Of messages that come out of order, where any do. */
const strayChance = 0.1;

export class SimulatedNetwork {
  readonly habits: NetworkHabits;
  readonly #events: EventQueue;
  readonly #prng: Prng;
  readonly #ready: WayReady;
  readonly #ways = new Map<string, Way>();

  constructor(events: EventQueue, prng: Prng, habits: NetworkHabits, ready: WayReady) {
    this.#events = events;
    this.#prng = prng;
    this.habits = habits;
    this.#ready = ready;
  }

  send(
    from: string,
    to: string,
    message: PeerMessage,
    arrived: (message: PeerMessage) => void,
  ): void {
    const way = this.#way(from, to);
    const { habits } = this;
    if (way.isCut || this.#prng.chance(habits.loss)) {
      if (!habits.reorders) way.generation += 1;
      return;
    }
    const carried = habits.encodes ? PeerMessage.encode(message).finish() : undefined;
    const bytes = weightOf(message);
    const copies = habits.reorders && this.#prng.chance(habits.repetition) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const { generation } = way;
      way.bytes += bytes;
      this.#events.after(this.#delayMs(way), () => {
        way.bytes -= bytes;
        this.#tellReady(from, to, way);
        if (way.isCut || way.generation !== generation) return;
        arrived(carried === undefined ? message : PeerMessage.decode(carried));
      });
    }
  }

  isReady(from: string, to: string): boolean {
    const way = this.#way(from, to);
    const isReady = way.bytes < this.habits.windowBytes && !(way.isCut && way.isNoticed);
    if (!isReady) way.isAwaited = true;
    return isReady;
  }

  cut(from: string, to: string): void {
    const way = this.#way(from, to);
    way.isCut = true;
    way.isNoticed = this.#prng.chance(0.5);
    way.generation += 1;
  }

  mend(from: string, to: string): void {
    const way = this.#way(from, to);
    if (!way.isCut) return;
    way.isCut = false;
    this.#events.after(this.#prng.span(20), () => this.#ready(from, to));
  }

  mendAll(): void {
    for (const name of this.#ways.keys()) {
      const [from = "", to = ""] = name.split(">");
      this.mend(from, to);
    }
  }

  /** The process at one end died: what it had sent or was sent is lost where connections keep the order. */
  connectionsLost(name: string): void {
    if (this.habits.reorders) return;
    for (const [key, way] of this.#ways) {
      if (key.split(">").includes(name)) way.generation += 1;
    }
  }

  /** A process at one end is there again. */
  connectionsMade(name: string): void {
    for (const key of this.#ways.keys()) {
      const [from = "", to = ""] = key.split(">");
      if (from !== name && to !== name) continue;
      this.#events.after(this.#prng.span(20), () => this.#ready(from, to));
    }
  }

  #tellReady(from: string, to: string, way: Way): void {
    if (!way.isAwaited || way.bytes >= this.habits.windowBytes) return;
    way.isAwaited = false;
    this.#ready(from, to);
  }

  #delayMs(way: Way): number {
    const delayMs = 0.1 + this.#prng.span(this.habits.delayMsMean);
    if (this.habits.reorders && this.#prng.chance(strayChance)) return delayMs * 4;
    way.lastArrivalMs = Math.max(way.lastArrivalMs, this.#events.nowMs + delayMs);
    return way.lastArrivalMs - this.#events.nowMs;
  }

  #way(from: string, to: string): Way {
    const key = `${from}>${to}`;
    let way = this.#ways.get(key);
    if (way === undefined) {
      way = {
        isCut: false,
        isNoticed: false,
        bytes: 0,
        lastArrivalMs: 0,
        isAwaited: false,
        generation: 0,
      };
      this.#ways.set(key, way);
    }
    return way;
  }
}

/** About its bytes. */
function weightOf({ kind }: PeerMessage): number {
  switch (kind?.$case) {
    case "append":
    case "logSlice":
      return kind.value.entries.reduce((sum, { record }) => sum + record.length, 60);
    case "stateSlice":
      return kind.value.rows.reduce(
        (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
        60,
      );
    default:
      return 60;
  }
}
