// A round of the sweeper whose steps fail or have much to do: no kind of step keeps another from its turn, and the next
// round comes all the same.

import { expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.js";
import { Sweeper } from "../../src/engine/sweeper.js";
import { ManualClock } from "../support/manual-clock.js";

const kinds = [
  "SweepQueues",
  "SweepRequests",
  "SweepRemembered",
  "SweepAttempts",
  "SweepUndeliverable",
  "SweepDraining",
  "SweepItems",
  "SweepFences",
  "SweepCollections",
  "EvictItems",
  "Reap",
] as const;

/** A sweeper over an engine that answers every step of a kind in one way; what it was asked, in order. */
function sweeping(answer: (name: string) => object | undefined) {
  const asked: string[] = [];
  const failures: unknown[] = [];
  const clock = new ManualClock();
  const engine = {
    executeIfIdle: async ({ name }: { readonly name: string }) => {
      asked.push(name);
      await Promise.resolve();
      const outcome = answer(name);
      return outcome === undefined ? undefined : { kind: "accepted", outcome };
    },
  } as unknown as Engine;
  const sweeper = new Sweeper({
    engine,
    clock,
    drained: () => undefined,
    failed: (error) => failures.push(error),
  });
  sweeper.start();
  return { asked, failures, clock, sweeper };
}

/** One queue remembers something, and there is nothing to do. */
const queue = { namespace: "default", name: "a", table: "dedup", after: "" };
const answers: Readonly<Record<string, object>> = {
  SweepQueues: { hasMore: false, last: undefined, remembering: [queue] },
  SweepRequests: { hasMore: false },
  SweepRemembered: [{ lookedAt: 1, removed: 0, next: queue }],
  SweepAttempts: { hasMore: false },
  SweepUndeliverable: { hasMore: false },
  SweepDraining: { hasMore: false, last: undefined, ended: [] },
  SweepItems: { hasMore: false },
  SweepFences: { hasMore: false },
  SweepCollections: { hasMore: false },
  EvictItems: { hasMore: false },
  Reap: { hasMore: false },
};
const done = (name: string): object | undefined => answers[name];

for (const failing of kinds) {
  test(`a ${failing} that fails keeps the others neither from this round nor from the next`, async () => {
    const { asked, failures, clock, sweeper } = sweeping((name) => {
      if (name === failing) throw new Error("It cannot be read.");
      return done(name);
    });
    await clock.advance(2_000);
    // Without a walk over the queues nobody knows whose ids are remembered.
    const expected = kinds.filter(
      (kind) => failing !== "SweepQueues" || kind !== "SweepRemembered",
    );
    expect(asked).toEqual([...expected, ...expected]);
    expect(failures).toHaveLength(2);
    await sweeper.stop();
  });
}

test("a queue with much to settle takes turns with what else there is to do", async () => {
  let left = 3;
  const { asked, clock, sweeper } = sweeping((name) => {
    if (name !== "SweepQueues") return done(name);
    left -= 1;
    const last = left > 0 ? { namespace: "default", name: "a" } : undefined;
    return { hasMore: left > 0, last, remembering: [queue] };
  });
  await clock.advance(1_100);
  // The others have their turn after its first step, and none is asked again that said it was done.
  expect(asked).toEqual([...kinds, "SweepQueues", "SweepQueues"]);
  await sweeper.stop();
});

test("a step over remembered ids that fails is not what the next round begins with", async () => {
  const queues = Array.from({ length: 101 }, (_, at) => ({ ...queue, name: `q${at}` }));
  const firsts: string[] = [];
  const clock = new ManualClock();
  const sweeper = new Sweeper({
    engine: {
      executeIfIdle: async (command: SweepCommand) => {
        await Promise.resolve();
        if (command.name !== "SweepRemembered") {
          const outcome = { hasMore: false, last: undefined, remembering: queues, ended: [] };
          return { kind: "accepted", outcome };
        }
        return command.decide({
          findQueue: (_namespace: string, name: string) => {
            firsts.push(name);
            throw new Error("It cannot be read.");
          },
        });
      },
    } as unknown as Engine,
    clock,
    drained: () => undefined,
    failed: () => undefined,
  });
  sweeper.start();
  await clock.advance(3_000);
  // The second hundred begins with the last queue, the third with those met again.
  expect(firsts).toEqual(["q0", "q100", "q99"]);
  await sweeper.stop();
});

interface SweepCommand {
  readonly name: string;
  decide(transaction: object): unknown;
}
