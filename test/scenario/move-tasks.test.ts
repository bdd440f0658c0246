// Move tasks as things: started, refused, listed, cancelled, failed (Q64, Q65).

import { expect, test } from "vitest";
import { contradictions } from "../support/broken-rows.js";
import { deadLetterScenario, heldBodies, moveEnded, sendToDeath } from "../support/dead-letters.js";
import { msOf, type Scenario, scenario } from "../support/scenario.js";

const sourceNotDead = { code: "FAILED_PRECONDITION", reason: "MOVE_SOURCE_NOT_DLQ" };
const running = { code: "FAILED_PRECONDITION", reason: "MOVE_TASK_ALREADY_RUNNING" };
const notRunning = { code: "FAILED_PRECONDITION", reason: "MOVE_TASK_NOT_RUNNING" };
const notFound = { code: "NOT_FOUND", reason: "MOVE_RESOURCE_NOT_FOUND" };
const invalid = (...violations: string[]) => ({
  code: "INVALID_ARGUMENT",
  reason: "INVALID_PARAMETER",
  violations,
});

const list = (t: Scenario, source: string, pageSize?: number, pageToken = "") =>
  t.call("listMessageMoveTasks", { source, pageSize, pageToken });

/** A scenario with so many dead letters. */
async function withDeadLetters(count: number): Promise<Scenario> {
  const t = await deadLetterScenario();
  await sendToDeath(
    t,
    Array.from({ length: count }, (_, index) => `m${index}`),
  );
  return t;
}

test("Q64 at one message a second four messages take at least three seconds", async () => {
  const t = await withDeadLetters(4);
  const startedAt = t.now;
  const handle = await t.startMove({ perSecond: 1 });
  await t.advance(2_999);
  const [task] = await t.moveTasks();
  expect(task).toMatchObject({
    handle,
    status: "RUNNING",
    source: "dead",
    destination: "",
    perSecond: 1,
    moved: 3,
    toMove: 4,
    skipped: 0,
    failure: "",
    startedAt,
    endedAt: Number.NaN,
  });
  await t.advance(1_001);
  const ended = await moveEnded(t);
  expect(ended).toMatchObject({ handle: "", status: "COMPLETED", moved: 4, toMove: 4, startedAt });
  expect(ended.endedAt - startedAt).toBeGreaterThanOrEqual(3_000);
  expect(ended.endedAt).toBeLessThanOrEqual(t.now);
  expect(await heldBodies(t, "orders")).toEqual(["m0", "m1", "m2", "m3"]);
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await contradictions(t)).toEqual([]);
});

test("Q64 a second start while a task runs is refused, another source's is not", async () => {
  const t = await withDeadLetters(4);
  await t.createQueue("grave");
  await t.createQueue("bills", { redrive: { to: "grave", after: 1 } });
  await sendToDeath(t, ["bill 1", "bill 2"], { queue: "bills" });
  await t.startMove({ perSecond: 1 });
  await expect(t.startMove()).rejects.toMatchObject(running);
  await expect(t.startMove({ destination: "bills" })).rejects.toMatchObject(running);
  await t.startMove({ source: "grave", perSecond: 1 });
  await t.crash();
  await expect(t.startMove()).rejects.toMatchObject(running);
  await moveEnded(t);
  expect(await moveEnded(t, "grave")).toMatchObject({ status: "COMPLETED", moved: 2 });
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 0, toMove: 0 });
  expect(await t.moveTasks()).toHaveLength(2);
});

