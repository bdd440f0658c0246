// Channels of caches through the client, on a real server whose line is cut and which is stopped meanwhile.

import { expect, onTestFinished, test } from "vitest";
import {
  type ChannelEvent,
  type ChannelPlace,
  type ChannelSubscribeOptions,
  type ForebayClient,
  jsonCodec,
} from "../src/index.js";
import { CutLine } from "./support/cut-line.js";
import { RealServer } from "./support/real-server.js";

const quick = { retry: { initialMs: 5, maxMs: 20 } };

async function until(isThere: () => boolean): Promise<void> {
  for (let turn = 0; turn < 4_000 && !isThere(); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(isThere()).toBe(true);
}

const textOf = (event: ChannelEvent): string =>
  event.kind === "message"
    ? `${event.channel} ${event.sequence} ${event.data}`
    : `${event.channel ?? "any"} ${event.from}-${event.to} ${event.cause}`;

/** A subscription whose events are gathered until the test ends. */
class Gathered {
  readonly events: ChannelEvent[] = [];
  readonly ended: Promise<unknown>;
  readies = 0;

  constructor(client: ForebayClient, options: ChannelSubscribeOptions) {
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const onReady = () => {
      this.readies += 1;
    };
    const events = client.cache().subscribe({ onReady, signal: stop.signal, ...options });
    const gather = async () => {
      for await (const event of events) this.events.push(event);
    };
    this.ended = gather().catch((error: unknown) => error);
  }

  get texts(): string[] {
    return this.events.map(textOf);
  }

  async ready(count = 1): Promise<void> {
    await until(() => this.readies >= count);
  }
}

test("a subscription shows what is published, as it was published", async () => {
  const client = (await RealServer.start()).connect();
  const reader = new Gathered(client, { channels: ["news"], patterns: ["room-*"] });
  await reader.ready();
  const cache = client.cache();
  const first = await cache.publish("news", "hello", { publisher: "desk 4" });
  expect(first).toMatchObject({ sequence: 1, receivers: 1 });
  await cache.publish("room-7", Uint8Array.of(0, 255));
  await cache.publish("other", "not for it");
  await cache.publish("news", "");
  await until(() => reader.events.length === 3);
  expect(reader.events).toEqual([
    {
      kind: "message",
      channel: "news",
      sequence: 1,
      stamp: first.stamp,
      data: "hello",
      publisher: "desk 4",
      publishedAt: expect.any(Date),
    },
    expect.objectContaining({ channel: "room-7", data: Buffer.from([0, 255]) }),
    expect.objectContaining({ channel: "news", sequence: 2, data: "" }),
  ]);
});

test("values of a codec are published and shown as they are to the caller", async () => {
  const client = (await RealServer.start()).connect();
  const orders = client.cache().with(jsonCodec<{ readonly id: number }>());
  const events = orders.subscribe({
    channels: ["orders"],
    onReady: () => void orders.publish("orders", { id: 7 }),
  });
  for await (const event of events) {
    expect(event).toMatchObject({ kind: "message", data: { id: 7 } });
    break;
  }
});

test("a publish that is repeated with its request id is shown once", async () => {
  const client = (await RealServer.start()).connect();
  const reader = new Gathered(client, { channels: ["news"] });
  await reader.ready();
  const cache = client.cache();
  const first = await cache.publish("news", "1", { requestId: "once" });
  expect(await cache.publish("news", "1", { requestId: "once" })).toEqual(first);
  await cache.publish("news", "2");
  await until(() => reader.events.length === 2);
  expect(reader.texts).toEqual(["news 1 1", "news 2 2"]);
});

test("what is published in one turn leaves together, in its order, and each message has its own answer", async () => {
  const server = await RealServer.start();
  const client = server.connect();
  const reader = new Gathered(client, { patterns: ["*"] });
  await reader.ready();
  const cache = client.cache();
  const texts = Array.from({ length: 2_500 }, (_, index) => String(index));
  const long = "x".repeat(900_000);
  const bad = "x".repeat(257);
  const answers = await Promise.allSettled([
    ...texts.map((text) => cache.publish("news", text)),
    cache.publish(bad, "no"),
    ...["1", "2", "3", "4", "5"].map((text) => cache.publish("long", text + long)),
  ]);
  expect(answers.slice(0, 2_500)).toMatchObject(
    texts.map((_, index) => ({ value: { sequence: index + 1, receivers: 1 } })),
  );
  expect(answers[2_500]).toMatchObject({
    reason: { reason: "INVALID_PARAMETER", metadata: { field: "channel" } },
  });
  expect(answers[2_505]).toMatchObject({ value: { sequence: 5 } });
  await until(() => reader.events.length === 2_505);
  expect(reader.texts.slice(0, 2_500)).toEqual(texts.map((text, at) => `news ${at + 1} ${text}`));
  await expect(client.cache("none").publish("news", "1")).rejects.toMatchObject({
    reason: "CACHE_NOT_FOUND",
  });
  // What was asked for before it closes has its answer.
  const other = server.connect();
  const last = other.cache().publish("news", "last");
  await other.close();
  expect(await last).toMatchObject({ sequence: 2_501 });
  await expect(other.cache().publish("news", "late")).rejects.toMatchObject({
    reason: "CLIENT_CLOSED",
  });
});

test("a subscription whose line is cut goes on with nothing missed and nothing twice, also in channels it had not seen", async () => {
  const server = await RealServer.start();
  const writer = server.connect().cache();
  const line = await CutLine.open(server.endpoint);
  const reader = new Gathered(server.connect({ endpoint: line.endpoint, ...quick }), {
    channels: ["named"],
    patterns: ["c*"],
  });
  await reader.ready();
  // Cut before anything was shown, too: the first message must not be missed.
  line.cut();
  const expected: string[] = [];
  for (let round = 1; round <= 5; round += 1) {
    const channels = ["named", "c1", `c-new-${round}`];
    for (const channel of channels) {
      const { sequence } = await writer.publish(channel, String(round));
      expected.push(`${channel} ${sequence} ${round}`);
    }
    line.cut();
  }
  await until(() => reader.events.length >= expected.length);
  expect(reader.texts).toEqual(expected);
});

test("a subscription goes on after a restart, and is told that numbers began anew", async () => {
  const server = await RealServer.start();
  const reader = new Gathered(server.connect(quick), { channels: ["news"] });
  await reader.ready();
  const before = await server.connect(quick).cache().publish("news", "1");
  await until(() => reader.events.length === 1);
  await server.stop();
  await server.start();
  await reader.ready(2);
  const after = await server.connect(quick).cache().publish("news", "2");
  expect(after.stamp).not.toBe(before.stamp);
  await until(() => reader.events.length === 3);
  expect(reader.texts).toEqual(["news 1 1", "news 2-undefined renumbered", "news 1 2"]);
  expect(reader.events[1]).toMatchObject({ stamp: after.stamp });
});

test("who was away goes on where he was, and is told of what is not kept any more", async () => {
  const client = (await RealServer.start()).connect();
  await client.caches.create("small", { channelRetainMessages: 2, channelRetainMs: 60_000 });
  const cache = client.cache("small");
  const { stamp } = await cache.publish("news", "1");
  for (const text of ["2", "3", "4"]) await cache.publish("news", text);
  const resumeAt: ChannelPlace[] = [{ channel: "news", sequence: 1, stamp }];
  const texts: string[] = [];
  for await (const event of cache.subscribe({ channels: ["news"], resumeAt })) {
    texts.push(textOf(event));
    if (texts.length === 3) break;
  }
  expect(texts).toEqual(["news 2-2 not_retained", "news 3 3", "news 4 4"]);
});

test("a reader that takes its time is told what it lost, and its connection stays", async () => {
  const client = (await RealServer.start()).connect();
  await client.caches.create("small", { channelRetainMessages: 5 });
  const cache = client.cache("small");
  let readies = 0;
  const onReady = () => {
    readies += 1;
  };
  const events = cache.subscribe({ channels: ["news"], onReady });
  const first = events.next();
  await until(() => readies === 1);
  const text = "x".repeat(100_000);
  for (let round = 0; round < 40; round += 1) {
    await Promise.all(Array.from({ length: 5 }, () => cache.publish("news", text)));
  }
  const seen: number[] = [];
  const note = ({ value }: IteratorResult<ChannelEvent, void>): number => {
    if (value === undefined) throw new Error("It ended.");
    const [from, to] =
      value.kind === "message" ? [value.sequence, value.sequence] : [value.from, value.to];
    for (let number = from ?? 0; number <= (to ?? 0); number += 1) seen.push(number);
    return value.kind === "message" ? 0 : (to ?? 0) - (from ?? 0) + 1;
  };
  let lost = note(await first);
  while (seen.at(-1) !== 200) lost += note(await events.next());
  await events.return();
  expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  expect(lost).toBeGreaterThan(0);
  expect(readies).toBe(1);
});

test("a subscription that cannot be is refused, and one that is aborted or whose client closes ends quietly", async () => {
  const server = await RealServer.start();
  const client = server.connect();
  const none = client.cache("none").subscribe({ channels: ["news"] });
  await expect(none.next()).rejects.toMatchObject({ reason: "CACHE_NOT_FOUND" });
  const nothing = client.cache().subscribe({});
  await expect(nothing.next()).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  await expect(client.cache("none").publish("news", "1")).rejects.toMatchObject({
    reason: "CACHE_NOT_FOUND",
  });
  const stop = new AbortController();
  const aborted = new Gathered(client, { channels: ["news"], signal: stop.signal });
  const closed = new Gathered(client, { channels: ["news"] });
  await Promise.all([aborted.ready(), closed.ready()]);
  stop.abort();
  expect(await aborted.ended).toBeUndefined();
  await client.close();
  expect(await closed.ended).toBeUndefined();
});
