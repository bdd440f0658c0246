// Channels without the wire: who is shown what in which order, what rings keep, what is told to be missing, and every bound.

import { expect, test } from "vitest";
import { sequence } from "../../../src/base/brands.js";
import { channelLimits } from "../../../src/cache/channels/channel-limits.js";
import { refusal, TestHub, textContent } from "../../support/channels.js";

const messageBytes = channelLimits.messageOverheadBytes;

test("everybody who is subscribed is shown a message once, with the same number", () => {
  const t = new TestHub();
  const named = t.subscribe({ channels: ["news"] });
  const both = t.subscribe({ channels: ["news"], patterns: ["n*", "*s"] });
  const other = t.subscribe({ channels: ["sport"], patterns: ["x*"] });
  const { message, isReplayed } = t.publish("news", "a", { publisher: "me" });
  expect(message).toMatchObject({ sequence: 1, receivers: 2, publisher: "me", publishedAt: t.now });
  expect(isReplayed).toBe(false);
  expect(named.read()).toEqual(["news 1 a"]);
  expect(both.read()).toEqual(["news 1 a"]);
  expect(other.read()).toEqual([]);
  expect(t.hub.counts).toMatchObject({ published: 1, delivered: 2 });
});

test("channels of one name in two caches have nothing to do with each other", () => {
  const t = new TestHub();
  const here = t.subscribe({ patterns: ["*"] });
  const there = t.subscribe({ patterns: ["*"], cache: "other" });
  t.publish("news", "a");
  t.publish("news", "b", { cache: { namespace: "default", name: "other" } });
  expect(here.read()).toEqual(["news 1 a"]);
  expect(there.read()).toEqual(["news 1 b"]);
});

test("what waits in several channels is shown in the order in which it was published", () => {
  const t = new TestHub();
  const slow = t.subscribe({ channels: ["a", "b"], patterns: ["c*"] });
  const order = ["b", "a", "c1", "a", "b", "c2", "a", "c1"];
  order.forEach((channel, index) => void t.publish(channel, String(index)));
  expect(slow.read()).toEqual([
    "b 1 0",
    "a 1 1",
    "c1 1 2",
    "a 2 3",
    "b 2 4",
    "c2 1 5",
    "a 3 6",
    "c1 2 7",
  ]);
});

test("a slow subscriber loses what its channel's ring forgets, and is told of exactly that", () => {
  const t = new TestHub();
  t.retention = { messagesMax: 3, keepMs: 60_000 };
  const slow = t.subscribe({ channels: ["a", "b"] });
  t.publish("b", "first");
  for (let each = 1; each <= 5; each += 1) t.publish("a", String(each));
  expect(slow.read()).toEqual([
    "b 1 first",
    "a 1-2 lost slow_subscriber",
    "a 3 3",
    "a 4 4",
    "a 5 5",
  ]);
  t.publish("a", "6");
  expect(slow.read()).toEqual(["a 6 6"]);
});

test("what is lost in the middle stands between what was shown before and after it", () => {
  const t = new TestHub();
  t.retention = { messagesMax: 2, keepMs: 60_000 };
  const slow = t.subscribe({ channels: ["a"] });
  t.publish("a", "1");
  expect(slow.read()).toEqual(["a 1 1"]);
  for (let each = 2; each <= 6; each += 1) t.publish("a", String(each));
  expect(slow.read()).toEqual(["a 2-4 lost slow_subscriber", "a 5 5", "a 6 6"]);
});

test("a message is kept until its time is over, and not a millisecond longer", () => {
  const t = new TestHub();
  const first = t.subscribe({ channels: ["a"] });
  const place = first.placeOf("a", 0);
  t.publish("a", "1");
  t.advance(59_999);
  expect(t.subscribe({ channels: ["a"], places: [place] }).read()).toEqual(["a 1 1"]);
  t.advance(1);
  expect(t.subscribe({ channels: ["a"], places: [place] }).read()).toEqual([
    "a 1-1 lost not_retained",
  ]);
  expect(first.read()).toEqual(["a 1-1 lost slow_subscriber"]);
  expect(t.hub.ringBytes).toBe(0);
});

test("a ring keeps no more bytes than it may", () => {
  const t = new TestHub();
  const slow = t.subscribe({ channels: ["a"] });
  const size = channelLimits.messageBytesMax - messageBytes;
  for (let each = 1; each <= 8; each += 1) t.publish("a", "x".repeat(size));
  expect(t.hub.ringBytes).toBe(channelLimits.ringBytesMax);
  t.publish("a", "");
  expect(t.hub.ringBytes).toBeLessThan(channelLimits.ringBytesMax);
  expect(slow.read()[0]).toBe("a 1-1 lost slow_subscriber");
});

