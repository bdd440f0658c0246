// Channels over a real socket: what is published now, to whoever listens now; what was missed, told exactly; and how it ends.

import { expect, test } from "vitest";
import { ChannelDiscontinuityCause } from "../../src/gen/forebay/cache/v1/channel_service.js";
import { cacheCall, cacheScenario, createCache } from "../support/caches.js";
import { openChannels, publishAll, publishTo, subscribeTo } from "../support/channel-streams.js";
import { durationOf } from "../support/scenario.js";

test("a message comes to all who are subscribed with all it was published with, and its number to its publisher", async () => {
  const t = await cacheScenario();
  const [named, matched] = await Promise.all([
    subscribeTo(t, { channels: ["news"] }),
    subscribeTo(t, { patterns: ["n*", "*s"] }),
  ]);
  const { channels, position } = await named.ready();
  expect(channels).toMatchObject([{ channel: "news", sequence: 0n }]);
  const first = await publishTo(t, "news", "hello", { publisher: "desk 4" });
  expect(first).toEqual({
    sequence: 1n,
    receivers: 2n,
    stamp: channels[0]?.stamp,
    replayed: false,
  });
  const data = Buffer.from([0, 255]);
  await publishTo(t, "news", "", { messageForm: { $case: "data", value: data } });
  await publishTo(t, "other", "not for them");
  await Promise.all([named.take(2), matched.take(2)]);
  for (const { items } of [named, matched]) {
    expect(items).toMatchObject([
      {
        channel: "news",
        sequence: 1n,
        stamp: first.stamp,
        messageForm: { $case: "text", value: "hello" },
        publisher: "desk 4",
        position: (position?.position ?? 0n) + 1n,
      },
      { sequence: 2n, messageForm: { $case: "data", value: data }, publisher: "" },
    ]);
    expect(items[0]?.publishTime).toBeDefined();
  }
});

test("a channel without subscribers numbers its messages, and a subscriber begins behind them", async () => {
  const t = await cacheScenario();
  const [first] = await Promise.all([publishTo(t, "news", "1"), publishTo(t, "news", "2")]);
  expect(first).toMatchObject({ sequence: 1n, receivers: 0n });
  const reader = await subscribeTo(t, { channels: ["news"] });
  expect((await reader.ready()).channels).toEqual([
    { channel: "news", sequence: 2n, stamp: first.stamp },
  ]);
  await publishTo(t, "news", "3");
  expect(await reader.take(1)).toEqual(["news 3 3"]);
});

test("messages of all channels come in the order in which they were published, with the same numbers for everybody", async () => {
  const t = await cacheScenario();
  const readers = await Promise.all(
    Array.from({ length: 5 }, () => subscribeTo(t, { patterns: ["*"] })),
  );
  await Promise.all(
    Array.from({ length: 300 }, (_, index) => publishTo(t, `c${index % 7}`, String(index))),
  );
  const [first = [], ...others] = await Promise.all(readers.map((reader) => reader.take(300)));
  for (const other of others) expect(other).toEqual(first);
  const ofOne = first.filter((text) => text.startsWith("c3 "));
  expect(ofOne.map((text) => Number(text.split(" ")[1]))).toEqual(ofOne.map((_, at) => at + 1));
});

test("a slow subscriber is never cut off: it loses the oldest, and is told exactly which", async () => {
  const t = await cacheScenario();
  await createCache(t, "small", { channelRetainMessages: 10 });
  const slow = await subscribeTo(t, { cache: "small", channels: ["news"] });
  slow.pause();
  const text = "x".repeat(20_000);
  for (let from = 0; from < 1_000; from += 50) {
    await Promise.all(
      Array.from({ length: 50 }, () => publishTo(t, "news", text, { cache: "small" })),
    );
  }
  // Far longer than any reader of a tail may take.
  await t.advance(50_000);
  slow.resume();
  await slow.until(() => slow.items.at(-1)?.sequence === 1_000n);
  const shown = slow.items.map(({ sequence }) => Number(sequence));
  const told = slow.gaps.flatMap(({ fromSequence, toSequence, cause }) => {
    expect(cause).toBe(ChannelDiscontinuityCause.SLOW_SUBSCRIBER);
    const count = Number(toSequence - fromSequence) + 1;
    return Array.from({ length: count }, (_, index) => Number(fromSequence) + index);
  });
  expect(told.length).toBeGreaterThan(500);
  expect([...shown, ...told].sort((one, other) => one - other)).toEqual(
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  );
  expect(shown).toEqual([...shown].sort((one, other) => one - other));
  expect(slow.isEnded).toBe(false);
});