test("Q64 a cancel leaves the rest where it is, and the list shows it without a handle", async () => {
  const t = await withDeadLetters(4);
  const handle = await t.startMove({ perSecond: 1 });
  await t.advance(1_500);
  const movedCount = await t.cancelMove(handle);
  expect(movedCount).toBe(2);
  await t.settle();
  const [task] = await t.moveTasks();
  expect(task?.handle).toBe("");
  expect(["CANCELLING", "CANCELLED"]).toContain(task?.status);
  const ended = await moveEnded(t);
  expect(ended).toMatchObject({ handle: "", status: "CANCELLED", moved: 2, toMove: 4 });
  expect(ended.endedAt).toBeGreaterThanOrEqual(ended.startedAt + 1_500);
  await t.advance(10_000);
  await t.restart();
  await t.advance(10_000);
  expect(await heldBodies(t, "orders")).toEqual(["m0", "m1"]);
  expect(await heldBodies(t, "dead")).toEqual(["m2", "m3"]);
  expect(await t.moveTasks()).toEqual([ended]);
  // What stayed can be received, and another task takes it.
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 2, toMove: 2 });
  expect(await heldBodies(t, "orders")).toEqual(["m0", "m1", "m2", "m3"]);
});

test("Q65 a task whose destination is deleted has FAILED with a reason, and the rest stays", async () => {
  const t = await withDeadLetters(4);
  await t.createQueue("elsewhere");
  const handle = await t.startMove({ destination: "elsewhere", perSecond: 1 });
  await t.advance(1_500);
  expect(await heldBodies(t, "elsewhere")).toEqual(["m0", "m1"]);
  await t.deleteQueue("elsewhere");
  const task = await moveEnded(t);
  expect(task).toMatchObject({
    handle: "",
    status: "FAILED",
    destination: "elsewhere",
    moved: 2,
    toMove: 4,
  });
  expect(task.failure).toMatch(/^[A-Z][A-Z_]+$/);
  expect(Number.isNaN(task.endedAt)).toBe(false);
  expect(await heldBodies(t, "dead")).toEqual(["m2", "m3"]);
  await expect(t.cancelMove(handle)).rejects.toMatchObject(notRunning);
  await t.advance(10_000);
  expect(await heldBodies(t, "dead")).toEqual(["m2", "m3"]);
  expect(await t.counters("dead")).toMatchObject({ moved: 2, stored: 2 });
  expect(await contradictions(t)).toEqual([]);
});

test("Q65 a task does not go on with another queue under its destination's name", async () => {
  const t = await withDeadLetters(4);
  await t.createQueue("elsewhere");
  await t.startMove({ destination: "elsewhere", perSecond: 1 });
  await t.advance(500);
  await t.deleteQueue("elsewhere");
  await t.createQueue("elsewhere");
  expect(await moveEnded(t)).toMatchObject({ status: "FAILED", moved: 1 });
  expect(await heldBodies(t, "elsewhere")).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["m1", "m2", "m3"]);
});

test("Q65 a source that no policy names, or an unknown queue, is refused, and the error says which", async () => {
  const t = await withDeadLetters(1);
  await expect(t.startMove({ source: "orders" })).rejects.toMatchObject(sourceNotDead);
  await expect(t.startMove({ source: "nowhere" })).rejects.toMatchObject({
    ...notFound,
    resource: "queue nowhere",
  });
  await expect(t.startMove({ destination: "nirvana" })).rejects.toMatchObject({
    ...notFound,
    resource: "queue nirvana",
  });
  await expect(t.startMove({ source: "" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["source"],
  });
  // Named once, and no more.
  await t.setQueue({ redrive: "none" });
  await expect(t.startMove()).rejects.toMatchObject(sourceNotDead);
  await t.deleteQueue();
  await expect(t.startMove()).rejects.toMatchObject(sourceNotDead);
  expect(await t.moveTasks()).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["m0"]);
});

test("a policy of another queue than the one its messages came from makes a source, too", async () => {
  const t = await withDeadLetters(1);
  await t.createQueue("bills", { redrive: { to: "dead", after: 1 } });
  await t.setQueue({ redrive: "none" });
  await t.startMove();
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 1 });
  expect(await heldBodies(t, "orders")).toEqual(["m0"]);
});

