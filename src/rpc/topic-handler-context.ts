// What every handler of the topic service shares.

import type { DurationMs } from "../base/brands.js";
import type { Decision } from "../engine/command.js";
import type { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import type { RequestIdentity } from "../queue/once.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { Topic } from "../topic/model.js";
import type { TopicRejection } from "../topic/rejections.js";
import type { TopicAddress } from "../topic/topic-name.js";
import type { StateTransaction } from "../topic/view.js";
import type { ServiceHandlers } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, localCaller } from "./handler-context.js";
import type { PageTokens } from "./page-token.js";
import { parseRequestId } from "./request-ids.js";
import { parseTopicAddress } from "./topic-names.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import { Violations } from "./violations.js";

export type TopicHandlers = ServiceHandlers<typeof TopicServiceDefinition>;

export interface TopicHandlerParts {
  readonly engine: CommandRunner;
  readonly pageTokens: PageTokens;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  /** Is told of what there is to do by and by. */
  readonly distributor: {
    begin(topic: Pick<Topic, "namespace" | "name">): void;
    reap(): void;
  };
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
}

export function createTopicTools({ engine, requestKeepMs }: TopicHandlerParts) {
  const { namespace } = localCaller;

  const execute = async <Outcome>(command: TopicCommand<Outcome>): Promise<Outcome> => {
    const { name, bytes = 0, isGrowing, decide } = command;
    const sized = { name, bytes: commandBytes + bytes, isGrowing, decide };
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
