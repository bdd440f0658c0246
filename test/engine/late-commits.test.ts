// The engine over a log that takes its time, as that of a group does: records are stored here long before they are committed,
// replies wait for the commit, rows are read from the overlay until they are applied, and leadership may end at any moment.

import { expect, test } from "vitest";
import { StorageFull } from "../../src/store/commit-fault.js";
import { EngineHarness } from "../support/engine-harness.js";
import { LateLog, turns } from "../support/late-log.js";
import { MemoryStore } from "../support/memory-store.js";

const notLeader = { kind: "not_leader" };
const unknown = { kind: "outcome_unknown" };

/** What has become of a promise by now. */
function watch(promise: Promise<unknown>): { now: string } {
  const watched = { now: "pending" };
  promise.then(
    () => {
      watched.now = "answered";
    },
    (error: { kind?: string; message: string }) => {
      watched.now = error.kind ?? error.message;
    },
  );
  return watched;
}

async function leading(options: { readonly recordBytesMax?: number } = {}) {
  const store = new MemoryStore();
  const log = new LateLog(store, options.recordBytesMax);
  const harness = await EngineHarness.start({ store, log });
  const created = harness.createQueue("orders");
  await log.finishAll();
  await created;
  return { store, log, harness };
}

/** Answers what needs the log while it runs everything through. */
async function through<Result>(log: LateLog, answer: Promise<Result>): Promise<Result> {
  await log.finishAll();
  return await answer;
}

test("the next record is formed once one is stored, and replies come in order with their commits", async () => {
  const { log, harness } = await leading();
  const first = watch(harness.send("orders", "1"));
  await turns();
  const second = watch(harness.send("orders", "2"));
  await turns();
  expect(log.states).toEqual(["taken"]);
  await log.store();
  expect(log.states).toEqual(["stored", "taken"]);
  await log.store();
  const third = watch(harness.send("orders", "3"));
  await turns();
  expect(log.states).toEqual(["stored", "stored", "taken"]);
  expect([first.now, second.now, third.now]).toEqual(["pending", "pending", "pending"]);
  await log.commit();
  expect([first.now, second.now, third.now]).toEqual(["answered", "pending", "pending"]);
  await log.commit();
  expect([second.now, third.now]).toEqual(["answered", "pending"]);
  await log.store();
  expect(third.now).toBe("pending");
  await log.commit();
  expect(third.now).toBe("answered");
  await log.finishAll();
  await through(log, harness.check());
});

test("what saw a record and changed nothing is answered when that record is committed, and not before", async () => {
  const { log, harness } = await leading();
  const sent = watch(harness.send("orders", "1"));
  await turns();
  await log.store();
  const report = harness.report("orders");
  const seen = watch(report);
  await turns();
  expect(log.states).toEqual(["stored"]);
  expect(seen.now).toBe("pending");
  await log.commit();
  expect([sent.now, seen.now]).toEqual(["answered", "answered"]);
  expect(await report).toMatchObject({ counters: { stored: 1 } });
  await log.apply();
});

test("rows that are committed and not applied are read from the overlay, at once and while later ones are decided", async () => {
  const { store, log, harness } = await leading();
  const sent = harness.send("orders", "1");
  await turns();
  await log.store();
  await log.commit();
  await sent;
  const rowsBefore = store.keys("\x00", "\x80", 100).length;
  // Nothing of it is in the store, and nobody waits for it any more.
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 1 } });
  const received = harness.receive("orders");
  await turns();
  expect(log.states).toEqual(["committed", "taken"]);
  await log.apply();
  expect(store.keys("\x00", "\x80", 100).length).toBeGreaterThan(rowsBefore);
  expect(await through(log, received)).toMatchObject({ messages: [{ body: "1" }] });
  await through(log, harness.check());
});

test("a row that each of several records writes again is complete in each of them", async () => {
  const { store, log, harness } = await leading();
  const sends: Promise<unknown>[] = [];
  for (const body of ["1", "2", "3", "4"]) {
    sends.push(harness.send("orders", body));
    await turns();
    await log.store();
  }
  expect(log.states).toEqual(["stored", "stored", "stored", "stored"]);
  // A crash between any two of them leaves a state without contradictions: here, the third never comes.
  for (let count = 0; count < 2; count += 1) {
    await log.commit();
    await log.apply();
  }
  const other = await EngineHarness.start({ store });
  expect(await other.report("orders")).toMatchObject({ counters: { stored: 2, sent: 2 } });
  await other.check();
  await log.finishAll();
  await Promise.all(sends);
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 4 } });
});

