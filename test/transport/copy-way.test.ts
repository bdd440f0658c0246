// Parts of a copy have a connection of their own: what is slow there makes nothing else wait.

import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Clock, createSystemClock } from "../../src/base/clock.js";
import {
  type PeerMessage,
  StateSlice,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import {
  append,
  configurationOf,
  memberOf,
  pause,
  roundsOf,
  startMember,
  type TestMember,
  until,
} from "./harness.js";

const offer: PeerMessage = {
  kind: {
    $case: "offerSnapshot",
    value: {
      epoch: 1n,
      snapshotId: 1n,
      startSeq: 0n,
      startEpoch: 0n,
      startChain: Buffer.alloc(16),
      epochStarts: [],
      config: undefined,
      estimatedBytes: 0n,
    },
  },
};

function slice(bytes: number): PeerMessage {
  const row = { key: Buffer.alloc(8), value: Buffer.alloc(bytes), mayReplaceChunks: false };
  return { kind: { $case: "stateSlice", value: StateSlice.fromPartial({ rows: [row] }) } };
}

/** A line to a member on which every connection but the first lets through only so much of what is sent to it. */
interface Line {
  readonly endpoint: string;
  /** Since the beginning. */
  readonly connectionCount: () => number;
  readonly openCount: () => number;
  readonly server: Server;
}

async function lineTo(member: TestMember, laterBytesMax: number): Promise<Line> {
  const [host = "", port] = member.endpoint.split(":");
  let connectionCount = 0;
  let openCount = 0;
  const server = createServer((near: Socket) => {
    connectionCount += 1;
    openCount += 1;
    near.on("close", () => {
      openCount -= 1;
    });
    let left = connectionCount === 1 ? Number.POSITIVE_INFINITY : laterBytesMax;
    const far = connect({ host, port: Number(port) });
    near.on("data", (chunk: Buffer) => {
      far.write(chunk.subarray(0, Math.max(0, left)));
      left -= chunk.length;
      if (left <= 0) near.pause();
    });
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : 0;
  return {
    endpoint: `127.0.0.1:${bound}`,
    connectionCount: () => connectionCount,
    openCount: () => openCount,
    server,
  };
}

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

async function connected(laterBytesMax: number, clock: Clock = createSystemClock()) {
  const a = await startMember("a", { clock });
  const b = await startMember("b");
  const line = await lineTo(b, laterBytesMax);
  opened.push(a.network, b.network, line.server);
  const there = { ...memberOf(b), replicationEndpoint: line.endpoint };
  a.network.setConfiguration(configurationOf([memberOf(a), there]));
  await until(() => a.network.isReady(b.id));
  return { a, b, line };
}

// A busy machine may miss a bound of real time once; a way that misses it always fails.
test("records and heartbeats arrive while a part of a copy is stuck", { retry: 2 }, async () => {
  const { a, b, line } = await connected(300_000);
  a.network.send(b.id, offer);
  await until(() => line.connectionCount() === 2 && b.heard.length === 1);
  await pause(100);
  a.network.send(b.id, slice(1_000_000));
  const from = performance.now();
  for (let round = 0; round < 5; round += 1) {
    a.network.send(b.id, append(round, 10_000));
    await until(() => roundsOf(b.heard).length === round + 1, 1_000);
  }
  expect(performance.now() - from).toBeLessThan(700);
  expect(b.heard.some(({ message }) => message.kind?.$case === "stateSlice")).toBe(false);
  expect(a.network.isReady(b.id)).toBe(true);
});

test("parts of a copy arrive over it, and over the other one before it is up", async () => {
  const { a, b, line } = await connected(Number.POSITIVE_INFINITY);
  a.network.send(b.id, slice(1_000_000));
  await until(() => b.heard.length === 1 && line.connectionCount() === 2);
  await pause(100);
  a.network.send(b.id, slice(1_000_000));
  await until(() => b.heard.length === 2);
  expect(b.heard.map(({ from }) => from)).toEqual([a.id, a.id]);
});

test("a copy's connection is closed when nothing was sent over it for a while, and made again for the next", async () => {
  const clock = createSystemClock();
  const impatient = {
    ...clock,
    setTimer: (delayMs: number, fire: () => void) =>
      clock.setTimer(delayMs === 15_000 ? 400 : delayMs, fire),
  };
  const { a, b, line } = await connected(Number.POSITIVE_INFINITY, impatient);
  a.network.send(b.id, offer);
  await until(() => line.openCount() === 2);
  await until(() => line.openCount() === 1);
  expect(a.network.isReady(b.id)).toBe(true);
  a.network.send(b.id, slice(100));
  await until(() => line.connectionCount() === 3);
});

test("without a copy there is no second connection", async () => {
  const { a, b, line } = await connected(0);
  a.network.send(b.id, append(1, 100));
  await until(() => b.heard.length === 1);
  expect(line.connectionCount()).toBe(1);
});