test("beyond what all rings may keep, the oldest message of the node goes, whichever channel it is of", () => {
  const t = new TestHub("s", 4 * messageBytes);
  const slow = t.subscribe({ channels: ["a", "b"] });
  t.publish("a", "");
  t.publish("b", "");
  t.publish("b", "");
  t.publish("a", "");
  expect(t.hub.ringBytes).toBe(4 * messageBytes);
  t.publish("b", "");
  expect(t.hub.ringBytes).toBe(4 * messageBytes);
  expect(slow.read()).toEqual(["a 1-1 lost slow_subscriber", "b 1 ", "b 2 ", "a 2 ", "b 3 "]);
  // What has more bytes than all of them may keep is kept alone.
  t.publish("a", "x".repeat(1_000));
  expect(t.hub.ringBytes).toBe(messageBytes + 1_000);
  expect(slow.read()).toEqual([`a 3 ${"x".repeat(1_000)}`]);
});

test("a channel without subscribers goes on numbering while its ring has something, and then begins anew with another stamp", () => {
  const t = new TestHub();
  const first = t.publish("a", "1");
  t.advance(59_999);
  expect(t.publish("a", "2")).toMatchObject({ message: { sequence: 2 }, stamp: first.stamp });
  t.advance(60_000);
  expect(t.hub.channelCount).toBe(0);
  const again = t.publish("a", "3");
  expect(again.message.sequence).toBe(1);
  expect(again.stamp).not.toBe(first.stamp);
});

test("a channel that somebody names keeps its numbers however quiet it is", () => {
  const t = new TestHub();
  const named = t.subscribe({ channels: ["a"] });
  const { stamp } = t.publish("a", "1");
  t.advance(3_600_000);
  expect(t.publish("a", "2")).toMatchObject({ message: { sequence: 2 }, stamp });
  named.leave();
  t.advance(60_000);
  expect(t.hub.channelCount).toBe(0);
  expect(t.publish("a", "3").stamp).not.toBe(stamp);
});

test("whoever has left is shown nothing and counts for nothing", () => {
  const t = new TestHub();
  const gone = t.subscribe({ channels: ["a"], patterns: ["*"] });
  expect(t.hub.subscriberCount).toBe(1);
  gone.leave();
  expect(t.hub.subscriberCount).toBe(0);
  expect(t.publish("a", "1").message.receivers).toBe(0);
  expect(gone.read()).toEqual([]);
});

test("a repeat with a request id answers as the first did, as long as the message is kept", () => {
  const t = new TestHub();
  const subscriber = t.subscribe({ channels: ["a"] });
  const first = t.publish("a", "1", { requestId: "r" });
  t.subscribe({ channels: ["a"] });
  expect(t.publish("a", "1", { requestId: "r" })).toEqual({ ...first, isReplayed: true });
  expect(t.publish("a", "1").message.sequence).toBe(2);
  for (const more of [{ content: textContent("2") }, { publisher: "p" }]) {
    const other = t.tryPublish("a", "1", { requestId: "r", ...more });
    expect(refusal(other)).toEqual({ kind: "channel_request_reused", requestId: "r" });
  }
  const bytes = { requestId: "r", content: { kind: "data", data: Buffer.from("1") } } as const;
  expect(refusal(t.tryPublish("a", "1", bytes))?.kind).toBe("channel_request_reused");
  expect(t.publish("b", "1", { requestId: "r" }).isReplayed).toBe(false);
  expect(subscriber.read()).toEqual(["a 1 1", "a 2 1"]);
  t.advance(60_000);
  expect(t.publish("a", "1", { requestId: "r" })).toMatchObject({
    isReplayed: false,
    message: { sequence: 3 },
  });
});

test("a subscription that comes back is shown what it missed, and goes on with what is published", () => {
  const t = new TestHub();
  const first = t.subscribe({ channels: ["a"] });
  t.publish("a", "1");
  first.leave();
  t.publish("a", "2");
  const back = t.subscribe({ channels: ["a"], places: [first.placeOf("a", 1)] });
  t.publish("a", "3");
  expect(back.read()).toEqual(["a 2 2", "a 3 3"]);
});

