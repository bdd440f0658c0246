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
import type { Random } from "../base/ids.js";
import { agentOptions, diallingThrough } from "./connection-pool.js";
import { DialFault, type TargetTls } from "./dial.js";
import { digestAuthorization } from "./digest-auth.js";
import type { Endpoint } from "./endpoint.js";
import { outcomeOfResponse } from "./http-outcome.js";
import { deliveryLimits } from "./limits.js";
import { type AttemptOutcome, permanent, retryable } from "./outcome.js";
import type { Resolve } from "./resolver.js";
import type { TargetRules } from "./target-gate.js";
import type { WebhookRequest } from "./webhook-request.js";

export interface WebhookClientParts {
  readonly clock: Clock;
  readonly random: Random;
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
  | { readonly kind: "stale_connection"; readonly outcome: AttemptOutcome }
  /** 401, and it says how one could prove to be somebody. */
  | { readonly kind: "challenged"; readonly outcome: AttemptOutcome; readonly challenge: string };

/** How one request differs from others of the same attempt. */
interface Exchange {
  readonly startMs: number;
  /** On a new connection. */
  readonly isFresh: boolean;
  readonly authorization: string | undefined;
}

export class WebhookClient {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #plain: HttpAgent;
  readonly #secure: HttpsAgent;
  /** Requests without a response, by what ends them. */
  readonly #underWay = new Set<(why: AttemptOutcome) => void>();
  #isClosed = false;

  constructor(parts: WebhookClientParts) {
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#plain = diallingThrough(new HttpAgent(agentOptions), parts, false);
    this.#secure = diallingThrough(new HttpsAgent(agentOptions), parts, true);
  }

  /** Never rejects. */
  async post(target: WebhookTarget, request: WebhookRequest): Promise<AttemptOutcome> {
    const { credentials } = target.endpoint;
    let exchange: Exchange = {
      startMs: this.#clock.monotonicMs(),
      isFresh: false,
      authorization: credentials && basicAuthorization(credentials),
    };
    // A stale connection and a challenge cost one more request each, and neither twice.
    let result = await this.#exchange(target, request, exchange);
    if (result.kind === "stale_connection") {
      exchange = { ...exchange, isFresh: true };
      result = await this.#exchange(target, request, exchange);
    }
    if (result.kind === "challenged") {
      const authorization = this.#answerTo(result.challenge, target.endpoint);
      if (authorization === undefined) return result.outcome;
      result = await this.#exchange(target, request, { ...exchange, authorization });
    }
    return result.outcome;
  }

  #answerTo(challenge: string, { credentials, path }: Endpoint): string | undefined {
    if (credentials === undefined) return undefined;
    const nonce = Buffer.alloc(clientNonceBytes);
    this.#random.fill(nonce);
    const clientNonce = nonce.toString("hex");
    return digestAuthorization({ ...credentials, challenge, method: "POST", path, clientNonce });
  }

  /** Ends what is under way as retryable, and every connection. */
  close(): void {
    this.#isClosed = true;
    for (const abandon of [...this.#underWay]) abandon(shutDown());
    for (const agent of [this.#plain, this.#secure]) {
      // A connection that is still being made is let go when it is there.
      agent.maxFreeSockets = 0;
      agent.destroy();
    }
  }

  #exchange(
    { endpoint, tls = {} }: WebhookTarget,
    { headers, body }: WebhookRequest,
    { startMs, isFresh, authorization }: Exchange,
  ): Promise<Exchanged> {
    if (this.#isClosed) return Promise.resolve(outcome(shutDown()));
    const options = {
      method: "POST",
      host: endpoint.host,
      port: endpoint.port,
      path: endpoint.path,
      headers: {
        ...headers,
        host: endpoint.authority,
        ...(authorization === undefined ? {} : { authorization }),
      },
      agent: endpoint.isSecure ? this.#secure : this.#plain,
      maxHeaderSize: deliveryLimits.headBytesMax,
      // The pool is by these, as well as by host and port.
      ...(tls.caCertificates === undefined ? {} : { ca: tls.caCertificates }),
      ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
    };
    if (isFresh) this.#dropIdle(options);
    try {
      const sent = (endpoint.isSecure ? httpsRequest : httpRequest)(options);
      const result = this.#answerOf(sent, startMs);
      sent.end(body);
      return result;
    } catch (error) {
      // A header that no header can be: of the message, so it will never be another.
      return Promise.resolve(outcome(permanent("request_invalid", messageOf(error))));
    }
  }

  #answerOf(sent: ClientRequest, startMs: number): Promise<Exchanged> {
    return new Promise((resolve) => {
      const spentMs = this.#clock.monotonicMs() - startMs;
      let isAnswered = false;
      const settle = (exchanged: Exchanged): void => {
        timer.cancel();
        this.#underWay.delete(abandon);
        resolve(exchanged);
      };
      // Settles by itself: a request that has no connection yet would tell of its end only when it has one.
      const abandon = (why: AttemptOutcome): void => {
        settle(outcome(why));
        sent.destroy();
      };
      const timer = this.#clock.setTimer(deliveryLimits.headMsMax - spentMs, () =>
        abandon(retryable("response_timeout", noResponse)),
      );
      this.#underWay.add(abandon);
      sent.once("response", (response) => {
        timer.cancel();
        // From here on the outcome stands, however the rest goes.
        isAnswered = true;
        this.#underWay.delete(abandon);
        const result = this.#judge(response);
        this.#discard(response, () => resolve(result));
      });
      sent.once("upgrade", (response, socket: Duplex) => {
        socket.destroy();
        settle(this.#judge(response));
      });
      // Stays: an error may come after the response too, and then tells nothing new.
      sent.on("error", (error) => {
        if (!isAnswered) settle(this.#failed(error, sent.reusedSocket));
      });
    });
  }

  #judge({ statusCode = 0, headers }: IncomingMessage): Exchanged {
    const head = { statusCode, retryAfter: headers["retry-after"] };
    const judged = outcomeOfResponse(head, this.#clock.now());
    const challenge = headers["www-authenticate"];
    return statusCode === 401 && challenge !== undefined
      ? { kind: "challenged", outcome: judged, challenge }
      : outcome(judged);
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
    if (error instanceof DialFault) {
      const { reason, message } = error;
      return outcome(
        reason === "address_blocked" ? permanent(reason, message) : retryable(reason, message),
      );
    }
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

const noResponse = `No response came within ${deliveryLimits.headMsMax / 1_000} s.`;

const staleCodes: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

const outcome = (outcome: AttemptOutcome): Exchanged => ({ kind: "outcome", outcome });

const shutDown = (): AttemptOutcome => retryable("shut_down", "The server is being stopped.");

const clientNonceBytes = 16;

/** Sent without being asked for, over TLS alone (see endpoint.ts). */
function basicAuthorization({ user, password }: NonNullable<Endpoint["credentials"]>): string {
  return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
