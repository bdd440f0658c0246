// Trying a filter on a message, without publishing it.

import { FilterPolicyScope as FilterScopes } from "../gen/forebay/topic/v1/topic.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { type AttributesInput, attributesToWire } from "./attributes.js";
import type { CallOptions, Connection } from "./connection.js";
import type { FilterPolicyScope } from "./subscription-settings.js";

/** A filter and a message. */
export interface FilterTest {
  /** A JSON document. */
  readonly filterPolicy: string;
  /** Default: MESSAGE_ATTRIBUTES. */
  readonly filterPolicyScope?: FilterPolicyScope | undefined;
  readonly message?: string | undefined;
  readonly attributes?: AttributesInput | undefined;
}

/** Whether the filter takes the message, and why. */
export interface FilterVerdict {
  readonly matched: boolean;
  /** Key by key, in the order of the filter. */
  readonly keys: readonly FilterKeyVerdict[];
}

/** What one key of a filter says. */
export interface FilterKeyVerdict {
  /** The key, with those around it: `a.b`. */
  readonly path: string;
  readonly matched: boolean;
  /** The values found there, as JSON. */
  readonly values: readonly string[];
  /** In words. */
  readonly explanation: string;
}

export async function testFilter(
  connection: Connection,
  { filterPolicy, filterPolicyScope, message, attributes }: FilterTest,
  options: CallOptions,
): Promise<FilterVerdict> {
  const request = {
    filterPolicy,
    filterPolicyScope: FilterScopes[filterPolicyScope ?? "UNSPECIFIED"],
    message: message ?? "",
    attributes: attributesToWire(attributes),
  };
  const { methods } = TopicServiceDefinition;
  const { matched, keys } = await connection.unary(methods.testFilterPolicy, request, options);
  return { matched, keys };
}
