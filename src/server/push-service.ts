// Deliveries to webhooks and functions in one term: clients, keys and the dispatcher, and what handlers and pages need of them.

import type { Clock } from "../base/clock.js";
import { fractionOf, systemRandom, uuidBytes, uuidText } from "../base/ids.js";
import type { Log } from "../base/log.js";
import type { Config } from "../config/settings.js";
import type { Listener } from "../delivery/address-rules.js";
import { hostToAsk } from "../delivery/asked-host.js";
import { Dispatcher } from "../delivery/dispatcher.js";
import { FunctionClient } from "../delivery/function-client.js";
import type { MessageSignatures } from "../delivery/message-signatures.js";
import type { PagePorts } from "../delivery/pages.js";
import { endpointOf, type PushTarget } from "../delivery/push-requests.js";
import { PushSender, type PushSenderParts } from "../delivery/push-sender.js";
import { createSystemResolve, type Resolve } from "../delivery/resolver.js";
import { arnPrefixDefault, subscriptionArnOf } from "../delivery/resource-names.js";
import type { Signer } from "../delivery/signing-identity.js";
import { SigningKeys } from "../delivery/signing-keys.js";
import {
  judgeTarget,
  refusalBeforeLookup,
  type TargetRules,
  webhookPortsDefault,
} from "../delivery/target-gate.js";
import { WebhookClient } from "../delivery/webhook-client.js";
import type { Engine } from "../engine/engine.js";
import { type IpNetwork, parseIpNetwork } from "../policy/ip-network.js";
import type { EndpointProblem, PushPort } from "../rpc/topic-handler-context.js";
import type { Topic } from "../topic/model.js";
import { decideConfirmSubscription, decideEndByLink } from "../topic/push-confirm.js";
import { pushLimits } from "../topic/push-limits.js";
import type { PushKind } from "../topic/push-subscribe.js";

/** Where messages may be sent; where this server itself listens is known only once it does. */
export interface PushRules extends TargetRules {
  ownListeners: readonly Listener[];
}

export const pushRulesOf = (
  config: Pick<Config, "webhookAllowedCidrs" | "webhookPlaintext" | "webhookAnyPort">,
): PushRules => ({
  allowed: config.webhookAllowedCidrs.map(networkOf),
  ownListeners: [],
  isPlaintextAllowed: config.webhookPlaintext,
  ports: config.webhookAnyPort ? "any" : webhookPortsDefault,
});

function networkOf(text: string): IpNetwork {
  const parsed = parseIpNetwork(text);
  if (parsed.kind !== "network") throw new Error(`"${text}" is no range of addresses.`);
  return parsed.network;
}

export interface PushServiceParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly config: Config;
  readonly rules: PushRules;
  readonly moved: (topic: Pick<Topic, "namespace" | "name">) => void;
  readonly log: Log;
  /** Of envelopes that go to queues. */
  readonly signatures: MessageSignatures;
  /** Is told of every attempt to deliver. */
  readonly attempted: PushSenderParts["attempted"];
}

export class PushService implements PushPort, PagePorts {
  readonly publicBaseUrl: string;
  readonly #parts: PushServiceParts;
  readonly #keys: SigningKeys;
  readonly #dispatcher: Dispatcher;
  readonly #resolve: Resolve;