test("whoever comes back is shown what the ring still has, and told of what it has not", async () => {
  const t = await cacheScenario();
  await createCache(t, "small", { channelRetainMessages: 3 });
  const cache = "small";
  const first = await subscribeTo(t, { cache, channels: ["news"] });
  await publishTo(t, "news", "1", { cache });
  await first.take(1);
  first.cancel();
  const { stamp = "" } = first.items[0] ?? {};
  for (const text of ["2", "3", "4"]) await publishTo(t, "news", text, { cache });
  const resumeAt = [{ channel: "news", sequence: 1n, stamp }];
  const soon = await subscribeTo(t, { cache, channels: ["news"], resumeAt });
  expect(await soon.take(3)).toEqual(["news 2 2", "news 3 3", "news 4 4"]);
  expect((await soon.ready()).channels).toEqual(resumeAt);
  await publishTo(t, "news", "5", { cache });
  const late = await subscribeTo(t, { cache, channels: ["news"], resumeAt });
  expect(await late.take(3)).toEqual(["news 3 3", "news 4 4", "news 5 5"]);
  expect(late.gaps).toMatchObject([
    {
      channel: "news",
      fromSequence: 2n,
      toSequence: 2n,
      stamp,
      cause: ChannelDiscontinuityCause.NOT_RETAINED,
    },
  ]);
});

test("what is kept is kept for as long as the cache says, from the next message on", async () => {
  const t = await cacheScenario();
  await createCache(t, "long", { channelRetain: durationOf(120_000) });
  const { stamp } = await publishTo(t, "news", "1", { cache: "long" });
  const resumeAt = [{ channel: "news", sequence: 0n, stamp }];
  await t.advance(119_999);
  const soon = await subscribeTo(t, { cache: "long", channels: ["news"], resumeAt });
  expect(await soon.take(1)).toEqual(["news 1 1"]);
  await t.advance(1);
  const late = await subscribeTo(t, { cache: "long", channels: ["news"], resumeAt });
  await late.until(() => late.gaps.length > 0);
  expect(late.gaps).toMatchObject([{ fromSequence: 1n, toSequence: 1n }]);
  const config = { channelRetain: durationOf(1_000) };
  await cacheCall(t, "updateCache", { cache: "long", config, updateMask: ["channel_retain"] });
  await publishTo(t, "news", "2", { cache: "long" });
  await t.advance(1_000);
  const later = await subscribeTo(t, {
    cache: "long",
    channels: ["news"],
    resumeAt: [{ channel: "news", sequence: 1n, stamp }],
  });
  await later.until(() => later.gaps.length > 0);
  expect(later.gaps).toMatchObject([{ fromSequence: 2n, toSequence: 2n }]);
});

