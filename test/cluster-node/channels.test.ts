// Channels in a cluster: any node takes any publish and any subscription, the leader has them all, and when another one leads a
// subscription goes on there and is told that numbers began anew.

import { type ChannelEvent, ClusterAdmin, ForebayClient } from "@forebay/client";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  SubscribeToChannelsRequest,
  SubscribeToChannelsResponse,
} from "../../src/gen/forebay/cache/v1/channel_service.js";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { callErrorOf } from "../support/call-error.js";
import { TestCluster, type TestNode } from "./cluster.js";

describeWithEtcd("a cluster", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  function clientOf({ endpoint }: TestNode): ForebayClient {
    const client = new ForebayClient({ endpoint, timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    return client;
  }

  test("shows at one node that follows what is published at another, and goes on when another one leads", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const events: ChannelEvent[] = [];
    let readies = 0;
    const onReady = () => {
      readies += 1;
    };
    const listening = clientOf(other)
      .cache()
      .subscribe({ channels: ["news"], patterns: ["room-*"], onReady, signal: stop.signal });
    const gathered = (async () => {
      for await (const event of listening) events.push(event);
    })();
    await expect.poll(() => readies, { timeout: 20_000 }).toBe(1);
    const speaker = clientOf(one).cache();
    const before = await speaker.publish("news", "1");
    expect(before).toMatchObject({ sequence: 1, receivers: 1 });
    await speaker.publish("room-7", "2");
    await expect.poll(() => events.length, { timeout: 20_000 }).toBe(2);
    const raw = endOfRawStream(leader);
    const { host, port } = leader.server.managementAddress;
    const admin = new ClusterAdmin({ endpoint: `${host}:${port}` });
    onTestFinished(() => admin.close());
    await raw.ready;
    await admin.handOver();
    expect(await raw.ended).toMatchObject({ code: "UNAVAILABLE", reason: "LEADERSHIP_LOST" });
    await expect.poll(() => readies, { timeout: 20_000 }).toBeGreaterThan(1);
    const after = await speaker.publish("news", "3");
    expect(after).toMatchObject({ sequence: 1, receivers: 1 });
    expect(after.stamp).not.toBe(before.stamp);
    const last = () => events.at(-1);
    await expect.poll(last, { timeout: 20_000 }).toMatchObject({ data: "3", stamp: after.stamp });
    const told = events.slice(2, -1);
    // Told again, should the connection break once more before it is ready.
    expect(new Set(told.map(({ kind }) => kind))).toEqual(new Set(["discontinuity"]));
    const renumbered = { kind: "discontinuity", cause: "renumbered" };
    for (const lost of [
      { ...renumbered, channel: "news", from: 2, to: undefined },
      { ...renumbered, channel: "room-7", from: 2, stamp: undefined },
      { ...renumbered, channel: undefined, from: undefined },
    ]) {
      expect(told).toContainEqual(expect.objectContaining(lost));
    }
    stop.abort();
    await gathered;
  }, 120_000);
});

/** A subscription over a bare client, which does not go on by itself. */
function endOfRawStream({ endpoint }: TestNode) {
  const client = new Client(endpoint, credentials.createInsecure());
  onTestFinished(() => client.close());
  const call = client.makeServerStreamRequest(
    "/forebay.cache.v1.ChannelService/SubscribeToChannels",
    (value: SubscribeToChannelsRequest) =>
      Buffer.from(SubscribeToChannelsRequest.encode(value).finish()),
    (bytes) => SubscribeToChannelsResponse.decode(bytes),
    SubscribeToChannelsRequest.fromPartial({ cache: "default", channels: ["other"] }),
  );
  return {
    ready: new Promise<void>((resolve) => call.once("data", () => resolve())),
    ended: new Promise((resolve) => {
      call.on("error", (error: ServiceError) => resolve(callErrorOf(error)));
    }),
  };
}
