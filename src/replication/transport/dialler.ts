// The way from this member to one other: dials, introduces itself, hands the link over while it holds, and dials again when it is
// lost, after a wait that grows from 50 ms to 1 s and is spread by chance, so that members that lost each other together do not
// come back together.

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.js";
import type { Log } from "../../base/log.js";
import { isLoopback, parseAddress } from "../../config/address.js";
import type { PeerMessage } from "../../gen/forebay/replication/v1/replication_service.js";
import { WireFault } from "../../rpc/status-details.js";
import type { GroupMember } from "../../store/replica-disk.js";
import { type Identity, introduced, introductionOf } from "./introduction.js";
import {
  connectionWindowBytes,
  handshakeMsMax,
  redialMsMax,
  redialMsMin,
  steadyMsMin,
  streamWindowBytes,
} from "./limits.js";
import { PeerLink } from "./peer-link.js";
import type { PeerTls } from "./peer-tls.js";
import { type Lane, reasonIn, requestHeaders } from "./wire.js";

export interface DiallerParts {
  readonly member: GroupMember;
  readonly lane: Lane;
  readonly self: Identity;
  /** Undefined: in the clear, and then to this machine only. */
  readonly tls: PeerTls | undefined;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
  received(message: PeerMessage): void;
  /** The way came up, or has room again. */
  ready(): void;
}

/** One attempt, from dialling to the loss of what it led to. */
interface Attempt {
  readonly socket: Socket;
  readonly timer: Timer;
  session?: ClientHttp2Session;
  link?: PeerLink;
  /** Since when it is a way; undefined before the other side introduced itself. */
  upSinceMs?: number;
}

export class Dialler {
  readonly #parts: DiallerParts;
  #attempt: Attempt | undefined;
  #redial: Timer | undefined;
  #failureCount = 0;
  #isStopped = false;
  /** Why there is no way, said in the log once until it changes. */
  #lastWhy: string | undefined;
  #downCount = 0;

  constructor(parts: DiallerParts) {
    this.#parts = parts;
    this.#redial = parts.clock.setTimer(0, () => this.#dial());
  }

  /** The link, while it holds. */
  get link(): PeerLink | undefined {
    const attempt = this.#attempt;
    return attempt?.upSinceMs === undefined ? undefined : attempt.link;
  }

  get endpoint(): string {
    return this.#parts.member.replicationEndpoint;
  }

  /** Why there is no way; undefined while there is one. */
  get why(): string | undefined {
    return this.link === undefined ? (this.#lastWhy ?? "not dialled yet") : undefined;
  }

  /** How often a way was lost. */
  get downCount(): number {
    return this.#downCount;
  }

  stop(): void {
    this.#isStopped = true;
    this.#redial?.cancel();
    this.#drop();
  }

  #dial(): void {
    if (this.#isStopped) return;
    const { tls, member, clock } = this.#parts;
    const address = parseAddress(member.replicationEndpoint);
    if (address === undefined) {
      this.#failed(`"${member.replicationEndpoint}" is no address`);
      return;
    }
    if (tls === undefined && !isLoopback(address)) {
      this.#failed("without certificates only members on this machine are dialled");
      return;
    }
    const socket = tls === undefined ? connectTcp(address) : tls.dial(address, member.node);
    socket.setNoDelay(true);
    const fail = (why: string): void => {
      if (this.#attempt?.socket === socket) this.#failed(why);
    };
    const timer = clock.setTimer(handshakeMsMax, () => fail("it did not answer in time"));
    this.#attempt = { socket, timer };
    // What follows an error is destroyed; its later errors must find a listener.
    socket.on("error", (error) => fail(error.message));
    socket.once("close", () => fail("the connection was closed"));
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      if (this.#attempt?.socket === socket) this.#converse(this.#attempt, fail);
    });
  }

  #converse(attempt: Attempt, fail: (why: string) => void): void {
    const { member, lane, self, clock } = this.#parts;
    const { socket } = attempt;
    const session = connectHttp2(`http://${member.replicationEndpoint}`, {
      createConnection: () => socket,
      // Node counts what is under way against it and, at the limit, refuses; our own bounds are lower.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: { initialWindowSize: streamWindowBytes, enablePush: false },
    });
    attempt.session = session;
    session.on("error", (error) => fail(error.message));
    session.on("close", () => fail("the connection was closed"));
    session.once("connect", () => session.setLocalWindowSize(connectionWindowBytes));
    const stream: ClientHttp2Stream = session.request(
      requestHeaders(member.replicationEndpoint, lane),
      { endStream: false },
    );
    const look = (headers: Parameters<typeof reasonIn>[0]): void => {
      const why = reasonIn(headers);
      if (why !== undefined) fail(`it refused: ${why}`);
    };
    stream.on("response", look);
    stream.on("trailers", look);
    const link = new PeerLink({
      stream,
      socket,
      clock,
      events: {
        received: (message) => {
          if (attempt.upSinceMs === undefined) this.#introduced(attempt, message, fail);
          else this.#parts.received(message);
        },
        roomAgain: () => this.#parts.ready(),
        broke: fail,
      },
    });
    attempt.link = link;
    link.open(introductionOf(self));
  }

  #introduced(attempt: Attempt, message: PeerMessage, fail: (why: string) => void): void {
    const { member, self, clock, log } = this.#parts;
    try {
      const id = introduced(message, self);
      if (id !== member.id) {
        fail(`another member answers there: ${id}; a store that was wiped is a new member`);
        return;
      }
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      fail(error.message);
      return;
    }
    attempt.timer.cancel();
    attempt.upSinceMs = clock.monotonicMs();
    this.#lastWhy = undefined;
    log.info(this.#fields(), "the way to a member is up");
    this.#parts.ready();
  }

  #failed(why: string): void {
    const { clock, log, random } = this.#parts;
    const upSinceMs = this.#attempt?.upSinceMs;
    this.#drop();
    const wasSteady = upSinceMs !== undefined && clock.monotonicMs() - upSinceMs >= steadyMsMin;
    if (upSinceMs !== undefined) this.#downCount += 1;
    this.#failureCount = wasSteady ? 1 : this.#failureCount + 1;
    const waitMs = Math.min(redialMsMax, redialMsMin * 2 ** Math.min(this.#failureCount, 16));
    // Half of the wait is left to chance: at first 50 to 100 ms, in the end 500 to 1,000.
    this.#redial = clock.setTimer(waitMs * (0.5 + random() / 2), () => this.#dial());
    const fields = { ...this.#fields(), why };
    if (upSinceMs !== undefined) log.warn(fields, "the way to a member was lost");
    else if (why !== this.#lastWhy) log.warn(fields, "there is no way to a member");
    else log.debug(fields, "there is no way to a member");
    this.#lastWhy = why;
  }

  #drop(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#attempt = undefined;
    attempt.timer.cancel();
    attempt.link?.stop();
    // Not `close`, which would wait for a peer that may be paused.
    attempt.session?.destroy();
    attempt.socket.destroy();
  }

  #fields() {
    const { member, lane } = this.#parts;
    return { peer: member.id, node: member.node, endpoint: member.replicationEndpoint, lane };
  }
}
