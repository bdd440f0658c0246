// What every handler of the topic service shares.

import type { DurationMs } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { Decision } from "../engine/command.js";
import type { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import type { RequestIdentity } from "../queue/once.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { Topic } from "../topic/model.js";
import type { PushKind } from "../topic/push-subscribe.js";
import type { TopicRejection } from "../topic/rejections.js";
import type { TopicAddress } from "../topic/topic-name.js";
import type { StateTransaction } from "../topic/view.js";
import type { ServiceHandlers } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, localCaller } from "./handler-context.js";
import type { PageTokens } from "./page-token.js";
import { parseRequestId } from "./request-ids.js";
import { parseTopicAddress } from "./topic-names.js";
import type { TopicTails } from "./topic-tails.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import { Violations } from "./violations.js";

export type TopicHandlers = ServiceHandlers<typeof TopicServiceDefinition>;

export interface TopicHandlerParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  /** Is told what audits of data protection find. */
  readonly log: Pick<Log, "info">;
  readonly receipts: ReceiptCodec;
  readonly pageTokens: PageTokens;
  readonly tails: TopicTails;
  /** Aborted when the server drains: streams end. */
  readonly draining: AbortSignal;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  /** Is told of what there is to do by and by. */
  readonly distributor: {
    begin(topic: Pick<Topic, "namespace" | "name">): void;
    reap(): void;
  };
  /** Is told of replays that were started, and of subscriptions that were resumed. */
  readonly replayer: { begin(subscription: Buffer): void };
  /** Is told of orders to try undeliverable messages again. */
  readonly redriver: { begin(): void };
  /** Delivers to webhooks and functions. */
  readonly pushes: PushPort;
}

/** What subscriptions of webhooks and functions need beside the rules. */
export interface PushPort {
  /** A topic has something to deliver, or may have. */
  begin(topic: Pick<Topic, "namespace" | "name">): void;
  /** An endpoint is to be asked for its consent. */
  ask(): void;
  /** Where endpoints find confirmation and certificate; empty: nowhere. */
  readonly publicBaseUrl: string;
  /** Why nothing may be sent to an endpoint. */
  problemOf(kind: PushKind, endpoint: string): EndpointProblem | undefined;
  /** Whom a webhook's subscription asks for its consent; undefined: the operator opened where it is, and it may always be asked. */
  askedHost(kind: PushKind, endpoint: string): Promise<string | undefined>;
  /** Unpredictable. */
  randomBytes(count: number): Buffer;
}

export interface EndpointProblem {
  readonly kind: "malformed" | "not_allowed";
  readonly description: string;
}

export type TopicDecision<Outcome> = Decision<Outcome, TopicRejection | QueueRejection>;

function topicOutcomeOf<Outcome>(decision: TopicDecision<Outcome>): Outcome {
  if (decision.kind === "rejected") throw topicFaultOf(decision.rejection);
  return decision.outcome;
}

export interface TopicCommand<Outcome> {
  readonly name: string;
  /** What its changes take beside what every command is taken to write. */
  readonly bytes?: number;
  readonly isGrowing: boolean;
  decide(transaction: StateTransaction, stamp: Stamp): TopicDecision<Outcome>;
  /** As that of the engine's commands. */
  committed?(outcome: Outcome): void;
}

export function createTopicTools({ engine, requestKeepMs }: TopicHandlerParts) {
  const { namespace } = localCaller;

  const execute = async <Outcome>(command: TopicCommand<Outcome>): Promise<Outcome> => {
    const { bytes = 0 } = command;
    const sized = { ...command, bytes: commandBytes + bytes };
    return topicOutcomeOf(await engine.execute(sized));
  };

  const identify = (
    violations: Violations,
    requestId: string,
    method: string,
    payload: () => Uint8Array,
  ): RequestIdentity | undefined =>
    parseRequestId(violations, requestId, { namespace, method, keepMs: requestKeepMs }, payload);

  const address = (violations: Violations, given: string): TopicAddress =>
    parseTopicAddress(violations, given, namespace);

  /** For calls whose only parameter is the topic. */
  const addressOnly = (given: string): TopicAddress => {
    const violations = new Violations();
    const parsed = address(violations, given);
    violations.throwIfAny();
    return parsed;
  };

  return { execute, identify, address, addressOnly };
}
