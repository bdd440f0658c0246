// Calls what users implement: forebay.topic.v1.ReceiverService. A channel is opened to addresses that were looked up and judged by
// the same gate as a webhook's, never to a name, so that gRPC's own resolver has nothing to resolve; TLS and `:authority` still go by
// the name. The addresses are looked up anew after a while, and a channel whose addresses have changed is replaced.

import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { DurationMs } from "../base/brands.js";
import { type Clock, wallMs } from "../base/clock.js";
import {
  type ConfirmRequest,
  type ConfirmResponse,
  type DeliveredNotification,
  type DeliverResponse,
  ReceiverServiceClient,
} from "../gen/forebay/topic/v1/receiver_service.js";
import { Deadline } from "./deadline.js";
import type { TargetTls } from "./dial.js";
import type { Endpoint } from "./endpoint.js";
import { outcomeOfStatus, outcomesOfResponse } from "./function-outcome.js";
import { deliveryLimits } from "./limits.js";
import { type AttemptOutcome, permanent, retryable } from "./outcome.js";
import { type CheckedAddresses, checkedAddresses, type Gate } from "./target-gate.js";

export interface FunctionClientParts extends Gate {
  readonly clock: Clock;
}

export interface FunctionTarget {
  readonly endpoint: Endpoint;
  readonly tls?: TargetTls | undefined;
  readonly bearerToken?: string | undefined;
  readonly timeoutMs: DurationMs;
}

export interface FunctionCall {
  /** Canonical text of a UUID. */
  readonly subscription: string;
  readonly notifications: readonly DeliveredNotification[];
}

interface OpenChannel {
  readonly client: ReceiverServiceClient;
  /** What it was opened to; the same again needs no other channel. */
  readonly addresses: string;
  checkedAtMs: number;
  /** Calls under way: a channel is closed when it has none, since closing ends those that wait to be connected. */
  calls: number;
  isReplaced: boolean;
}

type Opened =
  | { readonly kind: "open"; readonly channel: OpenChannel }
  | { readonly kind: "failed"; readonly outcome: AttemptOutcome };

export class FunctionClient {
  readonly #parts: FunctionClientParts;
  /** The one used longest ago first. */
  readonly #channels = new Map<string, OpenChannel>();
  readonly #underWay = new Set<ClientUnaryCall>();
  #isClosed = false;

  constructor(parts: FunctionClientParts) {
    this.#parts = parts;
  }