test("after a restart numbers begin anew with another stamp, and whoever comes back is told before anything else", async () => {
  const t = await cacheScenario();
  const first = await subscribeTo(t, { channels: ["news"], patterns: ["c*"] });
  const { position } = await first.ready();
  await publishTo(t, "news", "1");
  await first.take(1);
  const stamp = first.items[0]?.stamp ?? "";
  await t.restart();
  expect(await first.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  const again = await publishTo(t, "news", "new");
  expect(again.sequence).toBe(1n);
  expect(again.stamp).not.toBe(stamp);
  const back = await subscribeTo(t, {
    channels: ["news"],
    patterns: ["c*"],
    resumeAt: [{ channel: "news", sequence: 1n, stamp }],
    ...(position && { resumeAfter: position }),
  });
  expect(await back.take(1)).toEqual(["news 1 new"]);
  expect(back.kinds).toEqual(["discontinuity", "discontinuity", "ready", "item"]);
  const cause = ChannelDiscontinuityCause.RENUMBERED;
  expect(back.gaps).toEqual([
    {
      channel: "news",
      fromSequence: 2n,
      toSequence: 0n,
      stamp: again.stamp,
      cause,
      position: 0n,
    },
    { channel: "", fromSequence: 0n, toSequence: 0n, stamp: "", cause, position: 0n },
  ]);
});

test("a position brings what was published to channels that a pattern found meanwhile", async () => {
  const t = await cacheScenario();
  const first = await subscribeTo(t, { patterns: ["c*"] });
  await publishTo(t, "c1", "1");
  await first.take(1);
  const { position } = await first.ready();
  first.cancel();
  await Promise.all([publishTo(t, "c2", "2"), publishTo(t, "x", "no")]);
  await publishTo(t, "c1", "3");
  const resumeAfter = {
    stamp: position?.stamp ?? "",
    position: first.items[0]?.position ?? 0n,
  };
  const back = await subscribeTo(t, { patterns: ["c*"], resumeAfter });
  expect(await back.take(2)).toEqual(["c2 1 2", "c1 2 3"]);
  expect(back.gaps).toEqual([]);
});

test("a publish that is repeated with its request id is shown once", async () => {
  const t = await cacheScenario();
  const reader = await subscribeTo(t, { channels: ["news"] });
  const first = await publishTo(t, "news", "1", { requestId: "once" });
  expect(await publishTo(t, "news", "1", { requestId: "once" })).toEqual({
    ...first,
    replayed: true,
  });
  await publishTo(t, "news", "2");
  expect(await reader.take(2)).toEqual(["news 1 1", "news 2 2"]);
});

test("many messages are published in their order, each by itself, and repeated with one request id", async () => {
  const t = await cacheScenario();
  const reader = await subscribeTo(t, { channels: ["news", "sport"] });
  const messages = [
    ["news", "1"],
    ["", "no name"],
    ["sport", "2"],
    ["news", "x".repeat(1_048_577)],
    ["news", "3"],
    ["news", "3"],
  ] as const;
  const first = await publishAll(t, messages, { requestId: "once" });
  expect(first.results).toMatchObject([
    { result: { $case: "published", value: { sequence: 1n, receivers: 1n } } },
    { result: { $case: "error", value: { code: 3 } } },
    { result: { $case: "published", value: { sequence: 1n } } },
    { result: { $case: "error", value: { message: expect.stringContaining("1048577") } } },
    { result: { $case: "published", value: { sequence: 2n } } },
    { result: { $case: "published", value: { sequence: 3n } } },
  ]);
  expect(first.replayed).toBe(false);
  const again = await publishAll(t, messages, { requestId: "once" });
  expect(again).toEqual({ ...first, replayed: true });
  await publishAll(t, [["news", "4"]]);
  expect(await reader.take(5)).toEqual([
    "news 1 1",
    "sport 1 2",
    "news 2 3",
    "news 3 3",
    "news 4 4",
  ]);
  const other = await publishAll(t, [["news", "other"]], { requestId: "once" });
  expect(other.results).toMatchObject([{ result: { $case: "error", value: { code: 9 } } }]);
  expect(await publishAll(t, [])).toMatchObject({ results: [] });
});

test("a quiet subscription says every so often that it lives, and how far it has come", async () => {
  const t = await cacheScenario();
  const reader = await subscribeTo(t, { channels: ["news"], heartbeat: durationOf(5_000) });
  const { position } = await reader.ready();
  await publishTo(t, "other", "not for it");
  await t.advance(5_000);
  expect(reader.kinds).toEqual(["ready"]);
  await t.advance(5_000);
  await reader.until(() => reader.events.length === 2);
  expect(reader.events[1]?.event).toEqual({
    $case: "heartbeat",
    value: { position: (position?.position ?? 0n) + 1n },
  });
  await t.advance(4_999);
  expect(reader.kinds).toHaveLength(2);
});

test("a cache that is emptied keeps its channels, and one that is deleted ends them", async () => {
  const t = await cacheScenario();
  await createCache(t, "prices");
  const reader = await subscribeTo(t, { cache: "prices", channels: ["news"] });
  await publishTo(t, "news", "1", { cache: "prices" });
  await cacheCall(t, "flushCache", { cache: "prices" });
  expect(await publishTo(t, "news", "2", { cache: "prices" })).toMatchObject({ sequence: 2n });
  await cacheCall(t, "deleteCache", { cache: "prices" });
  expect(await reader.ended).toMatchObject({ code: "NOT_FOUND", reason: "CACHE_NOT_FOUND" });
  await createCache(t, "prices");
  expect(await publishTo(t, "news", "3", { cache: "prices" })).toMatchObject({ sequence: 1n });
});

test("a channel is forgotten when it was quiet for as long as its ring keeps things, and metrics tell of all of them", async () => {
  const t = await cacheScenario();
  const figures = async () => {
    const { host, port } = t.server.managementAddress;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^forebay_cache_channel(\S*) (\d+)$/gm)].map(([, name, count]) => [
        name,
        Number(count),
      ]),
    );
  };
  const reader = await subscribeTo(t, { patterns: ["*"] });
  await Promise.all([publishTo(t, "a", "1"), publishTo(t, "b", "22")]);
  await reader.take(2);
  expect(await figures()).toEqual({
    s: 2,
    _subscribers: 1,
    _ring_bytes: 259,
    '_messages{event="published"}': 2,
    '_messages{event="delivered"}': 2,
    '_messages{event="missed"}': 0,
  });
  reader.cancel();
  await expect.poll(async () => (await figures())["_subscribers"]).toBe(0);
  for (let each = 0; each < 62; each += 1) await t.advance(1_000);
  expect(await figures()).toMatchObject({ s: 0, _ring_bytes: 0 });
});

