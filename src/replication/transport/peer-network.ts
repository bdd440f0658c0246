// The `Network` of the replication protocol over gRPC. Each member dials every other member of the configuration and keeps one
// stream there; what it asks as leader or candidate goes over the stream it dialled, and what it answers over the stream on which
// it was asked. So two members that both may ask have two connections, and a way that works in one direction only is used.
//
// How to use it:
//
//   const network = createPeerNetwork({ ..., receive: (from, message) => member.receive(from, message),
//                                            networkReady: (to) => member.networkReady(to) });
//   const address = await network.listen(config.replicationListen);   // the port that was chosen, for the configuration
//   network.setConfiguration(configuration);   // first from the disk or the coordinator, then at every configurationChanged
//   ...
//   await network.close();
//
// Messages to members that the configuration does not name are lost, save answers to one that dialled. A message handed to
// `send`, and the bytes in it, must not change afterwards: records are sent from where they are.

import type { MemberId } from "../../base/brands.js";
import type { Clock } from "../../base/clock.js";
import type { Log } from "../../base/log.js";
import type { Address } from "../../config/address.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import type { Configuration, GroupMember } from "../../store/replica-disk.js";
import type { Network } from "../ports.js";
import { Dialler } from "./dialler.js";
import type { Identity } from "./introduction.js";
import type { PeerLink, SendOutcome } from "./peer-link.js";
import { PeerListener } from "./peer-listener.js";
import { createPeerTls, type PeerTlsOptions } from "./peer-tls.js";

export interface PeerNetworkOptions extends Identity {
  /** Certificates of the cluster; undefined: in the clear, which is refused beyond this machine. */
  readonly tls: PeerTlsOptions | undefined;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
  receive(from: MemberId, message: PeerMessage): void;
  networkReady(to: MemberId): void;
}

export interface PeerNetwork extends Network {
  /** Begins to accept. Rejects with an OperatorFault. */
  listen(address: Address): Promise<Address>;
  /** Dials who is new, redials who has moved, forgets who is gone. */
  setConfiguration(configuration: Configuration): void;
  /** Of every other member, for metrics and for people. */
  status(): readonly PeerStatus[];
  /** Stops dialling and listening; nothing is called back once it has resolved. */
  close(): Promise<void>;
}

/** How the way to a member is. */
export interface PeerStatus {
  readonly id: MemberId;
  readonly node: string;
  readonly endpoint: string;
  /** Whether the way dialled from here is up. */
  readonly isUp: boolean;
  /** Whether the member has dialled here. */
  readonly hasDialled: boolean;
  /** Why the way is not up, in words. */
  readonly why: string | undefined;
  /** Waits in memory for the socket. */
  readonly unsentBytes: number;
  /** Messages that were lost here, because there was no way or no room. */
  readonly droppedCount: number;
  /** How often the way was lost. */
  readonly downCount: number;
}

export function createPeerNetwork(options: PeerNetworkOptions): PeerNetwork {
  return new GrpcPeerNetwork(options);
}

interface Peer {
  member: GroupMember;
  dialler: Dialler;
  droppedCount: number;
}

class GrpcPeerNetwork implements PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #tls: ReturnType<typeof createPeerTls> | undefined;
  readonly #listener: PeerListener;
  readonly #peers = new Map<MemberId, Peer>();
  #isClosed = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    const { clock, log, tls } = options;
    this.#tls = tls === undefined ? undefined : createPeerTls(tls, log);
    this.#listener = new PeerListener({
      self: options,
      tls: this.#tls,
      clock,
      log,
      nodeOf: (member) => this.#peers.get(member)?.member.node,
      received: (from, message) => this.#receive(from, message),
    });
  }

  send(to: MemberId, message: PeerMessage): void {
    const link = this.#linkFor(to, message);
    const outcome: SendOutcome = link?.send(message) ?? "closed";
    if (outcome === "queued") return;
    const peer = this.#peers.get(to);
    if (peer !== undefined) peer.droppedCount += 1;
    const fields = { peer: to, message: message.kind?.$case, why: outcome };
    // Too long for the wire is a bug of the floors above, which will send it again and again.
    if (outcome === "too_long") this.#options.log.error(fields, "a message was not sent");
    else this.#options.log.debug(fields, "a message was not sent");
  }

  isReady(to: MemberId): boolean {
    return this.#peers.get(to)?.dialler.link?.isReady ?? false;
  }

  listen(address: Address): Promise<Address> {
    return this.#listener.listen(address);
  }

  setConfiguration({ members }: Configuration): void {
    if (this.#isClosed) return;
    const wanted = new Map(members.map((member) => [member.id, member]));
    wanted.delete(this.#options.memberId);
    for (const [id, peer] of this.#peers) {
      if (wanted.has(id)) continue;
      peer.dialler.stop();
      this.#peers.delete(id);
    }
    for (const member of wanted.values()) this.#meet(member);
  }

  status(): readonly PeerStatus[] {
    return [...this.#peers.values()].map(({ member, dialler, droppedCount }) => ({
      id: member.id,
      node: member.node,
      endpoint: member.replicationEndpoint,
      isUp: dialler.link !== undefined,
      hasDialled: this.#listener.linkOf(member.id) !== undefined,
      why: dialler.why,
      unsentBytes: dialler.link?.unsentBytes ?? 0,
      droppedCount,
      downCount: dialler.downCount,
    }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { dialler } of this.#peers.values()) dialler.stop();
    this.#peers.clear();
    await this.#listener.close();
  }

  #meet(member: GroupMember): void {
    const known = this.#peers.get(member.id);
    if (known !== undefined && isSameWay(known.member, member)) {
      known.member = member;
      return;
    }
    known?.dialler.stop();
    const { clock, random, log, networkReady } = this.#options;
    const dialler = new Dialler({
      member,
      self: this.#options,
      tls: this.#tls,
      clock,
      random,
      log,
      received: (message) => this.#receive(member.id, message),
      ready: () => networkReady(member.id),
    });
    this.#peers.set(member.id, { member, dialler, droppedCount: known?.droppedCount ?? 0 });
  }

  #receive(from: MemberId, message: PeerMessage): void {
    if (!this.#isClosed) this.#options.receive(from, message);
  }

  #linkFor(to: MemberId, message: PeerMessage): PeerLink | undefined {
    return isAnswer(message) ? this.#listener.linkOf(to) : this.#peers.get(to)?.dialler.link;
  }
}

const isSameWay = (one: GroupMember, other: GroupMember): boolean =>
  one.replicationEndpoint === other.replicationEndpoint && one.node === other.node;

/** What a member says because it was asked, and so over the stream that the other one dialled. */
function isAnswer({ kind }: PeerMessage): boolean {
  switch (kind?.$case) {
    case "position":
    case "helloAck":
    case "refusal":
    case "ack":
    case "nack":
    case "logSlice":
    case "askSlice":
      return true;
    case "introduction":
    case "askPosition":
    case "hello":
    case "append":
    case "fetchLog":
    case "offerSnapshot":
    case "stateSlice":
    case "transferNow":
    case undefined:
      return false;
  }
}
