// One attempt to deliver leased messages: makes the requests, sends them, and says what is to become of each message by the policy in
// force. Every attempt that fails is logged, and of those that succeed as many as the topic wants.

import { milliseconds, seconds } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import { uuidText } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { functionDefaults } from "../topic/limits.js";
import type { TargetKind } from "../topic/model.js";
import { outboundRefusal } from "../topic/protection/data-protection.js";
import type { LeasedConfirmation, SettleConfirmation } from "../topic/push-confirmations.js";
import type { LeasedPush } from "../topic/push-lease.js";
import type { PushAttempt, PushResult, PushSettlement } from "../topic/push-settle.js";
import { deliveryRecord, isLogged } from "./delivery-log.js";
import type { FunctionClient } from "./function-client.js";
import { type AttemptOutcome, permanent, retryable } from "./outcome.js";
import {
  confirmationRequest,
  endpointOf,
  functionNotification,
  isSigned,
  notificationRequest,
  type PushTarget,
  policyOf,
  type RequestContext,
  tlsOf,
} from "./push-requests.js";
import { PushSignatures } from "./push-signatures.js";
import { nextAttemptDelay } from "./retry-delays.js";
import type { SigningKeys } from "./signing-keys.js";
import type { WebhookClient } from "./webhook-client.js";

/** An attempt to deliver one message, and what is to become of the message. */
export type Attempt = Pick<PushSettlement, "result" | "attempt">;

export interface PushSenderParts {
  readonly webhooks: Pick<WebhookClient, "post">;
  readonly functions: Pick<FunctionClient, "deliver">;
  readonly signingKeys: SigningKeys;
  readonly publicBaseUrl: string;
  readonly clock: Clock;
  /** From 0 to 1, by chance; undefined: delays have no jitter. */
  readonly chance: (() => number) | undefined;
  /** Is told of every attempt that says something about its target. */
  readonly attempted: (attempt: AttemptMade) => void;
  readonly log: Log;
}

/** An attempt in numbers. */
export interface AttemptMade {
  readonly kind: TargetKind;
  readonly outcome: AttemptOutcome["kind"];
  readonly durationMs: number;
  /** Since the message was published. */
  readonly sincePublishMs: number;
}

const notBegunMs = seconds(1);

export class PushSender {
  readonly #parts: PushSenderParts;
  readonly #signatures = new PushSignatures();

  constructor(parts: PushSenderParts) {
    this.#parts = parts;
  }