test("what is wrong with a subscription is told of every field", async () => {
  const t = await cacheScenario();
  const error = await openChannels(t, {
    cache: "no name",
    channels: ["", "x".repeat(257)],
    patterns: ["[", "a*"],
    resumeAt: [
      { channel: "b", sequence: -1n, stamp: "" },
      { channel: "a1", sequence: 1n, stamp: "s" },
      { channel: "a1", sequence: 1n, stamp: "s" },
    ],
    resumeAfter: { position: -1n, stamp: "" },
    heartbeat: durationOf(4_999),
  }).ended;
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "BAD_NAME" });
  expect(error?.violations).toEqual([
    "cache",
    "heartbeat",
    "channels[0]",
    "channels[1]",
    "patterns[0]",
    "resume_at[0].channel",
    "resume_at[0].stamp",
    "resume_at[0].sequence",
    "resume_at[2].channel",
    "resume_after.stamp",
    "resume_after.position",
  ]);
});

test.each([
  [{ channel: "" }, "channel"],
  [{ channel: "x".repeat(257) }, "channel"],
  [{ publisher: "x".repeat(129) }, "publisher"],
  [{ requestId: "x".repeat(65) }, "request_id"],
  [{ messageForm: { $case: "text" as const, value: "x".repeat(1_048_577) } }, "text"],
])("a publish out of its bounds is refused by name: %#", async (more, field) => {
  const t = await cacheScenario();
  await expect(publishTo(t, "news", "1", more)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    metadata: { field },
  });
});

test("the longest of everything is taken", async () => {
  const t = await cacheScenario();
  const channel = "x".repeat(256);
  const reader = await subscribeTo(t, { channels: [channel] });
  const text = "y".repeat(1_048_576);
  const more = { publisher: "p".repeat(128), requestId: "r".repeat(64) };
  await publishTo(t, channel, text, more);
  expect(await reader.take(1)).toEqual([`${channel} 1 ${text}`]);
});