  constructor(parts: PushServiceParts) {
    const { engine, clock, config, rules, log, moved, signatures, attempted } = parts;
    this.#parts = parts;
    this.publicBaseUrl = config.publicBaseUrl;
    const { publicBaseUrl } = config;
    const random = systemRandom;
    this.#keys = new SigningKeys({ engine, clock, random, publicBaseUrl });
    const resolve = createSystemResolve();
    this.#resolve = resolve;
    const webhooks = new WebhookClient({ clock, random, rules, resolve });
    const functions = new FunctionClient({ clock, rules, resolve });
    const chance = config.retryJitter ? fractionOf(random) : undefined;
    this.#dispatcher = new Dispatcher({
      engine,
      clock,
      sender: new PushSender({
        webhooks,
        functions,
        signingKeys: this.#keys,
        publicBaseUrl,
        clock,
        chance,
        attempted,
        log,
      }),
      closeClients: () => {
        webhooks.close();
        functions.close();
      },
      destinationOf: (target) => destinationOf(target, rules),
      moved,
      sign: async (unsigned) => signatures.sign(await this.signer(), unsigned),
      disabled: ({ topic, subscription }) => {
        const names = {
          topic: `${topic.namespace}/${topic.name}`,
          subscription: uuidText(subscription.id),
        };
        log.warn(names, "subscription disabled: its target did nothing but fail");
      },
      failed: (error) =>
        log.error({ err: error }, "messages were not delivered to a target; it is tried again"),
    });
  }

  start(): void {
    this.#dispatcher.start();
  }

  stop(): Promise<void> {
    return this.#dispatcher.stop();
  }

  // ---- for handlers ------------------------------------------------------------------------------------------------------

  begin(topic: Pick<Topic, "namespace" | "name">): void {
    this.#dispatcher.begin(topic);
  }

  ask(): void {
    this.#dispatcher.ask();
  }

  randomBytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    systemRandom.fill(bytes);
    return bytes;
  }

  problemOf(kind: PushKind, endpoint: string): EndpointProblem | undefined {
    const read = endpointOf({ kind, endpoint });
    if (read.kind === "invalid") return { kind: "malformed", description: read.why };
    const description = refusalBeforeLookup(read.endpoint, this.#parts.rules);
    return description === undefined ? undefined : { kind: "not_allowed", description };
  }

  async askedHost(kind: PushKind, endpoint: string): Promise<string | undefined> {
    const read = endpointOf({ kind, endpoint });
    if (kind === "function" || read.kind === "invalid") return undefined;
    return await hostToAsk(read.endpoint, { rules: this.#parts.rules, resolve: this.#resolve });
  }

  // ---- for pages ---------------------------------------------------------------------------------------------------------

  async confirm({
    topic: { namespace, topic },
    token,
    isAuthenticatedOnUnsubscribe,
  }: Parameters<PagePorts["confirm"]>[0]): ReturnType<PagePorts["confirm"]> {
    const address = { namespace, name: topic, given: topic };
    const command = { address, token, isEndClosed: isAuthenticatedOnUnsubscribe };
    const decision = await this.#parts.engine.executeIfIdle({
      name: "ConfirmSubscription",
      bytes: 1_000,
      isGrowing: true,
      decide: (transaction, stamp) => decideConfirmSubscription(transaction, command, stamp),
    });
    if (decision === undefined) return { kind: "unavailable" };
    // An unknown topic is no more than a token that is none of its.
    if (decision.kind === "rejected") return { kind: "invalid_token" };
    const subscription = uuidText(decision.outcome.id);
    const subscriptionArn = subscriptionArnOf(arnPrefixDefault, { namespace, topic, subscription });
    return { kind: "confirmed", subscriptionArn };
  }

  async unsubscribe({
    subscription,
  }: Parameters<PagePorts["unsubscribe"]>[0]): ReturnType<PagePorts["unsubscribe"]> {
    const id = uuidBytes(subscription);
    if (id === undefined) return { kind: "ended" };
    const token = this.randomBytes(pushLimits.tokenBytes).toString("hex");
    const decision = await this.#parts.engine.executeIfIdle({
      name: "EndByLink",
      bytes: 1_000,
      isGrowing: true,
      decide: (transaction, stamp) => decideEndByLink(transaction, { id, token }, stamp),
    });
    if (decision?.kind !== "accepted") return { kind: "unavailable" };
    const { outcome } = decision;
    if (outcome.kind === "ended" && outcome.topic !== undefined) {
      this.#parts.moved(outcome.topic);
      this.ask();
    }
    return { kind: outcome.kind };
  }

  /** What signs messages now; for those that go to queues too. */
  signer(): Promise<Signer> {
    return this.#keys.signer();
  }

  async certificate(name: string): ReturnType<PagePorts["certificate"]> {
    const pem = await this.#keys.certificate(name);
    return pem === undefined ? { kind: "unknown" } : { kind: "found", pem };
  }
}

/** Limits of fairness protect others from us: not a function, which says itself how much it takes, nor what the operator opened. */
function destinationOf({ subscription }: PushTarget, rules: TargetRules): string | undefined {
  if (subscription.kind === "function") return undefined;
  const read = endpointOf(subscription);
  if (read.kind === "invalid") return undefined;
  const { endpoint } = read;
  const isOpened =
    endpoint.isAddress && judgeTarget(endpoint.host, endpoint, rules).kind === "opened";
  return isOpened ? undefined : endpoint.host;
}