test("what no longer fits the record goes into one of its own, which waits for its turn", async () => {
  const { store, log, harness } = await leading({ recordBytesMax: 250 });
  const answers = ["1", "2", "3", "4", "5"].map((body) => watch(harness.send("orders", body)));
  await turns();
  // A command of these tests counts for 100 bytes.
  expect(log.states).toEqual(["taken"]);
  await log.store();
  expect(log.states).toEqual(["stored", "taken"]);
  await log.commit();
  expect(answers.map(({ now }) => now)).toEqual([
    "answered",
    "answered",
    "pending",
    "pending",
    "pending",
  ]);
  const report = harness.report("orders");
  const seen = watch(report);
  await log.store();
  await log.commit();
  expect(answers[3]?.now).toBe("answered");
  expect([answers[4]?.now, seen.now]).toEqual(["pending", "pending"]);
  await log.apply();
  await log.apply();
  // The record that waited is complete, although a later one had written its rows again before it was handed on.
  const other = await EngineHarness.start({ store });
  expect(await other.report("orders")).toMatchObject({ counters: { stored: 4 } });
  await other.check();
  await log.store();
  await log.commit();
  expect([answers[4]?.now, seen.now]).toEqual(["answered", "answered"]);
  expect(await report).toMatchObject({ counters: { stored: 5 } });
  await log.finishAll();
  await harness.check();
});

test("a command larger than a record has one of its own and is not split", async () => {
  const { log, harness } = await leading({ recordBytesMax: 10 });
  const sent = harness.send("orders", ...Array.from({ length: 10 }, (_, at) => String(at)));
  await turns();
  expect(log.states).toEqual(["taken"]);
  expect(await through(log, sent)).toMatchObject({ kind: "accepted" });
  await harness.check();
});

test("without a lease nothing is answered from the state alone, while what waits for a commit is", async () => {
  const { log, harness } = await leading();
  log.hasLease = false;
  await expect(harness.report("orders")).rejects.toMatchObject(notLeader);
  await expect(harness.report("nowhere")).rejects.toMatchObject(notLeader);
  await expect(harness.receive("orders")).rejects.toMatchObject(notLeader);
  const sent = harness.send("orders", "1");
  await turns();
  const seen = harness.report("orders");
  expect(await through(log, sent)).toMatchObject({ kind: "accepted" });
  expect(await seen).toMatchObject({ counters: { stored: 1 } });
  log.hasLease = true;
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 1 } });
});

test("a wait that ends with nothing is refused as well when the lease does not prove it", async () => {
  const { log, harness } = await leading();
  const waiting = watch(harness.receiveOrWait("orders", { waitMs: 5_000 }).received);
  await turns();
  log.hasLease = false;
  await harness.clock.advance(5_000);
  expect(waiting.now).toBe("not_leader");
});

test("who loses leadership does not know of what was handed on, and knows that nothing else was done", async () => {
  const { log, harness } = await leading();
  const applied = watch(harness.send("orders", "0"));
  await turns();
  await log.finishAll();
  const committed = watch(harness.send("orders", "1"));
  await turns();
  await log.store();
  await log.commit();
  const stored = watch(harness.send("orders", "2"));
  await turns();
  await log.store();
  const taken = watch(harness.send("orders", "3"));
  await turns();
  const seeing = watch(harness.report("orders"));
  const open = watch(harness.send("orders", "4"));
  const waiting = watch(harness.receiveOrWait("nowhere", { waitMs: 20_000 }).received);
  await turns();
  expect(log.states).toEqual(["committed", "stored", "taken"]);
  await log.loseLeadership();
  expect([applied.now, committed.now]).toEqual(["answered", "answered"]);
  expect([stored.now, taken.now]).toEqual(["outcome_unknown", "outcome_unknown"]);
  expect([seeing.now, open.now]).toEqual(["not_leader", "not_leader"]);
  expect(waiting.now).toBe("not_leader");
  expect(harness.engine.pendingCount).toBe(0);
  expect(harness.engine.pendingBytes).toBe(0);
  expect(harness.failures).toEqual([]);
  await harness.stop();
});

