// Where other members come in (7402 by default): accepts connections, with certificates on both sides unless it is for this
// machine only, and makes a link of each stream whose caller belongs here. Answers go back over the link that the question came
// on. Whoever comes without a certificate of the cluster is told so by a status, as the contract says, rather than by a reset.
// Connections over which a node passes calls on are handed to whoever serves those.

import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { status } from "@grpc/grpc-js";
import type { MemberId } from "../../base/brands.js";
import type { Clock, Timer } from "../../base/clock.js";
import type { Log } from "../../base/log.js";
import { OperatorFault } from "../../base/operator-fault.js";
import { type Address, addressText, isLoopback } from "../../config/address.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import { WireFault } from "../../rpc/status-details.js";
import { Complaints } from "./complaints.js";
import {
  certificateRequired,
  type Identity,
  introduced,
  introductionOf,
  shuttingDown,
} from "./introduction.js";
import {
  callConnectionCountMax,
  closeGraceMs,
  connectionCountMax,
  connectionWindowBytes,
  handshakeMsMax,
  headerBytesMax,
  streamCountMax,
  streamWindowBytes,
} from "./limits.js";
import { PeerLink } from "./peer-link.js";
import { callsServerName, type PeerCertificate, type PeerTls } from "./peer-tls.js";
import { connectPath, isGrpc, type Lane, laneOf, responseHeaders, trailersOf } from "./wire.js";

export interface PeerListenerParts {
  readonly self: Identity;
  /** Undefined: in the clear, and then on this machine only. */
  readonly tls: PeerTls | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** The node that runs a member, if the configuration knows the member: its certificate must be that node's. */
  nodeOf(member: MemberId): string | undefined;
  received(from: MemberId, message: PeerMessage): void;
  /** A node of the cluster will pass calls on over this connection. */
  takeCalls(socket: TLSSocket): void;
}

/** The listener for members could not be opened; the message says what to do about it. */
class PeerListenFault extends OperatorFault {
  override readonly name = "PeerListenFault";
}

/** A stream that somebody opened. */
interface Caller {
  readonly stream: ServerHttp2Stream;
  readonly socket: Socket;
  readonly certificate: PeerCertificate;
  readonly lane: Lane;
  readonly timer: Timer;
  link?: PeerLink;
  /** Who it is; undefined before it said so. */
  from?: MemberId;
  isRefused?: boolean;
}

