// A run of plain sends leaves what as many single sends leave: the same rows to the byte, on a queue of any settings and in any
// state. And what is not plain is not taken for it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { OpenQueue } from "../../src/queue/open-queue.js";
import { accept } from "../../src/queue/rejections.js";
import { letJoin } from "../../src/queue/scheduled-messages.js";
import { sendEntry } from "../../src/queue/send-message.js";
import { isPlain, sendPlain, takesPlain } from "../../src/queue/send-plain.js";
import { addressOf, entryOf, type Sent } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const settings = fc.record({
  delayMs: fc.constantFrom(0, 0, 0, 1_000),
  retentionMs: fc.constantFrom(60_000, 1_209_600_000),
  dedupWindowMs: fc.constantFrom(0, 300_000),
});

const plainSend: fc.Arbitrary<Sent> = fc.record({
  body: fc.string({ maxLength: 20 }),
  sizeBytes: fc.integer({ min: 1, max: 5_000 }),
});

const anySend: fc.Arbitrary<Sent> = fc.oneof(
  { weight: 3, arbitrary: plainSend },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        plainSend,
        fc.constantFrom<Partial<Sent>>(
          { delayMs: 0 },
          { delayMs: 500 },
          { priority: 3 },
          { priority: 0 },
          { groupId: "tenant" },
          { dedupId: "same" },
          { timeToLiveMs: 5_000 },
          { deliverAt: 1 },
          { deliverAt: 4_000_000_000_000 },
        ),
      )
      .map(([plain, more]) => ({ ...plain, ...more })),
  },
);

/** What came before: sends, and receives that leave leases and marks behind. */
const before = fc.array(
  fc.oneof(
    anySend.map((sent) => ({ kind: "send", sent }) as const),
    fc.constant({ kind: "receive" } as const),
    fc.constant({ kind: "wait" } as const),
  ),
  { maxLength: 8 },
);

interface Case {
  readonly settings: { delayMs: number; retentionMs: number; dedupWindowMs: number };
  readonly isFifo: boolean;
  readonly steps: readonly (
    | { readonly kind: "send"; readonly sent: Sent }
    | { readonly kind: "receive" | "wait" }
  )[];
  readonly run: readonly Sent[];
}

/** The rows afterwards, and whether the run was taken for plain. */
async function rowsAfter(each: Case, mayBePlain: boolean) {
  const harness = await EngineHarness.start();
  const name = each.isFifo ? "orders.fifo" : "orders";
  await harness.createQueue(name, { ...each.settings, isContentDeduplicated: true } as never);
  let wasPlain = false;
  const sendAll = (sent: readonly Sent[], isRun: boolean) =>
    harness.run(
      "Send",
      (transaction, stamp) => {
        const { namespace, name: queueName } = addressOf(name);
        const queue = transaction.findQueue(namespace, queueName);
        if (queue === undefined) throw new Error("the queue is gone");
        const open = new OpenQueue(transaction, queue, stamp);
        letJoin(open);
        const entries = sent.map(entryOf);
        const isRunPlain = takesPlain(queue) && entries.every((entry) => isPlain(entry, stamp.now));
        if (isRun) wasPlain = isRunPlain;
        if (isRun && isRunPlain && mayBePlain) sendPlain(open, entries);
        else for (const entry of entries) sendEntry(open, entry);
        open.close();
        return accept(undefined);
      },
      true,
    );
  for (const step of each.steps) {
    if (step.kind === "send") await sendAll([allowed(step.sent, each)], false);
    else if (step.kind === "receive") await harness.receive(name, { visibilityTimeoutMs: 1_000 });
    else await harness.clock.advance(700);
  }
  await sendAll(
    each.run.map((sent) => allowed(sent, each)),
    true,
  );
  await harness.check();
  const rows = [...harness.store.range("", "\xff\xff")].map(
    ({ key, bytes }) => `${Buffer.from(key, "latin1").toString("hex")} ${bytes.toString("hex")}`,
  );
  await harness.stop();
  return { rows, wasPlain };
}

/** What a queue of this type refuses is not sent to it. */
const allowed = (sent: Sent, { isFifo, settings: { dedupWindowMs } }: Case): Sent => {
  const { delayMs, priority, dedupId, ...rest } = sent;
  if (isFifo) return { ...rest, groupId: sent.groupId ?? "group" };
  return {
    ...rest,
    ...(delayMs !== undefined && { delayMs }),
    ...(priority !== undefined && { priority }),
    ...(dedupId !== undefined && dedupWindowMs > 0 && { dedupId }),
  };
};

test(
  "a run of plain sends leaves what single sends leave",
  async () => {
    let plainRuns = 0;
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.boolean(),
        before,
        fc.oneof(fc.array(plainSend, { minLength: 1, maxLength: 9 }), fc.array(anySend)),
        async (queueSettings, isFifo, steps, run) => {
          const each: Case = { settings: queueSettings, isFifo, steps, run };
          const single = await rowsAfter(each, false);
          const together = await rowsAfter(each, true);
          if (run.length > 0 && together.wasPlain) plainRuns += 1;
          expect(together.rows).toEqual(single.rows);
        },
      ),
      runs(300),
    );
    // A property that no run falls under would hold of anything.
    expect(plainRuns).toBeGreaterThan(10);
  },
  propertyTimeoutMs,
);