  /** What is to become of each message, in their order. Never rejects. */
  async deliver(target: PushTarget, leased: readonly LeasedPush[]): Promise<readonly Attempt[]> {
    const startedAt = this.#parts.clock.now();
    const startMs = this.#parts.clock.monotonicMs();
    let outcomes: readonly AttemptOutcome[];
    try {
      outcomes = await this.#attemptAllowed(target, leased);
    } catch (error) {
      // Nothing that a target does comes here: it is the engine that refuses a key, or a mistake of ours.
      this.#parts.log.warn({ err: error }, "an attempt to deliver could not begin");
      const told = { startedAt, durationMs: 0, statusCode: undefined, response: "", error: "" };
      return leased.map(() => ({
        result: { kind: "released", delayMs: notBegunMs },
        attempt: told,
      }));
    }
    const durationMs = Math.round(this.#parts.clock.monotonicMs() - startMs);
    return leased.map((push, index) => {
      const outcome = outcomes[index] ?? retryable("not_answered", "There was no outcome.");
      const attempt = {
        startedAt,
        durationMs,
        statusCode: outcome.answer?.statusCode,
        response: outcome.answer?.text ?? "",
        error: outcome.kind === "delivered" ? "" : outcome.error,
      };
      this.#logAttempt(target, push, outcome, attempt);
      return { result: this.#resultOf(target, push, outcome), attempt };
    });
  }

  /** What the topic's data protection policy denies to the subscriber is not attempted. */
  async #attemptAllowed(
    target: PushTarget,
    leased: readonly LeasedPush[],
  ): Promise<readonly AttemptOutcome[]> {
    const { topic, subscription } = target;
    const refusals = leased.map(({ message }) =>
      outboundRefusal(topic, message, subscription.owner),
    );
    const allowed = leased.filter((_push, index) => refusals[index] === undefined);
    const attempted = allowed.length === 0 ? [] : await this.#attempt(target, allowed);
    let next = 0;
    return refusals.map((refusal) => {
      if (refusal === undefined) {
        next += 1;
        return attempted[next - 1] ?? retryable("not_answered", "There was no outcome.");
      }
      const answer = { statusCode: refusal.statusCode, text: "" };
      return permanent("data_protection_denied", refusal.error, answer);
    });
  }

  async #attempt(
    target: PushTarget,
    leased: readonly LeasedPush[],
  ): Promise<readonly AttemptOutcome[]> {
    const { subscription } = target;
    const read = endpointOf(subscription);
    if (read.kind === "invalid") {
      return leased.map(() => permanent("endpoint_invalid", `The endpoint is none: ${read.why}.`));
    }
    const context = await this.#context(isSigned(target));
    const tls = tlsOf(subscription);
    const { endpoint } = read;
    if (subscription.kind !== "function") {
      return await Promise.all(
        leased.map(async (push) =>
          this.#parts.webhooks.post(
            { endpoint, tls },
            await notificationRequest(target, push, context),
          ),
        ),
      );
    }
    const { bearerToken, timeoutMs = functionDefaults.timeoutMs } =
      subscription.settings.function ?? {};
    const notifications = await Promise.all(
      leased.map((push) => functionNotification(target, push, context)),
    );
    return await this.#parts.functions.deliver(
      { endpoint, tls, bearerToken, timeoutMs },
      {
        subscription: uuidText(subscription.id),
        notifications,
      },
    );
  }

  async #context(isSigning: boolean): Promise<RequestContext> {
    const { signingKeys, publicBaseUrl, clock } = this.#parts;
    const signer = isSigning ? await signingKeys.signer() : undefined;
    return { publicBaseUrl, signer, signatures: this.#signatures, now: clock.now() };
  }

  #resultOf(target: PushTarget, { attempt }: LeasedPush, outcome: AttemptOutcome): PushResult {
    switch (outcome.kind) {
      case "delivered":
        return { kind: "delivered" };
      case "permanent":
        return { kind: "failed", reason: outcome.reason.toUpperCase(), error: outcome.error };
      case "retryable": {
        // Broken off by us, which says nothing about the target.
        if (outcome.reason === "shut_down") return { kind: "released", delayMs: milliseconds(0) };
        const delayMs = this.#delayOf(target, attempt, outcome.hint);
        const { error } = outcome;
        return delayMs === undefined
          ? { kind: "failed", reason: "RETRIES_EXHAUSTED", error }
          : { kind: "retry", delayMs, error };
      }
    }
  }

  #delayOf(
    target: PushTarget,
    attempt: number,
    hint: Extract<AttemptOutcome, { kind: "retryable" }>["hint"],
  ) {
    const chance = this.#parts.chance?.();
    return nextAttemptDelay(policyOf(target).retry, { attempt: attempt + 1, hint, chance });
  }

  /** Asks an endpoint for its consent. Never rejects. */
  async ask(leased: LeasedConfirmation): Promise<SettleConfirmation["result"] | undefined> {
    const { subscription, confirmation } = leased;
    const read = endpointOf(subscription);
    if (read.kind === "invalid") return { kind: "failed" };
    const { signingKeys, webhooks } = this.#parts;
    try {
      const signer = await signingKeys.signer();
      const context = await this.#context(false);
      const target = { endpoint: read.endpoint, tls: tlsOf(subscription) };
      const outcome = await webhooks.post(target, confirmationRequest(leased, context, signer));
      if (outcome.kind === "delivered") return { kind: "sent" };
      const { log } = this.#parts;
      const { error } = outcome;
      log.info({ subscription: uuidText(subscription.id), error }, "confirmation not delivered");
      if (outcome.kind === "permanent") return { kind: "failed" };
      if (outcome.reason === "shut_down") return undefined;
      const delayMs = this.#delayOf(leased, confirmation.failures + 1, outcome.hint);
      return delayMs === undefined ? { kind: "failed" } : { kind: "retry", delayMs };
    } catch {
      // The engine refused; its lease ends, and then it is asked again.
      return undefined;
    }
  }

  /** In the form of SNS's delivery status logs. */
  #logAttempt(
    target: PushTarget,
    push: LeasedPush,
    outcome: AttemptOutcome,
    attempt: PushAttempt,
  ): void {
    if (outcome.kind === "retryable" && outcome.reason === "shut_down") return;
    const { durationMs, startedAt } = attempt;
    this.#parts.attempted({
      kind: target.subscription.kind,
      outcome: outcome.kind,
      durationMs,
      sincePublishMs: Math.max(0, startedAt + durationMs - push.message.publishedAt),
    });
    if (!isLogged(target, push.message, outcome.kind === "delivered")) return;
    this.#parts.log.info(deliveryRecord(target, push, attempt), "delivery");
  }
}