test("a destination is of the source's type and is not the source", async () => {
  const t = await withDeadLetters(1);
  await t.createQueue("other.fifo", { type: "fifo" });
  await expect(t.startMove({ destination: "other.fifo" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "DLQ_TYPE_MISMATCH",
  });
  await expect(t.startMove({ destination: "dead" })).rejects.toMatchObject(invalid("destination"));
  expect(await t.moveTasks()).toEqual([]);
});

test("a rate is 1 to 500 messages a second", async () => {
  const t = await withDeadLetters(1);
  for (const perSecond of [0, -1, 501]) {
    await expect(t.startMove({ perSecond }), String(perSecond)).rejects.toMatchObject(
      invalid("max_per_second"),
    );
  }
  expect(await t.moveTasks()).toEqual([]);
  for (const perSecond of [1, 500]) {
    await t.startMove({ perSecond });
    expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", perSecond });
  }
});

test("a start repeated under its request id starts nothing, also when its task has ended", async () => {
  const t = await withDeadLetters(2);
  const request = t.moveRequest({ perSecond: 1, requestId: "r1" });
  const first = await t.call("startMessageMoveTask", request);
  expect(first.replayed).toBe(false);
  const repeated = { ...first, replayed: true };
  expect(await t.call("startMessageMoveTask", request)).toEqual(repeated);
  await expect(
    t.call("startMessageMoveTask", { ...request, maxPerSecond: 2 }),
  ).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "REQUEST_ID_REUSED",
    violations: ["request_id"],
  });
  await t.crash();
  expect(await t.call("startMessageMoveTask", request)).toEqual(repeated);
  await moveEnded(t);
  expect(await t.call("startMessageMoveTask", request)).toEqual(repeated);
  expect(await t.moveTasks()).toHaveLength(1);
  await expect(t.startMove({ requestId: "x".repeat(65) })).rejects.toMatchObject(
    invalid("request_id"),
  );
});

test("a start that was refused may be made again under its request id", async () => {
  const t = await withDeadLetters(1);
  await t.createQueue("other", { redrive: { to: "dead", after: 1 } });
  const options = { destination: "elsewhere", requestId: "r1" };
  await expect(t.startMove(options)).rejects.toMatchObject(notFound);
  await t.createQueue("elsewhere");
  await t.startMove(options);
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 1 });
});

test("a handle is needed to cancel, a good one, of a task that runs", async () => {
  const t = await withDeadLetters(1);
  await expect(t.cancelMove("")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["task_handle"],
  });
  for (const garbage of ["garbage", "x".repeat(2_000), "ä"]) {
    await expect(t.cancelMove(garbage), garbage.slice(0, 8)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "MOVE_TASK_HANDLE_INVALID",
    });
  }
  await t.send("work");
  const { handle: receiptHandle } = await t.receiveOne();
  await expect(t.cancelMove(receiptHandle)).rejects.toMatchObject({
    reason: "MOVE_TASK_HANDLE_INVALID",
  });
  const done = await t.startMove();
  await moveEnded(t);
  await expect(t.cancelMove(done)).rejects.toMatchObject(notRunning);
  await sendToDeath(t, ["a", "b"]);
  const cancelled = await t.startMove({ perSecond: 1 });
  // One character more is another handle, or none.
  await expect(t.cancelMove(`${cancelled}A`)).rejects.toMatchObject({
    reason: "MOVE_TASK_HANDLE_INVALID",
  });
  await t.cancelMove(cancelled);
  await moveEnded(t);
  await expect(t.cancelMove(cancelled)).rejects.toMatchObject(notRunning);
  // The handle of a task before does not cancel the one that runs.
  await t.startMove({ perSecond: 1 });
  await expect(t.cancelMove(cancelled)).rejects.toMatchObject(notRunning);
  await expect(t.cancelMove(done)).rejects.toMatchObject(notRunning);
  expect((await t.moveTasks())[0]?.status).toBe("RUNNING");
});

