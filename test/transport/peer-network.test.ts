// Messages between members over real sockets: in order, over the right stream, lost with the connection and never spoiled.

import { afterEach, expect, test } from "vitest";
import { messageBytesMax } from "../../src/replication/transport/limits.js";
import {
  acquaint,
  append,
  configurationOf,
  hello,
  idOf,
  isConnected,
  isSame,
  memberOf,
  roundsOf,
  startMember,
  type TestMember,
  until,
} from "./harness.js";

const started: TestMember[] = [];

async function members(...nodes: readonly string[]): Promise<TestMember[]> {
  const all = await Promise.all(nodes.map((node) => startMember(node)));
  started.push(...all);
  await acquaint(...all);
  return all;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map(({ network }) => network.close()));
});

test("messages arrive whole and in the order they were sent, long and short ones", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  const sizes = [0, 1, 4_095, 4_096, 70_000, 0, 1_048_576, 5, 5 * 1_048_576, 0];
  for (const [round, size] of sizes.entries()) a.network.send(b.id, append(round, size));
  await until(() => b.heard.length === sizes.length);
  expect(roundsOf(b.heard)).toEqual(sizes.map((_, round) => round));
  for (const [round, { from, message }] of b.heard.entries()) {
    expect(from).toBe(a.id);
    expect(isSame(message, append(round, sizes[round] ?? 0)), `message ${round}`).toBe(true);
  }
});

test("ten thousand short messages arrive in order", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  for (let round = 0; round < 10_000; round += 1) a.network.send(b.id, append(round, 100));
  await until(() => b.heard.length === 10_000);
  expect(roundsOf(b.heard)).toEqual(Array.from({ length: 10_000 }, (_, round) => round));
});

test("what is asked goes over the stream that was dialled, what is answered over the stream of the question", async () => {
  const a = await startMember("a");
  const b = await startMember("b");
  started.push(a, b);
  // Only a dials: b knows of nobody.
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(b)]));
  await until(() => a.network.isReady(b.id));
  a.network.send(b.id, hello(3));
  await until(() => b.heard.length === 1);
  b.network.send(a.id, { kind: { $case: "refusal", value: { epoch: 3n, promisedEpoch: 4n } } });
  b.network.send(a.id, hello(4));
  await until(() => a.heard.length === 1);
  expect(a.heard[0]?.message.kind?.$case).toBe("refusal");
  expect(b.network.isReady(a.id)).toBe(false);
});

test("a way that came up is told of, and a member that went away is not ready", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  expect(a.readyFrom).toEqual([b.id]);
  await b.network.close();
  await until(() => !a.network.isReady(b.id));
  a.network.send(b.id, hello(1));
  expect(a.network.status()).toMatchObject([{ isUp: false, droppedCount: 1, downCount: 1 }]);
});

test("a member that comes back is dialled again, and what was sent meanwhile is lost", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  const port = Number(b.endpoint.split(":")[1]);
  await b.network.close();
  await until(() => !a.network.isReady(b.id));
  a.network.send(b.id, hello(1));
  const again = await startMember("b", { listenPort: port });
  started.push(again);
  again.network.setConfiguration(configurationOf([memberOf(a), memberOf(again)]));
  await until(() => isConnected(a.network));
  a.network.send(b.id, hello(2));
  await until(() => again.heard.length === 1);
  expect(again.heard).toEqual([{ from: a.id, message: hello(2) }]);
});

test("a member that moved is dialled where it is, and one that was removed is dialled no more", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  const moved = await startMember("b2", { memberId: b.id });
  started.push(moved);
  const there = { ...memberOf(b), replicationEndpoint: moved.endpoint };
  a.network.setConfiguration(configurationOf([memberOf(a), there], 2));
  await until(() => a.network.isReady(b.id));
  a.network.send(b.id, hello(1));
  await until(() => moved.heard.length === 1);
  expect(b.heard).toEqual([]);
  a.network.setConfiguration(configurationOf([memberOf(a)], 3));
  expect(a.network.status()).toEqual([]);
  expect(a.network.isReady(b.id)).toBe(false);
});

test("a configuration of the same addresses leaves the ways as they are", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  a.network.setConfiguration(configurationOf([memberOf(a), { ...memberOf(b), isVoter: false }], 2));
  expect(a.network.isReady(b.id)).toBe(true);
  expect(a.network.status()).toMatchObject([{ downCount: 0 }]);
});

test("another member where one is expected is not taken for it", async () => {
  const a = await startMember("a");
  const wiped = await startMember("wiped");
  started.push(a, wiped);
  const expected = { ...memberOf(wiped), id: idOf("b") };
  a.network.setConfiguration(configurationOf([memberOf(a), expected]));
  await until(() => a.network.status()[0]?.why?.includes("another member answers") === true);
  expect(a.network.isReady(idOf("b"))).toBe(false);
  expect(a.readyFrom).toEqual([]);
});

test("a message longer than what may wait is sent while nothing else waits", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  a.network.send(b.id, append(1, 40 * 1_048_576));
  await until(() => b.heard.length === 1);
  expect(roundsOf(b.heard)).toEqual([1]);
  expect(a.network.status()).toMatchObject([{ droppedCount: 0 }]);
});

test("a message that is too long is not sent, and the next one is", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  a.network.send(b.id, append(1, messageBytesMax));
  a.network.send(b.id, append(2, 16 * 1_048_576 - 1_000));
  await until(() => b.heard.length === 1);
  expect(roundsOf(b.heard)).toEqual([2]);
  expect(a.network.status()).toMatchObject([{ droppedCount: 1 }]);
});

test("nothing is called back once a network is closed", async () => {
  const [a, b] = (await members("a", "b")) as [TestMember, TestMember];
  for (let round = 0; round < 100; round += 1) a.network.send(b.id, append(round, 100_000));
  await b.network.close();
  const count = b.heard.length;
  await until(() => !a.network.isReady(b.id));
  expect(b.heard.length).toBe(count);
});
