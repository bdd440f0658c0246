// Calls passed on to the node that leads, over a connection that is kept. What is passed on are the bytes as they came, so a
// field that only newer versions know survives, with the caller's deadline, its metadata and its cancellation; what comes back
// are bytes, status and trailers as they are. A call is passed on once: it carries a mark, and a node that gets one with the
// mark and does not lead refuses it.
//
// The mark makes nobody trusted: it only refuses. Between machines the connection has the certificates of both nodes, and is
// made to the listener for members (src/replication/transport); on one machine without certificates it is made in the clear, to
// the listener for applications.

import type { Readable, Writable } from "node:stream";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  type Deadline,
  type Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import type { Clock } from "../base/clock.js";
import { ErrorInfo } from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import type { CallContext } from "../rpc/call.js";
import { WireFault } from "../rpc/status-details.js";
import { forwardedKey, leaderKey } from "./cluster-metadata.js";
import { asBytes } from "./decode.js";

export interface ForwardedReply {
  readonly bytes: Buffer;
  readonly headers: Metadata | undefined;
  readonly trailers: Metadata;
}

/** The other node refused; the caller is told just that. */
export class ForwardedRefusal extends Error {
  override readonly name = "ForwardedRefusal";
  readonly status: StatusObject;

  constructor(refusal: StatusObject) {
    super(refusal.details);
    this.status = refusal;
  }
}

/** What of a call with one request and one answer is passed on. */
export type PassedOnCall = Pick<
  ServerUnaryCall<Buffer, Buffer>,
  "getPath" | "request" | "metadata" | "getDeadline"
>;

export interface Forwarder {
  /** Rejects with a ForwardedRefusal, or with a WireFault when the other node did not answer. */
  unary(call: PassedOnCall, context: CallContext): Promise<ForwardedReply>;
  /** Joins two streams, with the backpressure of each; resolves with how the other node ended it. */
  bidi(call: ServerDuplexStream<Buffer, Buffer>, context: CallContext): Promise<StatusObject>;
  /** As `bidi`, of a call with one request. */
  serverStream(
    call: ServerWritableStream<Buffer, Buffer>,
    context: CallContext,
  ): Promise<StatusObject>;
}

/** A node that leads, as the others know it. */
export interface LeadingNode {
  readonly node: string;
  /** Where it takes calls of applications. */
  readonly dataEndpoint: string;
  readonly replicationEndpoint: string;
}

/** How calls reach a node that leads. */
export interface OnwardWay {
  readonly endpoint: string;
  /** For connections made from now on; another object once the certificates have changed. */
  credentials(): ChannelCredentials;
  /** What a connection is asked for by; undefined in the clear. */
  readonly serverName: string | undefined;
}

/** To the listener for applications, on this machine. */
export const inTheClear = ({ dataEndpoint }: LeadingNode): OnwardWay => {
  const insecure = credentials.createInsecure();
  return { endpoint: dataEndpoint, credentials: () => insecure, serverName: undefined };
};

/** A call that another node has. */
interface UnderWay {
  /** A stream, or a wait for messages. */
  readonly isLong: boolean;
  end(fault: WireFault): void;
}

class ChannelForwarder implements Forwarder {
  readonly #way: OnwardWay;
  /** For all unary calls; a stream has a connection of its own. */
  #client: Client;
  #credentials: ChannelCredentials;
  readonly #streamClients = new Set<Client>();
  readonly #underWay = new Set<UnderWay>();

  constructor(way: OnwardWay) {
    this.#way = way;
    this.#credentials = way.credentials();
    this.#client = clientOf(way, this.#credentials, unaryWindowBytes);
  }

  unary(call: PassedOnCall, context: CallContext): Promise<ForwardedReply> {
    return new Promise((resolve, reject) => {
      let bytes: Buffer | undefined;
      let headers: Metadata | undefined;
      const onward = this.#currentClient().makeUnaryRequest(
        call.getPath(),
        asBytes,
        asBytes,
        call.request,
        onwardMetadata(call.metadata),
        { deadline: call.getDeadline() },
        (_error, response) => {
          bytes = response;
        },
      );
      onward.on("metadata", (metadata) => {
        headers = metadata;
      });
      // Emitted after the callback, and the only one with the trailers of a success.
      onward.on("status", (ended) => {
        if (ended.code === status.OK && bytes !== undefined) {
          resolve({ bytes, headers, trailers: ended.metadata });
        } else reject(failureOf(ended));
      });
      context.onCancelled(() => onward.cancel());
      const isLong = call.getPath().endsWith(waitingMethod);
      const underWay = this.#begin(isLong, onward, reject);
      onward.on("status", () => this.#underWay.delete(underWay));
    });
  }