  /** An outcome for each notification, in their order. Never rejects. */
  async deliver(target: FunctionTarget, call: FunctionCall): Promise<readonly AttemptOutcome[]> {
    const { subscription } = call;
    const notifications = [...call.notifications];
    const forAll = (outcome: AttemptOutcome) => notifications.map(() => outcome);
    const opened = await this.#open(target);
    if (opened.kind === "failed") return forAll(opened.outcome);
    const called = await this.#call<DeliverResponse>(
      opened.channel,
      target,
      (client, metadata, options, done) =>
        client.deliver({ subscription, notifications }, metadata, options, done),
    );
    if (called.kind === "failed") return forAll(called.outcome);
    const ids = notifications.map(({ notification }) => notification?.messageId ?? "");
    return outcomesOfResponse(ids, called.response);
  }

  /** Whether the receiver wants the messages of another namespace's topic: it sends the token back. Never rejects. */
  async confirm(target: FunctionTarget, request: ConfirmRequest): Promise<AttemptOutcome> {
    const opened = await this.#open(target);
    if (opened.kind === "failed") return opened.outcome;
    const called = await this.#call<ConfirmResponse>(
      opened.channel,
      target,
      (client, metadata, options, done) => client.confirm(request, metadata, options, done),
    );
    if (called.kind === "failed") return called.outcome;
    const answer = { statusCode: status.OK, text: "OK" };
    return called.response.token === request.token
      ? { kind: "delivered", answer }
      : permanent("rejected", "The receiver sent another token back.", answer);
  }

  /** Ends what is under way as retryable, and every channel. */
  close(): void {
    this.#isClosed = true;
    // A channel that is closed lets its calls go on, for a function's quarter of an hour.
    for (const call of this.#underWay) call.cancel();
    for (const { client } of this.#channels.values()) client.close();
    this.#channels.clear();
  }

  async #open(target: FunctionTarget): Promise<Opened> {
    const key = keyOf(target);
    const known = this.#channels.get(key);
    const nowMs = this.#parts.clock.monotonicMs();
    if (known !== undefined && nowMs - known.checkedAtMs < deliveryLimits.functionAddressesMs) {
      return { kind: "open", channel: this.#used(key, known) };
    }
    const checked = await this.#lookUp(target.endpoint);
    if (this.#isClosed) return failed(retryable("shut_down", "The server is being stopped."));
    switch (checked.kind) {
      case "blocked":
        this.#drop(key);
        return failed(permanent("address_blocked", checked.error));
      case "unresolved":
        return failed(retryable("name_not_resolved", checked.error));
      case "addresses":
        return this.#openTo(key, checked.addresses, target);
    }
  }

  /** As long as a connection to a webhook may take, since a name server may never answer. */
  async #lookUp(endpoint: Endpoint): Promise<CheckedAddresses> {
    const deadline = new Deadline(this.#parts.clock, deliveryLimits.connectMsMax);
    const late = new Error("It took too long.");
    const error = `The name ${endpoint.host} cannot be looked up: nobody answers.`;
    return await deadline
      .race(checkedAddresses(endpoint, this.#parts), () => late)
      .catch((): CheckedAddresses => ({ kind: "unresolved", error }))
      .finally(() => deadline.end());
  }

  #openTo(key: string, found: readonly string[], target: FunctionTarget): Opened {
    const addresses = addressesText(found, target.endpoint.port);
    // Another call may have opened it while the name was looked up.
    const current = this.#channels.get(key);
    const checkedAtMs = this.#parts.clock.monotonicMs();
    if (current?.addresses === addresses) {
      const channel = Object.assign(current, { checkedAtMs });
      return { kind: "open", channel: this.#used(key, channel) };
    }
    try {
      const client = new ReceiverServiceClient(addresses, credentialsOf(target), optionsOf(target));
      const channel = { client, addresses, checkedAtMs, calls: 0, isReplaced: false };
      this.#drop(key);
      this.#used(key, channel);
      this.#dropOldest();
      return { kind: "open", channel };
    } catch (error) {
      // Certificates or a key that cannot be read.
      const why = error instanceof Error ? error.message : String(error);
      return failed(permanent("endpoint_invalid", `No channel can be opened: ${why}`));
    }
  }

  #used(key: string, channel: OpenChannel): OpenChannel {
    this.#channels.delete(key);
    this.#channels.set(key, channel);
    return channel;
  }

  #dropOldest(): void {
    if (this.#channels.size <= deliveryLimits.functionChannelsMax) return;
    const [oldest] = this.#channels.keys();
    if (oldest !== undefined) this.#drop(oldest);
  }

  #drop(key: string): void {
    const channel = this.#channels.get(key);
    this.#channels.delete(key);
    if (channel === undefined) return;
    channel.isReplaced = true;
    if (channel.calls === 0) channel.client.close();
  }

  #call<Response>(
    channel: OpenChannel,
    { bearerToken, timeoutMs }: FunctionTarget,
    begin: (
      client: ReceiverServiceClient,
      metadata: Metadata,
      options: { readonly deadline: number },
      done: (error: ServiceError | null, response: Response) => void,
    ) => ClientUnaryCall,
  ): Promise<
    { kind: "answered"; response: Response } | { kind: "failed"; outcome: AttemptOutcome }
  > {
    const metadata = metadataOf(bearerToken);
    if (metadata === undefined) {
      const error = "The bearer token has characters that no header can have.";
      return Promise.resolve(failed(permanent("request_invalid", error)));
    }
    channel.calls += 1;
    return new Promise((resolve) => {
      const deadline = wallMs() + timeoutMs;
      const call = begin(channel.client, metadata, { deadline }, (error, response) => {
        this.#underWay.delete(call);
        channel.calls -= 1;
        if (channel.isReplaced && channel.calls === 0) channel.client.close();
        if (error === null) resolve({ kind: "answered", response });
        else if (this.#isClosed) {
          resolve(failed(retryable("shut_down", "The server is being stopped.")));
        } else resolve(failed(outcomeOfStatus(error)));
      });
      this.#underWay.add(call);
    });
  }
}

const failed = (outcome: AttemptOutcome) => ({ kind: "failed", outcome }) as const;

function metadataOf(bearerToken: string | undefined): Metadata | undefined {
  const metadata = new Metadata();
  if (bearerToken === undefined) return metadata;
  // What grpc-js throws for.
  if (!/^[\x20-\x7e]*$/.test(bearerToken)) return undefined;
  metadata.set("authorization", `Bearer ${bearerToken}`);
  return metadata;
}

/** Who shares a channel: the same place by the same name with the same credentials. A token goes with each call. */
function keyOf({ endpoint, tls = {} }: FunctionTarget): string {
  const { isSecure, host, port, authority } = endpoint;
  const secrets = JSON.stringify([tls.caCertificates, tls.certificate, tls.key]);
  const digest = createHash("sha256").update(secrets).digest("base64");
  return JSON.stringify([isSecure, host, port, authority, digest]);
}

/** As grpc-js takes addresses that need no look-up: all of one family, that of the first. */
function addressesText(addresses: readonly string[], port: number): string {
  const isSix = isIPv6(addresses[0] ?? "");
  const list = addresses
    .filter((address) => isIPv6(address) === isSix)
    .map((address) => (isSix ? `[${address}]:${port}` : `${address}:${port}`))
    // Name servers turn the order with every answer; a channel is not opened anew for that.
    .sort();
  return `${isSix ? "ipv6" : "ipv4"}:${list.join(",")}`;
}

function credentialsOf({ endpoint, tls = {} }: FunctionTarget): ChannelCredentials {
  if (!endpoint.isSecure) return credentials.createInsecure();
  const { caCertificates, key, certificate } = tls;
  return credentials.createSsl(pem(caCertificates), pem(key), pem(certificate));
}

const pem = (text: string | undefined): Buffer | null =>
  text === undefined ? null : Buffer.from(text, "utf8");

function optionsOf({ endpoint }: FunctionTarget): ChannelOptions {
  return {
    "grpc.default_authority": endpoint.authority,
    // The name in the certificate is that of the authority, without its port.
    ...(endpoint.isSecure
      ? { "grpc.ssl_target_name_override": endpoint.authority.replace(/:\d+$/, "") }
      : {}),
    // Nothing but the address is dialled: no proxy from the environment, no settings from a name server.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // The delivery policy decides about another attempt. (Without a service config grpc-js would repeat only what was never sent.)
    "grpc.enable_retries": 0,
    "grpc.max_receive_message_length": deliveryLimits.functionResponseBytesMax,
    "grpc.max_send_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 10_000,
    "grpc.client_idle_timeout_ms": 60_000,
  };
}
