// Members over real sockets on this machine, each with the network under test and a list of what it was told.

import { groupId, type MemberId, memberId } from "../../src/base/brands.js";
import { createSystemClock } from "../../src/base/clock.js";
import type { Log } from "../../src/base/log.js";
import { silentLog } from "../../src/base/log.js";
import { addressText } from "../../src/config/address.js";
import { Append, PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import {
  createPeerNetwork,
  type PeerNetwork,
  type PeerNetworkOptions,
} from "../../src/replication/transport/peer-network.js";
import type { Configuration, GroupMember } from "../../src/store/replica-disk.js";

export const group = groupId("00112233445566778899aabbccddeeff");

export interface Heard {
  readonly from: MemberId;
  readonly message: PeerMessage;
}

export interface TestMember {
  readonly id: MemberId;
  readonly node: string;
  readonly network: PeerNetwork;
  /** Where others reach it. */
  readonly endpoint: string;
  readonly heard: Heard[];
  readonly readyFrom: MemberId[];
}

export const idOf = (node: string): MemberId =>
  memberId(Buffer.from(node.padEnd(16, ".")).toString("hex"));

export async function startMember(
  node: string,
  { listenPort = 0, ...changes }: Partial<PeerNetworkOptions> & { listenPort?: number } = {},
): Promise<TestMember> {
  const heard: Heard[] = [];
  const readyFrom: MemberId[] = [];
  const id = changes.memberId ?? idOf(node);
  const network = createPeerNetwork({
    groupId: group,
    memberId: id,
    release: "test",
    tls: undefined,
    clock: createSystemClock(),
    random: () => 0.5,
    log: silentLog,
    receive: (from, message) => heard.push({ from, message }),
    networkReady: (to) => readyFrom.push(to),
    ...changes,
  });
  const address = await network.listen({ host: "127.0.0.1", port: listenPort });
  return { id, node, network, endpoint: addressText(address), heard, readyFrom };
}

export const memberOf = ({
  id,
  node,
  endpoint,
}: Pick<TestMember, "id" | "node" | "endpoint">): GroupMember => ({
  id,
  node,
  zone: node,
  isVoter: true,
  replicationEndpoint: endpoint,
  dataEndpoint: "127.0.0.1:1",
});

export const configurationOf = (members: readonly GroupMember[], version = 1): Configuration => ({
  version,
  members,
  acks: "quorum",
});

/** Tells all of them of all of them and waits until every way is up. */
export async function acquaint(...members: readonly TestMember[]): Promise<void> {
  const configuration = configurationOf(members.map(memberOf));
  for (const { network } of members) network.setConfiguration(configuration);
  await until(() => members.every(({ network }) => isConnected(network)));
}

export const isConnected = (network: PeerNetwork): boolean =>
  network.status().every(({ isUp, hasDialled }) => isUp && hasDialled);

/** Waits for what happens elsewhere, and fails with the last state when it does not. */
export async function until(
  holds: () => boolean,
  waitMs = 10_000,
  state?: () => unknown,
): Promise<void> {
  const from = performance.now();
  while (!holds()) {
    if (performance.now() - from > waitMs) {
      throw new Error(`It did not come to be in ${waitMs} ms. ${JSON.stringify(state?.()) ?? ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });

export const hello = (epoch: number): PeerMessage => ({
  kind: { $case: "hello", value: { epoch: BigInt(epoch) } },
});

/** An Append with one record of this many bytes, recognisable by its round. */
export function append(round: number, recordBytes: number): PeerMessage {
  const record = Buffer.alloc(recordBytes, round & 255);
  const entry = { record, crc32: 1, chain: Buffer.alloc(16, round & 255) };
  // Not every field: those that come later are at their defaults.
  const value = Append.fromPartial({
    epoch: 1n,
    prevSeq: BigInt(round),
    prevEpoch: 1n,
    prevChain: Buffer.alloc(16, 7),
    leaderTime: { seconds: 1n, nanos: 0 },
    sentAt: 0.5,
    round: BigInt(round),
  });
  return {
    kind: { $case: "append", value: { ...value, entries: recordBytes === 0 ? [] : [entry] } },
  };
}

/** Whether two messages say the same; by their bytes, since comparing megabytes one by one takes a minute. */
export const isSame = (one: PeerMessage, other: PeerMessage): boolean =>
  Buffer.compare(PeerMessage.encode(one).finish(), PeerMessage.encode(other).finish()) === 0;

/** The rounds of the Appends heard, in the order they came. */
export const roundsOf = (heard: readonly Heard[]): number[] =>
  heard.flatMap(({ message: { kind } }) =>
    kind?.$case === "append" ? [Number(kind.value.round)] : [],
  );

/** A log that remembers its lines. */
export function rememberingLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const at =
    (level: string) =>
    (fields: unknown, line?: unknown): void => {
      lines.push({ ...(fields as object), level, line });
    };
  const levels = ["trace", "debug", "info", "warn", "error", "fatal"];
  const log = Object.fromEntries(levels.map((level) => [level, at(level)]));
  return { log: log as unknown as Log, lines };
}