  /** Made anew when the certificates have changed, since a channel that reconnects would go on with those it was made with. */
  #currentClient(): Client {
    const current = this.#way.credentials();
    if (current === this.#credentials) return this.#client;
    // Calls that it has go on: its connection ends after them.
    this.#client.close();
    this.#credentials = current;
    this.#client = clientOf(this.#way, current, unaryWindowBytes);
    return this.#client;
  }

  #begin(isLong: boolean, onward: { cancel(): void }, fail: (fault: WireFault) => void): UnderWay {
    const underWay = {
      isLong,
      end: (fault: WireFault) => {
        fail(fault);
        onward.cancel();
      },
    };
    this.#underWay.add(underWay);
    return underWay;
  }

  bidi(call: ServerDuplexStream<Buffer, Buffer>, context: CallContext): Promise<StatusObject> {
    return this.#stream(call, context, (client, metadata, options) => {
      const onward = client.makeBidiStreamRequest(
        call.getPath(),
        asBytes,
        asBytes,
        metadata,
        options,
      );
      passOn(call, onward);
      call.once("end", () => onward.end());
      return onward;
    });
  }

  serverStream(
    call: ServerWritableStream<Buffer, Buffer>,
    context: CallContext,
  ): Promise<StatusObject> {
    return this.#stream(call, context, (client, metadata, options) =>
      client.makeServerStreamRequest(
        call.getPath(),
        asBytes,
        asBytes,
        call.request,
        metadata,
        options,
      ),
    );
  }

  #stream(
    call: ServerDuplexStream<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>,
    context: CallContext,
    begin: (
      client: Client,
      metadata: Metadata,
      options: { readonly deadline: Deadline },
    ) => ClientReadableStream<Buffer>,
  ): Promise<StatusObject> {
    const client = clientOf(this.#way, this.#way.credentials(), streamWindowBytes);
    this.#streamClients.add(client);
    const onward = begin(client, onwardMetadata(call.metadata), { deadline: call.getDeadline() });
    context.onCancelled(() => onward.cancel());
    onward.on("metadata", (metadata) => {
      if (!context.isCancelled) call.sendMetadata(metadata);
    });
    passOn(onward, call);
    return new Promise<StatusObject>((resolve, reject) => {
      const underWay = this.#begin(true, onward, reject);
      ended(onward)
        .then(resolve, reject)
        .finally(() => {
          this.#underWay.delete(underWay);
          this.#streamClients.delete(client);
          client.close();
        });
    });
  }

  /** Ends streams and waits, because this node stops; what takes no time goes on. */
  endLongCalls(): void {
    // What a wait may have received by then the leader gives back, as nobody reads its answer.
    for (const { isLong, end } of [...this.#underWay]) if (isLong) end(shuttingDown());
  }

  /** Of calls that are still under way nobody can know any more whether they took effect. */
  close(): void {
    for (const { end } of [...this.#underWay]) end(leaderLost("another node leads"));
    this.#client.close();
    for (const client of this.#streamClients) client.close();
  }
}

const clientOf = (
  { endpoint, serverName }: OnwardWay,
  current: ChannelCredentials,
  windowBytes: number,
): Client =>
  new Client(endpoint, current, {
    ...channelOptions,
    "grpc-node.flow_control_window": windowBytes,
    ...(serverName !== undefined && { "grpc.ssl_target_name_override": serverName }),
  });

/** Everything from one stream to the other, no faster than that one takes it. */
function passOn(from: Readable, to: Writable): void {
  from.on("data", (bytes: Buffer) => {
    if (to.writableEnded || to.destroyed) return;
    if (!to.write(bytes)) from.pause();
  });
  to.on("drain", () => from.resume());
}

/**
 * How a stream ended, once what came before its end was passed on: all of it when it ended well; before an error grpc-js drops
 * what was not yet read, as clients of gRPC do. What nobody was told of the leader takes back, or is asked for again.
 */
function ended(onward: ClientReadableStream<Buffer>): Promise<StatusObject> {
  return new Promise((resolve, reject) => {
    let last: StatusObject | undefined;
    let isRead = false;
    const settle = (): void => {
      if (last === undefined || !isRead) return;
      if (last.code === status.OK) resolve(last);
      else reject(failureOf(last));
    };
    onward.on("status", (told) => {
      last = told;
      settle();
    });
    onward.on("end", () => {
      isRead = true;
      settle();
    });
    // The status follows, or has come: an error emitted is the status once more.
    onward.on("error", () => undefined);
    onward.on("close", () => {
      isRead = true;
      settle();
    });
  });
}

function onwardMetadata(metadata: Metadata): Metadata {
  const onward = metadata.clone();
  for (const key of keysOfOneHop) onward.remove(key);
  onward.set(forwardedKey, "1");
  return onward;
}

/** What belongs to the connection that a call came over. */
const keysOfOneHop = ["user-agent", "host", "connection", "grpc-accept-encoding", "grpc-encoding"];

/** What the caller is told: what the other node said, or that it could not be asked. */
function failureOf(ended: StatusObject): ForwardedRefusal | WireFault {
  const { metadata } = ended;
  // The certificates of nodes are no business of whoever called.
  if (isAboutCertificates(ended)) return leaderUnreachable(ended.details);
  const isSigned = [detailsKey, leaderKey].some((key) => metadata.get(key).length > 0);
  const isAnswer = isSigned || !lostCodes.has(ended.code);
  if (isAnswer) return new ForwardedRefusal(ended);
  const { details } = ended;
  return neverReached.test(details) ? leaderUnreachable(details) : leaderLost(details);
}

function isAboutCertificates({ code, metadata }: StatusObject): boolean {
  if (code !== status.UNAUTHENTICATED) return false;
  const [packed] = metadata.get(detailsKey);
  if (!(packed instanceof Buffer)) return false;
  const [first] = Status.decode(packed).details;
  return first !== undefined && ErrorInfo.decode(first.value).reason === "CERTIFICATE_REQUIRED";
}

const detailsKey = "grpc-status-details-bin";
/**
 * What grpc-js says when a connection fails, or is torn down at the other end; an answer of a node with one of these has
 * trailers of its own. (Of calls that their own callers cancelled nobody is told.)
 */
const lostCodes: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.CANCELLED,
  status.INTERNAL,
  status.UNKNOWN,
]);
/** How grpc-js says that nothing was sent. */
const neverReached = /^No connection established|ECONNREFUSED|Name resolution failed/;

/** The one unary method that may wait for long. */
const waitingMethod = "/ReceiveMessage";

const shuttingDown = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
    message: "The node that passed this call on is stopping. Ask another one.",
    retryAfterMs: 100,
  });

const leaderUnreachable = (details: string): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "NOT_LEADER",
    message:
      "This node does not lead, and the one that did cannot be reached; another may be about to. Nothing was done: ask again.",
    retryAfterMs: 200,
    cause: new Error(details),
  });

