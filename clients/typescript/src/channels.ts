// The HTTP/2 connections of a client, one to each node that it asks.

import { Client, credentials } from "@grpc/grpc-js";
import { serviceConfigJson } from "./service-config.js";

/** Nodes a client has connections to at most; a cluster has a handful. */
const channelsMax = 16;

export class Channels {
  readonly #open = new Map<string, Client>();
  readonly #isRetrying: boolean;

  constructor(isRetrying: boolean) {
    this.#isRetrying = isRetrying;
  }

  /** `isAlone`: there is no other node to ask, so the channel itself repeats what a lost connection left without an answer. */
  to(endpoint: string, isAlone: boolean): Client {
    const key = `${isAlone ? "alone" : "one of several"} ${endpoint}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const client = this.#dial(endpoint, isAlone);
    this.#open.set(key, client);
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size > channelsMax) {
      this.#open.delete(oldest[0]);
      oldest[1].close();
    }
    return client;
  }

  close(): void {
    for (const client of this.#open.values()) client.close();
  }

  #dial(endpoint: string, isAlone: boolean): Client {
    return new Client(endpoint, credentials.createInsecure(), {
      "grpc.service_config": isAlone ? serviceConfigJson : refusalsOnlyJson,
      // Only the config above counts; without this every new connection asks the DNS for another one.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_retries": this.#isRetrying ? 1 : 0,
      // A connection of its own, closed with the client, and not shared with other clients of the process.
      "grpc.use_local_subchannel_pool": 1,
      // A server restarts in well under a second; grpc's own first wait of 1 s and last of 120 s would hide that it is back.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // A peer that vanished without a word is noticed within 40 s, also by a stream that waits for messages; soon enough to ask
      // another node before a deadline passes, where there is one.
      "grpc.keepalive_time_ms": isAlone ? 30_000 : 5_000,
      "grpc.keepalive_timeout_ms": isAlone ? 10_000 : 3_000,
    });
  }
}

/** The config without repetition of what was lost: with another node to ask, that is where it is repeated. */
const refusalsOnlyJson = ((): string => {
  const config = JSON.parse(serviceConfigJson) as {
    methodConfig: { retryPolicy: { retryableStatusCodes: string[] } }[];
  };
  for (const { retryPolicy } of config.methodConfig) {
    retryPolicy.retryableStatusCodes = ["RESOURCE_EXHAUSTED"];
  }
  return JSON.stringify(config);
})();