test("a handle is good after a restart and a crash", async () => {
  const t = await withDeadLetters(3);
  const handle = await t.startMove({ perSecond: 1 });
  await t.crash();
  await t.restart();
  expect((await t.moveTasks())[0]).toMatchObject({ handle, status: "RUNNING" });
  await t.cancelMove(handle);
  expect(await moveEnded(t)).toMatchObject({ status: "CANCELLED" });
});

test("a handle of a task whose source was deleted is of an unknown task, also under a new queue of its name", async () => {
  const t = await withDeadLetters(3);
  const handle = await t.startMove({ perSecond: 1 });
  await t.deleteQueue("dead");
  await expect(t.cancelMove(handle)).rejects.toMatchObject(notFound);
  await expect(list(t, "dead")).rejects.toMatchObject({ ...notFound, resource: "queue dead" });
  await t.createQueue("dead");
  await expect(t.cancelMove(handle)).rejects.toMatchObject(notFound);
  expect(await t.moveTasks()).toEqual([]);
});

test("tasks are listed newest first, one a page unless asked for more", async () => {
  const t = await withDeadLetters(0);
  for (let perSecond = 1; perSecond <= 5; perSecond += 1) {
    await t.startMove({ perSecond });
    await moveEnded(t);
    await t.advance(1_000);
  }
  const rates: number[] = [];
  let pageToken = "";
  for (let page = 0; page < 5; page += 1) {
    const answer = await list(t, "dead", undefined, pageToken);
    expect(answer.tasks).toHaveLength(1);
    rates.push(...answer.tasks.map(({ maxPerSecond }) => maxPerSecond));
    pageToken = answer.nextPageToken;
    expect(pageToken === "").toBe(page === 4);
  }
  expect(rates).toEqual([5, 4, 3, 2, 1]);
  const pages = [await list(t, "dead", 3)];
  // A task started between two pages neither hides nor repeats others.
  await t.startMove({ perSecond: 6 });
  await moveEnded(t);
  pages.push(await list(t, "dead", 3, pages[0]?.nextPageToken));
  expect(pages.map(({ tasks }) => tasks.map(({ maxPerSecond }) => maxPerSecond))).toEqual([
    [5, 4, 3],
    [2, 1],
  ]);
  expect(pages[1]?.nextPageToken).toBe("");
  const times = (await t.moveTasks()).map(({ startedAt }) => startedAt);
  expect([...times].sort((one, other) => other - one)).toEqual(times);
});

test("at least the last ten tasks of a source are kept, over a restart, too", async () => {
  const t = await withDeadLetters(0);
  for (let perSecond = 1; perSecond <= 14; perSecond += 1) {
    await t.startMove({ perSecond });
    await moveEnded(t);
  }
  const before = await t.moveTasks();
  expect(before.map(({ perSecond }) => perSecond)).toEqual([14, 13, 12, 11, 10, 9, 8, 7, 6, 5]);
  await t.restart();
  expect(await t.moveTasks()).toEqual(before);
  expect(await contradictions(t)).toEqual([]);
});

test("a page has 1 to 10 tasks, and a token belongs to its source", async () => {
  const t = await withDeadLetters(0);
  await t.createQueue("grave");
  await t.createQueue("bills", { redrive: { to: "grave", after: 1 } });
  for (const source of ["dead", "dead", "grave", "grave"]) {
    await t.startMove({ source });
    await moveEnded(t, source);
  }
  for (const pageSize of [0, -1, 11]) {
    await expect(list(t, "dead", pageSize), String(pageSize)).rejects.toMatchObject(
      invalid("page_size"),
    );
  }
  expect((await list(t, "dead", 10)).tasks).toHaveLength(2);
  const { nextPageToken: token } = await list(t, "dead");
  const { nextPageToken: foreign } = await t.call("listQueues", { pageSize: 1 });
  const badToken = { code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN" };
  for (const bad of ["garbage", foreign]) {
    await expect(list(t, "dead", 1, bad)).rejects.toMatchObject(badToken);
  }
  await expect(list(t, "grave", 1, token)).rejects.toMatchObject(badToken);
});

test("the tasks of an unknown source are not found, those of a queue that never moved anything are none", async () => {
  const t = await withDeadLetters(0);
  await expect(list(t, "nowhere")).rejects.toMatchObject({
    ...notFound,
    resource: "queue nowhere",
  });
  await expect(list(t, "")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["source"],
  });
  expect(await list(t, "orders")).toEqual({ tasks: [], nextPageToken: "" });
});