test("of a numbering that is no more, what is missed has its beginning in the old one and its end in the new one", () => {
  const before = new TestHub("before");
  const seen = before.subscribe({ channels: ["a", "b"] });
  before.publish("a", "1");
  const places = [seen.placeOf("a", 1), seen.placeOf("b", 0)];
  const t = new TestHub("after");
  t.retention = { messagesMax: 2, keepMs: 60_000 };
  for (let each = 1; each <= 3; each += 1) t.publish("a", String(each));
  const { joined } = t.subscribe({ channels: ["a", "b"], places });
  expect(joined.subscription.take(t.now)).toMatchObject({ stamp: joined.channels[0]?.stamp });
  const again = t.subscribe({ channels: ["a", "b"], places });
  expect(again.read()).toEqual([
    "a 2-1 lost renumbered",
    "b 1-0 lost renumbered",
    "a 2 2",
    "a 3 3",
  ]);
});

test("a subscription that was told of a gap has come no further than to what waits behind it in other channels", () => {
  const t = new TestHub();
  t.retention = { messagesMax: 1, keepMs: 60_000 };
  const first = t.subscribe({ patterns: ["*"] });
  for (const channel of ["a", "b", "a", "a"]) t.publish(channel, "");
  expect(first.take()).toMatchObject({ kind: "gap", from: 1, to: 2 });
  const after = first.position;
  first.leave();
  expect(after.position).toBe(1);
  expect(t.subscribe({ patterns: ["b"], after }).read()).toEqual(["b 1 "]);
});

test("a number that was never given out is of no numbering that anybody knows", () => {
  const t = new TestHub();
  const first = t.subscribe({ channels: ["a"] });
  t.publish("a", "1");
  const at = (seen: number) =>
    t.subscribe({ channels: ["a"], places: [first.placeOf("a", seen)] }).read();
  expect(at(1)).toEqual([]);
  expect(at(2)).toEqual(["a 3-0 lost renumbered", "a 1 1"]);
});

test("a position says where to go on in channels that a pattern found only while the subscriber was away", () => {
  const t = new TestHub();
  const first = t.subscribe({ patterns: ["n*"] });
  t.publish("n1", "1");
  t.publish("x", "no");
  expect(first.read()).toEqual(["n1 1 1"]);
  first.leave();
  t.publish("n2", "2");
  t.publish("n1", "3");
  t.publish("x", "no");
  const back = t.subscribe({ patterns: ["n*"], after: first.position });
  expect(back.read()).toEqual(["n2 1 2", "n1 2 3"]);
  expect(t.subscribe({ patterns: ["n*"], after: back.position }).read()).toEqual([]);
});

test("of a channel that a pattern finds, what is not kept any more is told with the numbers that are known", () => {
  const t = new TestHub();
  t.retention = { messagesMax: 1, keepMs: 60_000 };
  t.publish("old", "1");
  const first = t.subscribe({ patterns: ["*"] });
  const { position } = first;
  first.leave();
  for (const text of ["2", "3"]) t.publish("old", text);
  for (const text of ["1", "2", "3"]) t.publish("new", text);
  expect(t.subscribe({ patterns: ["*"], after: position }).read()).toEqual([
    // Where it was in this one nobody knows, since it never saw anything of it;
    "old 0-2 lost not_retained",
    // this one was not there, so all of it is missing.
    "new 1-2 lost not_retained",
    "old 3 3",
    "new 3 3",
  ]);
});

test("of channels that were forgotten meanwhile, whoever has patterns is told that something may be missing", () => {
  const t = new TestHub();
  const first = t.subscribe({ patterns: ["*"] });
  t.publish("a", "1");
  first.read();
  const seen = first.position;
  first.leave();
  t.advance(60_000);
  // It had seen all of it.
  expect(t.subscribe({ patterns: ["*"], after: seen }).read()).toEqual([]);
  t.publish("b", "2");
  t.advance(60_000);
  expect(t.subscribe({ patterns: ["*"], after: seen }).read()).toEqual(["? 0-0 lost not_retained"]);
  const place = { channel: "a", sequence: sequence(1), stamp: "gone" };
  expect(t.subscribe({ patterns: ["*"], places: [place], after: seen }).read()).toEqual([
    "a 2-0 lost renumbered",
    "? 0-0 lost not_retained",
  ]);
});

test("a place in a channel that was forgotten is no loss to who had seen everything", () => {
  const t = new TestHub();
  const first = t.subscribe({ patterns: ["*"] });
  const { stamp } = t.publish("a", "1");
  first.read();
  const after = first.position;
  first.leave();
  t.advance(60_000);
  const places = [{ channel: "a", sequence: sequence(1), stamp }];
  expect(t.subscribe({ patterns: ["*"], places, after }).read()).toEqual([]);
  t.publish("a", "2");
  expect(t.subscribe({ patterns: ["*"], places, after }).read()).toEqual(["a 1 2"]);
});