test("who waits when leadership is lost is refused at once, and so is everybody who comes later", async () => {
  const { log, harness } = await leading();
  const waits = Array.from({ length: 3 }, () =>
    watch(harness.receiveOrWait("orders", { waitMs: 20_000 }).received),
  );
  await turns();
  expect(harness.engine.waiterCount).toBe(3);
  // No record is under way that could tell of it: whoever built the engine does.
  harness.engine.abandon();
  await turns();
  expect(waits.map(({ now }) => now)).toEqual(["not_leader", "not_leader", "not_leader"]);
  expect(harness.engine.waiterCount).toBe(0);
  await expect(harness.send("orders", "late")).rejects.toMatchObject(notLeader);
  await expect(harness.report("orders")).rejects.toMatchObject(notLeader);
  await expect(harness.receive("orders")).rejects.toMatchObject(notLeader);
  const owed = harness.engine.execute({
    name: "Owed",
    bytes: 0,
    isGrowing: false,
    isOwed: true,
    decide: () => ({ kind: "accepted", outcome: 1 }),
  });
  await expect(owed).rejects.toMatchObject(notLeader);
  // Timers that were set before do nothing any more.
  await harness.clock.advance(60_000);
  expect(log.states).toEqual([]);
  await harness.stop();
});

test("a stop waits for the last record to be applied, and for no longer once leadership is lost", async () => {
  const { log, harness } = await leading();
  const sent = watch(harness.send("orders", "1"));
  await turns();
  const stopped = watch(harness.engine.stop());
  await log.store();
  await log.commit();
  expect([sent.now, stopped.now]).toEqual(["answered", "pending"]);
  await log.apply();
  expect(stopped.now).toBe("answered");

  const other = await leading();
  const lost = watch(other.harness.send("orders", "1"));
  await turns();
  const over = watch(other.harness.engine.stop());
  await other.log.store();
  expect(over.now).toBe("pending");
  await other.log.loseLeadership();
  expect([lost.now, over.now]).toEqual([unknown.kind, "answered"]);
});

test("a record without room is decided anew after the ones before it are applied, whose rows it may have written over", async () => {
  const { store, log, harness } = await leading();
  const first = watch(harness.send("orders", "1"));
  await turns();
  await log.store();
  const received = harness.receive("orders", { countMax: 1 });
  const dropped = watch(harness.send("orders", "2"));
  await turns();
  await log.refuse(new StorageFull("as the test asked for"));
  expect(dropped.now).toBe("pending");
  await log.commit();
  expect([first.now, dropped.now]).toEqual(["answered", "pending"]);
  await log.apply();
  expect(dropped.now).toBe("storage_full");
  expect(await through(log, received)).toMatchObject({ messages: [{ body: "1" }] });
  const other = await EngineHarness.start({ store });
  expect(await other.report("orders")).toMatchObject({ counters: { stored: 1, sent: 1 } });
  await other.check();
});

test("leadership that is lost while a record without room waits: nothing of that record was done", async () => {
  const { log, harness } = await leading();
  const first = watch(harness.send("orders", "1"));
  await turns();
  await log.store();
  const second = watch(harness.send("orders", "2"));
  await turns();
  await log.refuse(new StorageFull("as the test asked for"));
  await log.loseLeadership();
  expect([first.now, second.now]).toEqual(["outcome_unknown", "not_leader"]);
  await harness.stop();
});

test("the position is that of the last commit, and where the engine began before there is one", async () => {
  const store = new MemoryStore();
  const log = new LateLog(store);
  const harness = await EngineHarness.start({ store, log });
  expect(harness.engine.position).toEqual({ epoch: 3, seq: 7 });
  const created = harness.createQueue("orders");
  await turns();
  await log.store();
  expect(harness.engine.position).toEqual({ epoch: 3, seq: 7 });
  await log.commit();
  expect(harness.engine.position).toEqual({ epoch: 3, seq: 8 });
  await created;
  await log.finishAll();
  const alone = await EngineHarness.start();
  await alone.createQueue("orders");
  expect(alone.engine.position).toBeUndefined();
});

test("what is not committed for too long refuses newcomers, however much of it is stored", async () => {
  const store = new MemoryStore();
  const log = new LateLog(store);
  const harness = await EngineHarness.start({ store, log, limits: { commitAgeMsMax: 2_000 } });
  const created = watch(harness.createQueue("orders"));
  await turns();
  await log.store();
  await harness.clock.advance(2_000);
  const inTime = watch(harness.createQueue("other"));
  await turns();
  expect(inTime.now).toBe("pending");
  await harness.clock.advance(1);
  await expect(harness.createQueue("third")).rejects.toMatchObject({ kind: "commit_backlog" });
  await log.finishAll();
  expect([created.now, inTime.now]).toEqual(["answered", "answered"]);
  expect(await through(log, harness.createQueue("third"))).toMatchObject({ kind: "accepted" });
});