const leaderLost = (details: string): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "LEADERSHIP_LOST",
    message:
      "The connection to the node that led broke during the call. Whether it took effect is unknown: repeat it only if that does no harm, as with the same request_id.",
    cause: new Error(details),
  });

// What the other node may send unread, on one call and on all calls of a connection: grpc-js has one number for both. So one
// stream that its caller does not read could hold up everything else on its connection, and has one of its own. Answers to
// unary calls are read at once.
const unaryWindowBytes = 16 * 1_048_576;
const streamWindowBytes = 1_048_576;

const channelOptions: ChannelOptions = {
  // The caller repeats, or its own channel does: it knows what is safe to repeat.
  "grpc.enable_retries": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_channelz": 0,
  // Nodes reach each other as they are, whatever proxy the environment names for the way out.
  "grpc.enable_http_proxy": 0,
  // The node that answers has the limits.
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 2_000,
};

/** How long calls that a former leader has may still be answered by it: one that hands over in order does so at once. */
const formerLeaderMs = 1_000;

/** One forwarder a node, for as long as that one leads and a moment more. */
export class Forwarders {
  readonly #open = new Map<string, ChannelForwarder>();
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #wayTo: (leader: LeadingNode) => OnwardWay;

  constructor(clock: Pick<Clock, "setTimer">, wayTo: (leader: LeadingNode) => OnwardWay) {
    this.#clock = clock;
    this.#wayTo = wayTo;
  }

  to(leader: LeadingNode): Forwarder {
    const key = keyOf(leader);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const forwarder = new ChannelForwarder(this.#wayTo(leader));
    this.#open.set(key, forwarder);
    return forwarder;
  }

  /** Another node leads; calls that a former leader does not answer soon are given up. */
  leads(leader: LeadingNode): void {
    const key = keyOf(leader);
    for (const [former, forwarder] of [...this.#open]) {
      if (former === key) continue;
      this.#open.delete(former);
      this.#clock.setTimer(formerLeaderMs, () => forwarder.close());
    }
  }

  /** Ends what would keep this node from stopping soon. */
  endLongCalls(): void {
    for (const forwarder of this.#open.values()) forwarder.endLongCalls();
  }

  close(): void {
    for (const forwarder of this.#open.values()) forwarder.close();
    this.#open.clear();
  }
}

const keyOf = ({ node, dataEndpoint, replicationEndpoint }: LeadingNode): string =>
  [node, dataEndpoint, replicationEndpoint].join(" ");
