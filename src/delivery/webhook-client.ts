// Posts to webhooks: one request, one outcome. Connections are kept and shared by who has the same endpoint and TLS settings; each is
// opened by `dial`, so an address is judged before it gets a byte. Redirects are not followed, the response's body is not looked at,
// and everything has a bound: the other side may stall, trickle, or never end.

import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../base/clock.js";
import { agentOptions, diallingThrough } from "./connection-pool.js";
import { DialFault, type TargetTls } from "./dial.js";
import type { Endpoint } from "./endpoint.js";
import { outcomeOfResponse } from "./http-outcome.js";
import { deliveryLimits } from "./limits.js";
import { type AttemptOutcome, permanent, retryable } from "./outcome.js";
import type { Resolve } from "./resolver.js";
import { refusalBeforeLookup, type TargetRules } from "./target-gate.js";
import type { WebhookRequest } from "./webhook-request.js";

export interface WebhookClientParts {
  readonly clock: Clock;
  readonly rules: TargetRules;
  readonly resolve: Resolve;
}

export interface WebhookTarget {
  readonly endpoint: Endpoint;
  readonly tls?: TargetTls | undefined;
}

/** What one request came to. */
type Exchanged =
  | { readonly kind: "outcome"; readonly outcome: AttemptOutcome }
  /** A kept connection had ended before the request could be answered, which says nothing about the target. */
  | { readonly kind: "stale_connection"; readonly outcome: AttemptOutcome };

export class WebhookClient {
  readonly #clock: Clock;
  readonly #rules: TargetRules;
  readonly #plain: HttpAgent;
  readonly #secure: HttpsAgent;
  #isClosed = false;

  constructor(parts: WebhookClientParts) {
    this.#clock = parts.clock;
    this.#rules = parts.rules;
    this.#plain = diallingThrough(new HttpAgent(agentOptions), parts, false);
    this.#secure = diallingThrough(new HttpsAgent(agentOptions), parts, true);
  }

  /** Never rejects. */
  async post(target: WebhookTarget, request: WebhookRequest): Promise<AttemptOutcome> {
    const refusal = refusalBeforeLookup(target.endpoint, this.#rules);
    if (refusal !== undefined) return permanent("address_blocked", refusal);
    const startMs = this.#clock.monotonicMs();
    const first = await this.#exchange(target, request, startMs);
    if (first.kind !== "stale_connection") return first.outcome;
    // Once, and on a connection of its own: all kept ones may have ended alike.
    return (await this.#exchange(target, request, startMs, { isFresh: true })).outcome;
  }

  /** Ends what is under way as retryable, and every connection. */
  close(): void {
    this.#isClosed = true;
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #exchange(
    { endpoint, tls = {} }: WebhookTarget,
    { headers, body }: WebhookRequest,
    startMs: number,
    { isFresh } = { isFresh: false },
  ): Promise<Exchanged> {
    if (this.#isClosed) return Promise.resolve(outcome(shutDown()));
    const options = {
      method: "POST",
      host: endpoint.host,
      port: endpoint.port,
      path: endpoint.path,
      headers: { ...headers, host: endpoint.authority, ...authorization(endpoint) },
      agent: endpoint.isSecure ? this.#secure : this.#plain,
      maxHeaderSize: deliveryLimits.headBytesMax,
      // The pool is by these, as well as by host and port.
      ...(tls.caCertificates === undefined ? {} : { ca: tls.caCertificates }),
      ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
    };
    if (isFresh) this.#dropIdle(options);
    return new Promise((resolve) => {
      let sent: ClientRequest;
      try {
        sent = (endpoint.isSecure ? httpsRequest : httpRequest)(options);
      } catch (error) {
        // A header that no header can be: of the message, so it will never be another.
        resolve(outcome(permanent("request_invalid", messageOf(error))));
        return;
      }
      const spentMs = this.#clock.monotonicMs() - startMs;
      const timer = this.#clock.setTimer(deliveryLimits.headMsMax - spentMs, () =>
        sent.destroy(new HeadTimeout()),
      );
      sent.once("response", (response) => {
        timer.cancel();
        const retryAfter = response.headers["retry-after"];
        const head = { statusCode: response.statusCode ?? 0, retryAfter };
        const result = outcome(outcomeOfResponse(head, this.#clock.now()));
        this.#discard(response, () => resolve(result));
      });
      sent.once("upgrade", (response, socket: Duplex) => {
        timer.cancel();
        socket.destroy();
        const head = { statusCode: response.statusCode ?? 0, retryAfter: undefined };
        resolve(outcome(outcomeOfResponse(head, this.#clock.now())));
      });
      // Stays: an error may come after the response too, and then tells nothing new.
      sent.on("error", (error) => {
        timer.cancel();
        resolve(this.#failed(error, sent.reusedSocket));
      });
      sent.end(body);
    });
  }

  /** Reads a short body to its end, so that the connection can be used again; ends the connection of any other. */
  #discard(response: IncomingMessage, done: () => void): void {
    let bytes = 0;
    const timer: Timer = this.#clock.setTimer(deliveryLimits.bodyMsMax, () => response.destroy());
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > deliveryLimits.bodyBytesMax) response.destroy();
    });
    // Every way to end comes to `close`; an error before it is one of them.
    response.on("error", () => undefined);
    response.once("close", () => {
      timer.cancel();
      done();
    });
  }

  #failed(error: Error, isReused: boolean): Exchanged {
    if (this.#isClosed) return outcome(shutDown());
    if (error instanceof DialFault) {
      const { reason, message } = error;
      return outcome(
        reason === "address_blocked" ? permanent(reason, message) : retryable(reason, message),
      );
    }
    if (error instanceof HeadTimeout) return outcome(retryable("response_timeout", error.message));
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code.startsWith("HPE_")) {
      return outcome(retryable("response_malformed", `The response cannot be read: ${code}.`));
    }
    const failed = retryable("connection_failed", `The connection ended: ${messageOf(error)}.`);
    const isStale = isReused && staleCodes.has(code);
    return { kind: isStale ? "stale_connection" : "outcome", outcome: failed };
  }

  /** Closes the idle connections to a target. */
  #dropIdle(options: {
    readonly agent: HttpAgent;
    readonly host: string;
    readonly port: number;
  }): void {
    const { agent } = options;
    const name = agent.getName(options);
    for (const socket of agent.freeSockets[name] ?? []) socket.destroy();
  }
}

class HeadTimeout extends Error {
  constructor() {
    super(`No response came within ${deliveryLimits.headMsMax / 1_000} s.`);
  }
}

const staleCodes: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

const outcome = (outcome: AttemptOutcome): Exchanged => ({ kind: "outcome", outcome });

const shutDown = (): AttemptOutcome => retryable("shut_down", "The server is being stopped.");

/** Sent without being asked for, over TLS alone (see endpoint.ts). */
function authorization({ credentials }: Endpoint): Readonly<Record<string, string>> {
  if (credentials === undefined) return {};
  const text = Buffer.from(`${credentials.user}:${credentials.password}`, "utf8");
  return { authorization: `Basic ${text.toString("base64")}` };
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