export class PeerListener {
  readonly #parts: PeerListenerParts;
  readonly #complaints: Complaints;
  readonly #tcp: Server;
  readonly #sockets = new Set<Socket>();
  readonly #callers = new Set<Caller>();
  /** Connections that are not for calls. */
  readonly #sessions = new Set<ServerHttp2Session>();
  /** The newest stream of each member, for each of the things they are for. */
  readonly #links: Readonly<Record<Lane, Map<MemberId, Caller>>> = {
    main: new Map(),
    copy: new Map(),
  };
  #isClosing = false;

  constructor(parts: PeerListenerParts) {
    this.#parts = parts;
    const { tls, clock, log } = parts;
    this.#complaints = new Complaints(clock, log);
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#tcp.maxConnections = connectionCountMax + callConnectionCountMax;
    tls?.onSecure((socket, certificate) => {
      // Without a certificate of the cluster it is told so, as everybody.
      const isForCalls = socket.servername === callsServerName && certificate.kind === "node";
      if (isForCalls) parts.takeCalls(socket);
      else this.#serve(socket, certificate);
    });
    tls?.onRefused((from, why) => this.#turnedAway(from, why));
  }

  /** Begins to accept; resolves with the address, in which a port of 0 is replaced by the one chosen. */
  async listen(address: Address): Promise<Address> {
    if (this.#parts.tls === undefined && !isLoopback(address)) {
      throw new PeerListenFault(
        `Members of a cluster talk over ${addressText(address)} only with certificates: set replication_ca_file, ` +
          "replication_cert_file and replication_key_file (forebay init makes them), or listen on 127.0.0.1.",
      );
    }
    return await new Promise((resolve, reject) => {
      const onError = (error: Error): void => {
        const what = `Cannot listen for members on ${addressText(address)}: ${error.message}.`;
        reject(new PeerListenFault(what, { cause: error }));
      };
      this.#tcp.once("error", onError);
      this.#tcp.listen(address, () => {
        this.#tcp.off("error", onError);
        // Later errors of accepting (out of file descriptors) end connections, not the server.
        this.#tcp.on("error", () => undefined);
        const bound = this.#tcp.address();
        const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
        resolve({ host: address.host, port });
      });
    });
  }

  /** The link that a member dialled, while it holds. */
  linkOf(member: MemberId): PeerLink | undefined {
    return this.#links.main.get(member)?.link;
  }

  /** Tells callers that this member stops, and closes everything. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (!this.#tcp.listening) return;
    const closed = new Promise<void>((resolve) => {
      this.#tcp.close(() => resolve());
    });
    for (const caller of this.#callers) this.#refuse(caller, shuttingDown());
    this.#parts.clock.setTimer(closeGraceMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // A reset is no event for us: 'close' follows.
    socket.on("error", () => socket.destroy());
    const { tls } = this.#parts;
    if (tls === undefined) this.#serve(socket, { kind: "none_needed" });
    else tls.accept(socket);
  }

  #serve(socket: Socket, certificate: PeerCertificate): void {
    // What a connection is for is known only now, and calls must not keep members out.
    if (this.#sessions.size >= connectionCountMax) {
      socket.destroy();
      return;
    }
    const session: ServerHttp2Session = performServerHandshake(socket, {
      // As in the dialler.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      maxSendHeaderBlockLength: headerBytesMax,
      settings: {
        initialWindowSize: streamWindowBytes,
        maxConcurrentStreams: streamCountMax,
        maxHeaderListSize: headerBytesMax,
      },
    });
    this.#sessions.add(session);
    session.setLocalWindowSize(connectionWindowBytes);
    session.on("error", () => session.destroy());
    // Who opens no stream does not stay.
    const timer = this.#parts.clock.setTimer(handshakeMsMax, () => session.destroy());
    session.on("close", () => {
      timer.cancel();
      this.#sessions.delete(session);
    });
    session.on("stream", (stream, headers) => {
      timer.cancel();
      this.#begin({ stream, socket, certificate }, headers);
    });
  }

  #begin(
    opened: Pick<Caller, "stream" | "socket" | "certificate">,
    headers: IncomingHttpHeaders,
  ): void {
    const { stream, socket, certificate } = opened;
    const { clock } = this.#parts;
    const timer = clock.setTimer(handshakeMsMax, () => this.#drop(caller));
    const caller: Caller = { stream, socket, certificate, lane: laneOf(headers), timer };
    this.#callers.add(caller);
    stream.on("error", () => this.#drop(caller));
    // Who was refused gets time to read why: a stream with one request closes as soon as that is written.
    stream.on("close", () => {
      if (caller.isRefused !== true) this.#drop(caller);
    });
    const why = this.#whyNot(headers, certificate);
    if (why !== undefined) {
      this.#refuse(caller, why);
      return;
    }
    caller.link = new PeerLink({
      stream,
      socket,
      clock,
      events: {
        received: (message) => {
          if (caller.from === undefined) this.#introduced(caller, message);
          else this.#parts.received(caller.from, message);
        },
        // Nobody waits for room on this side: only answers are sent here.
        roomAgain: () => undefined,
        broke: () => this.#drop(caller),
      },
    });
  }

  #whyNot(headers: IncomingHttpHeaders, certificate: PeerCertificate): WireFault | undefined {
    if (certificate.kind === "refused") return certificateRequired(certificate.why);
    if (headers[":path"] !== connectPath || !isGrpc(headers)) {
      return new WireFault({
        code: status.UNIMPLEMENTED,
        reason: "UNKNOWN_METHOD",
        message: "Only the members of a cluster are served here.",
      });
    }
    return this.#isClosing ? shuttingDown() : undefined;
  }

  #introduced(caller: Caller, message: PeerMessage): void {
    const { self, log } = this.#parts;
    try {
      const from = introduced(message, self);
      this.#checkNode(caller, from);
      caller.from = from;
      caller.timer.cancel();
      // A member that dials anew has lost what it dialled before, whether or not that is known here yet.
      const links = this.#links[caller.lane];
      const before = links.get(from);
      links.set(from, caller);
      if (before !== undefined) this.#drop(before);
      caller.stream.respond(responseHeaders, { waitForTrailers: true });
      caller.link?.open(introductionOf(self));
      const { lane, socket } = caller;
      log.info({ peer: from, lane, from: socket.remoteAddress }, "a member has connected");
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      this.#refuse(caller, error);
    }
  }

  #checkNode({ certificate }: Caller, from: MemberId): void {
    if (certificate.kind !== "node") return;
    const expected = this.#parts.nodeOf(from);
    if (expected === undefined || expected === certificate.node) return;
    throw certificateRequired(
      `member ${from} runs on node ${expected}, and the certificate is of node ${certificate.node}`,
    );
  }

  /** Ends a caller's stream with a status, and its connection when that has been sent. */
  #refuse(caller: Caller, fault: WireFault): void {
    const { stream, socket, link, timer } = caller;
    const { reason, message: why } = fault;
    if (!this.#isClosing) {
      this.#complaints.warn({ from: socket.remoteAddress, reason, why }, refusedLine);
    }
    caller.isRefused = true;
    link?.stop();
    timer.cancel();
    const trailers = trailersOf(fault);
    if (stream.headersSent) {
      stream.once("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end();
    } else {
      stream.respond({ ...responseHeaders, ...trailers }, { endStream: true });
    }
    // What is still coming is read and dropped, so that the stream can end.
    stream.resume();
    this.#parts.clock.setTimer(closeGraceMs, () => this.#drop(caller));
  }

  #drop(caller: Caller): void {
    if (!this.#callers.delete(caller)) return;
    const { from, lane, link, socket, stream, timer } = caller;
    timer.cancel();
    link?.stop();
    if (from !== undefined && this.#links[lane].get(from) === caller) {
      this.#links[lane].delete(from);
      this.#parts.log.info({ peer: from, lane }, "a member has disconnected");
    }
    // A connection has one stream. Not `close`, which would wait for a peer that may be paused.
    stream.session?.destroy();
    socket.destroy();
  }

  #turnedAway(from: string | undefined, why: string): void {
    this.#complaints.warn({ from, why }, "a connection failed before it spoke");
  }
}

const refusedLine = "a caller was refused: it is no member of this group";
