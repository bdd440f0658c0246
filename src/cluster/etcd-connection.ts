// The way to etcd: a channel to each of its members, one of which is asked until it fails, and a user's token if there is one.
//
// Every call has a second. A member that refuses the connection costs a call nothing, since the next one is asked in the same
// second; one that hangs costs the whole of it, and the calls after it go elsewhere. Members that know no leader are asked to
// say so at once (`hasleader`) rather than to wait for one.

import {
  type CallOptions,
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";
import { wallMs } from "../base/clock.js";
import { AuthService } from "../gen/etcd/api/etcdserverpb/rpc.js";
import { asEtcdFault, EtcdFault, etcdFaultOf } from "./etcd-fault.js";

export interface EtcdSettings {
  /** `host:port` each; a scheme before it is allowed and says whether TLS is used when nothing else does. */
  readonly endpoints: readonly string[];
  /** Without it, connections are plaintext unless an endpoint begins with https. */
  readonly tls?: EtcdTls | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** How long a call may take, attempts at other members included. Default: a second. */
  readonly callMs?: number | undefined;
}

/** PEM, as in the files. */
export interface EtcdTls {
  /** Whom to trust; by default what the system trusts. */
  readonly ca?: Buffer | undefined;
  /** Our own certificate with its key, if etcd wants one. */
  readonly certificate?: { readonly chain: Buffer; readonly key: Buffer } | undefined;
}

/** A leader renews its lease several times in its time to live, so it can afford to ask elsewhere after this. */
export const callMsDefault = 1_000;

const channelOptions: ChannelOptions = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // etcd allows a ping every 5 s; a connection that is silently gone is noticed by the calls on it long before.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 2_000,
  // A connection is shared with nobody: what is closed here is closed.
  "grpc.use_local_subchannel_pool": 1,
};

interface Peer {
  readonly endpoint: string;
  readonly client: Client;
}

export class EtcdConnection {
  readonly #peers: readonly Peer[];
  readonly #user: EtcdSettings["user"];
  readonly #callMs: number;
  #at: number;
  #token: Promise<string> | undefined;
  readonly #moved = new Set<() => void>();
  #isClosed = false;

  /** `random` chooses whom to ask first, so that not everybody asks the same member. */
  constructor(settings: EtcdSettings, random: () => number) {
    if (settings.endpoints.length === 0) throw new RangeError("etcd needs at least one endpoint.");
    this.#peers = settings.endpoints.map((text) => {
      const { endpoint, isSecure } = readEndpoint(text, settings.tls !== undefined);
      const { ca, certificate } = settings.tls ?? {};
      const channelCredentials = isSecure
        ? credentials.createSsl(ca ?? null, certificate?.key ?? null, certificate?.chain ?? null)
        : credentials.createInsecure();
      return { endpoint, client: new Client(endpoint, channelCredentials, channelOptions) };
    });
    this.#user = settings.user;
    this.#callMs = settings.callMs ?? callMsDefault;
    this.#at = Math.floor(random() * this.#peers.length) % this.#peers.length;
  }

  /**
   * Asks one member after another until one answers, or a second is over. What is `repeatable` is asked again though it may have
   * happened already.
   *
   * @throws EtcdFault
   */
  async call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    { isRepeatable }: { readonly isRepeatable: boolean },
  ): Promise<Response> {
    const endMs = wallMs() + this.#callMs;
    let attemptsLeft = isRepeatable ? this.#peers.length : 1;
    let mayRenewToken = true;
    for (;;) {
      const peer = this.#current;
      try {
        return await unary(peer, method, request, await this.#metadata(endMs), endMs);
      } catch (error) {
        const fault = asEtcdFault(error);
        if (fault.kind === "token_ended" && mayRenewToken && this.#user !== undefined) {
          mayRenewToken = false;
          this.#token = undefined;
          continue;
        }
        if (fault.kind !== "unavailable") throw fault;
        this.leave(peer);
        attemptsLeft -= 1;
        if (attemptsLeft === 0 || wallMs() >= endMs) throw fault;
      }
    }
  }

  /** The member that is asked now, with what a stream to it needs. */
  async stream(): Promise<{
    readonly peer: Peer;
    readonly metadata: Metadata;
    /** When a call over it, in wall time, has taken long enough. */
    readonly endMs: number;
  }> {
    const endMs = wallMs() + this.#callMs;
    const metadata = await this.#metadata(endMs);
    return { peer: this.#current, metadata, endMs };
  }

  /** The next one is asked from now on, unless somebody has seen to that already. */
  leave(peer: Peer): void {
    if (peer !== this.#current || this.#peers.length === 1) return;
    this.#at = (this.#at + 1) % this.#peers.length;
    for (const tell of this.#moved) tell();
  }

  /** A token that was not taken. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** Calls `tell` whenever another member is asked from then on; returns how to end that. */
  onMoved(tell: () => void): () => void {
    this.#moved.add(tell);
    return () => this.#moved.delete(tell);
  }

  close(): void {
    this.#isClosed = true;
    for (const { client } of this.#peers) client.close();
  }

  get #current(): Peer {
    const peer = this.#peers[this.#at];
    if (peer === undefined) throw new RangeError("There is no such member of etcd.");
    return peer;
  }

  async #metadata(endMs: number): Promise<Metadata> {
    if (this.#isClosed) throw new EtcdFault("unavailable", "The connection to etcd is closed.");
    const metadata = new Metadata();
    metadata.set("hasleader", "true");
    if (this.#user === undefined) return metadata;
    this.#token ??= this.#authenticate(this.#user, endMs);
    const asked = this.#token;
    try {
      const token = await asked;
      if (this.#isClosed) throw new EtcdFault("unavailable", "The connection to etcd is closed.");
      if (token !== "") metadata.set("token", token);
    } catch (error) {
      if (this.#token === asked) this.#token = undefined;
      throw error;
    }
    return metadata;
  }

  /** A token for the user; an empty one while etcd has its authentication switched off. */
  async #authenticate(
    { name, password }: NonNullable<EtcdSettings["user"]>,
    endMs: number,
  ): Promise<string> {
    const metadata = new Metadata();
    const peer = this.#current;
    try {
      const { token } = await unary(
        peer,
        AuthService.authenticate,
        { name, password },
        metadata,
        endMs,
      );
      return token;
    } catch (error) {
      const fault = asEtcdFault(error);
      if (fault.message.includes("authentication is not enabled")) return "";
      throw fault;
    }
  }
}

export type { Peer };

function unary<Request, Response>(
  { client, endpoint }: Peer,
  method: MethodDefinition<Request, Response>,
  request: Request,
  metadata: Metadata,
  endMs: number,
): Promise<Response> {
  const options: CallOptions = { deadline: endMs };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        if (error !== null) reject(etcdFaultOf(error, endpoint));
        else if (response === undefined) {
          reject(new EtcdFault("unavailable", `etcd at ${endpoint} answered nothing.`));
        } else resolve(response);
      },
    );
  });
}

function readEndpoint(
  text: string,
  isSecureByDefault: boolean,
): { readonly endpoint: string; readonly isSecure: boolean } {
  const [, scheme, endpoint = text] = /^(https?):\/\/([^/]+)\/?$/.exec(text) ?? [];
  return { endpoint, isSecure: scheme === undefined ? isSecureByDefault : scheme === "https" };
}
