// What a client was promised by a program that may have died since, and whether the store that is left keeps it: what was
// acknowledged holds, what was never asked for is not there, and of what was under way either may be.

import { expect } from "vitest";
import type { Receipt } from "../../src/queue/receipt.js";
import type { EngineClient } from "./engine-client.js";

export class PromisesKept {
  readonly #asked = new Set<string>();
  readonly #sent = new Set<string>();
  /** Deletes asked for and not answered: the message may be there or not. */
  readonly #maybeDeleted = new Set<string>();
  readonly #deleted = new Set<string>();
  readonly #leased: { readonly name: string; readonly receipt: Receipt }[] = [];
  #next = 0;
  refusals = 0;

  get sentCount(): number {
    return this.#sent.size;
  }
  get deletedCount(): number {
    return this.#deleted.size;
  }

  /** Sends one message; says whether it was acknowledged. */
  async send(client: EngineClient, sizeBytes: number): Promise<boolean> {
    const name = `m${this.#next}`;
    this.#next += 1;
    this.#asked.add(name);
    const reply = await client.ask({ call: "send", name, sizeBytes });
    if (reply?.kind === "refused") {
      this.refusals += 1;
      // Refused is a promise too: nothing of it was stored.
      this.#asked.delete(name);
    }
    if (reply?.kind === "sent") this.#sent.add(name);
    return reply?.kind === "sent";
  }

  /** Leases up to `countMax` messages; undefined when it was refused or not answered. */
  async receive(client: EngineClient, countMax = 10): Promise<number | undefined> {
    const reply = await client.ask({ call: "receive", countMax, visibilityTimeoutMs: 3_600_000 });
    if (reply?.kind !== "received") return undefined;
    this.#leased.push(...reply.messages);
    for (const { name } of reply.messages) {
      if (this.#deleted.has(name)) throw new Error(`${name} was deleted, and was received again.`);
    }
    return reply.messages.length;
  }

  /** Deletes some of what was received; says whether it was acknowledged, undefined when there was nothing. */
  async delete(client: EngineClient, countMax = 10): Promise<boolean | undefined> {
    const given = this.#leased.splice(0, countMax);
    if (given.length === 0) return undefined;
    for (const { name } of given) this.#maybeDeleted.add(name);
    const reply = await client.ask({
      call: "delete",
      receipts: given.map(({ receipt }) => receipt),
    });
    if (reply?.kind === "deleted") for (const { name } of given) this.#deleted.add(name);
    if (reply?.kind === "refused") {
      this.refusals += 1;
      for (const { name } of given) this.#maybeDeleted.delete(name);
      this.#leased.push(...given);
    }
    return reply === undefined ? undefined : reply.kind === "deleted";
  }

  /** Compares with the names of all messages that are stored. */
  expectKept(stored: readonly string[]): void {
    const there = new Set(stored);
    expect(there.size).toBe(stored.length);
    const lost = [...this.#sent].filter(
      (name) => !there.has(name) && !this.#maybeDeleted.has(name),
    );
    const undone = [...this.#deleted].filter((name) => there.has(name));
    const invented = stored.filter((name) => !this.#asked.has(name) && !this.#sent.has(name));
    expect({ lost, undone, invented }).toEqual({ lost: [], undone: [], invented: [] });
  }

  /** Leases that a killed program granted go on; the next one finds the messages again all the same. */
  forgetLeases(): void {
    this.#leased.length = 0;
  }
}