test("a listed task says what was asked for, and no more", async () => {
  const t = await withDeadLetters(2);
  await t.createQueue("elsewhere");
  await t.startMove({
    destination: "elsewhere",
    filter: { bodyContains: "m1", messageIds: [] },
    edit: { removeAttributes: ["tenant"] },
  });
  const { tasks } = await list(t, "dead", 10);
  expect(tasks).toHaveLength(1);
  const task = await moveEnded(t);
  expect(task).toMatchObject({
    status: "COMPLETED",
    source: "dead",
    destination: "elsewhere",
    perSecond: 0,
    moved: 1,
    filter: { bodyContains: "m1" },
    edit: { removeAttributes: ["tenant"] },
  });
  await t.startMove();
  const newest = await moveEnded(t);
  expect(newest.filter).toBeUndefined();
  expect(newest.edit).toBeUndefined();
  expect(newest.destination).toBe("");
});

test("a page of tasks with long edits fits into an answer: the rest comes with the next page", async () => {
  const t = await withDeadLetters(0);
  for (let index = 0; index < 6; index += 1) {
    const value = String(index).repeat(1_048_576);
    await t.startMove({ edit: { body: { $case: "text", value } } });
    await moveEnded(t);
  }
  const bodies: string[] = [];
  let pageToken = "";
  do {
    const page = await list(t, "dead", 10, pageToken);
    bodies.push(...page.tasks.map(({ edit }) => String(edit?.body?.value).slice(-1)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(bodies).toEqual(["5", "4", "3", "2", "1", "0"]);
});

test("a task of an empty source is completed, and its times are those of the server", async () => {
  const t = await withDeadLetters(0);
  const startedAt = t.now;
  await t.startMove();
  const task = await moveEnded(t);
  expect(task).toMatchObject({ status: "COMPLETED", moved: 0, toMove: 0, skipped: 0, startedAt });
  const { tasks } = await list(t, "dead");
  expect(msOf(tasks[0]?.endTime)).toBeGreaterThanOrEqual(startedAt);
  expect(msOf(tasks[0]?.endTime)).toBeLessThanOrEqual(t.now);
});

test("a cancel counts what had moved, and a cancelled task's source takes another at once", async () => {
  const t = await withDeadLetters(10);
  const handle = await t.startMove({ perSecond: 10 });
  await t.advance(450);
  expect(await t.cancelMove(handle)).toBe(5);
  await moveEnded(t);
  expect(await t.counters("dead")).toMatchObject({ moved: 5, stored: 5 });
  const other = await t.startMove({ perSecond: 10 });
  expect(other).not.toBe(handle);
  expect(await moveEnded(t)).toMatchObject({ status: "COMPLETED", moved: 5, toMove: 5 });
});

test("nothing of a move is left when its queues are gone", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("dead");
  await t.createQueue("orders", { redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["a", "b", "c"]);
  await t.startMove({ perSecond: 1 });
  const timerCountBefore = t.clock.timerCount;
  await t.deleteQueue("dead");
  await t.deleteQueue("orders");
  await t.advance(60_000);
  expect(t.clock.timerCount).toBeLessThanOrEqual(timerCountBefore);
  expect((await t.call("listQueues", {})).queues).toEqual([]);
  expect(await contradictions(t)).toEqual([]);
});