test("a position of another node is before everything here", () => {
  const before = new TestHub("before");
  const { position: after } = before.subscribe({ patterns: ["*"] });
  const t = new TestHub("after");
  t.publish("a", "1");
  t.publish("b", "1");
  expect(t.subscribe({ patterns: ["a"], after }).read()).toEqual([
    "? 0-0 lost renumbered",
    "a 1 1",
  ]);
  expect(t.subscribe({ channels: ["a"], after }).read()).toEqual([
    "a 0-0 lost renumbered",
    "a 1 1",
  ]);
});

test("a channel that is named and was made meanwhile may have been another one", () => {
  const t = new TestHub();
  const first = t.subscribe({ patterns: ["*"] });
  const after = first.position;
  first.leave();
  t.publish("a", "1");
  const second = t.subscribe({ channels: ["a"], after });
  expect(second.read()).toEqual(["a 1 1"]);
  second.leave();
  t.advance(60_000);
  t.publish("a", "2");
  expect(t.subscribe({ channels: ["a"], after }).read()).toEqual([
    "a 0-0 lost not_retained",
    "a 1 2",
  ]);
});

test("a heartbeat's position is past what is not for the subscription, and never past what waits for it", () => {
  const t = new TestHub();
  const { joined } = t.subscribe({ channels: ["a"] });
  t.publish("x", "1");
  joined.subscription.caughtUp(t.hub.position);
  expect(joined.subscription.position).toBe(1);
  t.publish("a", "2");
  t.publish("x", "3");
  joined.subscription.caughtUp(t.hub.position);
  expect(joined.subscription.position).toBe(1);
});

test("a cache that is deleted ends its subscriptions, and its channels are forgotten", () => {
  const t = new TestHub();
  const ended: string[] = [];
  const gone = t.subscribe(
    { channels: ["a"], patterns: ["b*"] },
    { ended: () => ended.push("here") },
  );
  t.subscribe({ channels: ["a"], cache: "other" }, { ended: () => ended.push("other") });
  t.publish("a", "1");
  t.hub.sweep(t.now);
  t.hub.ended({ namespace: "default", name: "default" });
  gone.leave();
  expect(ended).toEqual(["here"]);
  expect(t.hub).toMatchObject({ channelCount: 1, subscriberCount: 1, ringBytes: 0 });
  expect(t.publish("a", "2").message.sequence).toBe(1);
  t.hub.clear();
  expect(t.hub).toMatchObject({ channelCount: 0, ringBytes: 0 });
});

test("a node has so many channels, and one more when another is forgotten", () => {
  const t = new TestHub();
  const { channelsMax } = channelLimits;
  for (let each = 0; each < channelsMax; each += 1) t.publish(String(each), "");
  const limited = { kind: "channel_limit", limit: channelsMax };
  expect(refusal(t.tryPublish("more", ""))).toEqual(limited);
  expect(refusal(t.trySubscribe({ channels: ["more"] }))).toEqual(limited);
  t.publish("0", "again");
  t.advance(60_000);
  t.publish("more", "");
  expect(t.hub.channelCount).toBeLessThan(channelsMax);
});

test("a node has so many different patterns, whoever has the same", () => {
  const t = new TestHub();
  const { patternsMax, patternsPerCallMax } = channelLimits;
  const made = Array.from({ length: patternsMax / patternsPerCallMax }, (_, call) =>
    t.subscribe({
      patterns: Array.from({ length: patternsPerCallMax }, (_none, each) => `${call}.${each}.*`),
    }),
  );
  expect(refusal(t.trySubscribe({ patterns: ["*"] }))).toEqual({
    kind: "pattern_limit",
    limit: patternsMax,
  });
  const same = t.subscribe({ patterns: ["0.0.*"] });
  made[0]?.leave();
  t.subscribe({ patterns: ["*"] });
  expect(t.publish("0.0.x", "1").message.receivers).toBe(2);
  expect(same.read()).toEqual(["0.0.x 1 1"]);
});

test("a node has so many subscriptions", () => {
  const t = new TestHub();
  const { subscribersMax: limit } = channelLimits;
  const all = Array.from({ length: limit }, () => t.subscribe({ channels: ["a"] }));
  const refused = { kind: "subscriber_limit", limit };
  expect(refusal(t.trySubscribe({ channels: ["a"] }))).toEqual(refused);
  all[0]?.leave();
  expect(refusal(t.trySubscribe({ channels: ["a"] }))).toBeUndefined();
});
