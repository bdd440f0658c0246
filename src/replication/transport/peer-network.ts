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

import type { Socket } from "node:net";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { MemberId } from "../../base/brands.js";
import type { Clock } from "../../base/clock.js";
import type { Log } from "../../base/log.js";
import type { Address } from "../../config/address.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import type { Configuration, GroupMember } from "../../store/replica-disk.js";
import type { Network } from "../ports.js";
import type { Identity } from "./introduction.js";
import { PeerListener } from "./peer-listener.js";
import { callsServerName, createPeerTls, type PeerTls, type PeerTlsOptions } from "./peer-tls.js";
import { PeerWays } from "./peer-ways.js";

export interface PeerNetworkOptions extends Identity {
  /** Certificates of the cluster; undefined: in the clear, which is refused beyond this machine. */
  readonly tls: PeerTlsOptions | undefined;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
  receive(from: MemberId, message: PeerMessage): void;
  networkReady(to: MemberId): void;
  /** Another node will pass calls of applications on over this connection; unset: nobody may. */
  takeCalls?(socket: Socket): void;
}

/** How calls are passed on to a member's node, with the certificates of members. */
export interface CallsWay {
  readonly endpoint: string;
  /** For connections made from now on; another object once the certificates have changed. */
  credentials(): ChannelCredentials;
  /** What a connection must be asked for by, to be one for calls. */
  readonly serverName: string;
}

export interface PeerNetwork extends Network {
  /** Begins to accept. Rejects with an OperatorFault. */
  listen(address: Address): Promise<Address>;
  /** Dials who is new, redials who has moved, forgets who is gone. */
  setConfiguration(configuration: Configuration): void;
  /** Of every other member, for metrics and for people. */
  status(): readonly PeerStatus[];
  /** Undefined without certificates. */
  callsWayTo(member: Pick<GroupMember, "node" | "replicationEndpoint">): CallsWay | undefined;
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
  readonly member: GroupMember;
  readonly ways: PeerWays;
}

class GrpcPeerNetwork implements PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #tls: PeerTls | undefined;
  readonly #listener: PeerListener;
  readonly #peers = new Map<MemberId, Peer>();
  #isClosed = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    const { clock, log, tls } = options;
    this.#tls = tls === undefined ? undefined : createPeerTls(tls, { clock, log });
    this.#listener = new PeerListener({
      self: options,
      tls: this.#tls,
      clock,
      log,
      nodeOf: (member) => this.#peers.get(member)?.member.node,
      received: (from, message) => this.#receive(from, message),
      takeCalls: (socket) => {
        if (options.takeCalls === undefined) socket.destroy();
        else options.takeCalls(socket);
      },
    });
  }

  send(to: MemberId, message: PeerMessage): void {
    const ways = this.#peers.get(to)?.ways;
    let outcome = "closed";
    if (isAnswer(message)) {
      outcome = this.#listener.linkOf(to)?.send(message) ?? "closed";
      if (outcome !== "queued") ways?.answerDropped();
    } else if (ways !== undefined) {
      outcome = ways.send(message);
    }
    if (outcome === "queued") return;
    const fields = { peer: to, message: message.kind?.$case, why: outcome };
    // Too long for the wire is a bug of the floors above, which will send it again and again.
    if (outcome === "too_long") this.#options.log.error(fields, "a message was not sent");
    else this.#options.log.debug(fields, "a message was not sent");
  }

  isReady(to: MemberId): boolean {
    return this.#peers.get(to)?.ways.isReady ?? false;
  }

  listen(address: Address): Promise<Address> {
    return this.#listener.listen(address);
  }

  setConfiguration({ members }: Configuration): void {
    if (this.#isClosed) return;
    const wanted = new Map(members.map((member) => [member.id, member]));
    wanted.delete(this.#options.memberId);
    for (const [id, { ways }] of this.#peers) {
      if (wanted.has(id)) continue;
      ways.stop();
      this.#peers.delete(id);
    }
    for (const member of wanted.values()) this.#meet(member);
  }

  status(): readonly PeerStatus[] {
    return [...this.#peers.values()].map(({ member, ways }) => ({
      id: member.id,
      node: member.node,
      endpoint: member.replicationEndpoint,
      isUp: ways.isUp,
      hasDialled: this.#listener.linkOf(member.id) !== undefined,
      why: ways.why,
      unsentBytes: ways.unsentBytes,
      droppedCount: ways.droppedCount,
      downCount: ways.downCount,
    }));
  }

  callsWayTo({
    node,
    replicationEndpoint: endpoint,
  }: Pick<GroupMember, "node" | "replicationEndpoint">): CallsWay | undefined {
    const tls = this.#tls;
    if (tls === undefined) return undefined;
    return { endpoint, credentials: () => tls.credentialsFor(node), serverName: callsServerName };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { ways } of this.#peers.values()) ways.stop();
    this.#peers.clear();
    await this.#listener.close();
    this.#tls?.stop();
  }

  #meet(member: GroupMember): void {
    const known = this.#peers.get(member.id);
    if (known?.ways.leadsTo(member)) return;
    known?.ways.stop();
    const { clock, random, log, networkReady } = this.#options;
    const ways = new PeerWays({
      member,
      self: this.#options,
      tls: this.#tls,
      clock,
      random,
      log,
      received: (message) => this.#receive(member.id, message),
      ready: () => networkReady(member.id),
    });
    this.#peers.set(member.id, { member, ways });
  }

  #receive(from: MemberId, message: PeerMessage): void {
    if (!this.#isClosed) this.#options.receive(from, message);
  }
}

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
