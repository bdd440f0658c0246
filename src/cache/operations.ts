// What a call asks of one cache, and what came of it: one union, so that a single call, a batch and a pipeline are the same rules.

import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import { type CacheAddress, cacheNotFound, findCache } from "./cache-name.js";
import type { Condition } from "./condition.js";
import {
  type CountOutcome,
  type Increment,
  type IncrementFloat,
  increment,
  incrementFloat,
} from "./counting.js";
import { type TtlUpdated, type UpdateTtl, updateTtl } from "./lives.js";
import { OpenCache } from "./open-cache.js";
import {
  type Append,
  append,
  type Changed,
  type GetRange,
  getRange,
  type Part,
  type SetRange,
  setRange,
} from "./parts.js";
import { type CacheDecided, refuse } from "./rejections.js";
import {
  type Delete,
  type Deleted,
  type Get,
  type GetAndDelete,
  get,
  getAndDelete,
  holds,
  type NotWritten,
  type Read,
  remove,
  type SetOrder,
  set,
  type Taken,
  versionOf,
  type Written,
} from "./scalars.js";
import { type Transfer, type Transferred, transfer } from "./transfers.js";

/** Each kind of operation: what it asks, and what it comes to. */
export interface Operations {
  readonly get: { readonly order: Get; readonly result: Read };
  readonly get_and_delete: { readonly order: GetAndDelete; readonly result: Taken };
  readonly set: { readonly order: SetOrder; readonly result: Written | NotWritten };
  readonly delete: { readonly order: Delete; readonly result: Deleted };
  readonly increment: { readonly order: Increment; readonly result: CountOutcome<bigint> };
  readonly increment_float: {
    readonly order: IncrementFloat;
    readonly result: CountOutcome<number>;
  };
  readonly append: { readonly order: Append; readonly result: Changed };
  readonly get_range: { readonly order: GetRange; readonly result: Part | undefined };
  readonly set_range: { readonly order: SetRange; readonly result: Changed };
  readonly transfer: { readonly order: Transfer; readonly result: Transferred };
  readonly update_ttl: { readonly order: UpdateTtl; readonly result: TtlUpdated };
}

export type OperationKind = keyof Operations;

type Rules = {
  readonly [Kind in OperationKind]: (
    open: OpenCache,
    order: Operations[Kind]["order"],
  ) => CacheDecided<Operations[Kind]["result"]>;
};

const rules: Rules = {
  get,
  get_and_delete: getAndDelete,
  set,
  delete: remove,
  increment,
  increment_float: incrementFloat,
  append,
  get_range: getRange,
  set_range: setRange,
  transfer,
  update_ttl: updateTtl,
};

export function carryOut<Kind extends OperationKind>(
  open: OpenCache,
  { kind, order }: { readonly kind: Kind; readonly order: Operations[Kind]["order"] },
): CacheDecided<Operations[Kind]["result"]> {
  return rules[kind](open, order);
}

/** Opens a cache for a rule and writes what the rule gathered. */
export function inCache<Outcome>(
  { caches }: StateTransaction,
  address: CacheAddress,
  stamp: Stamp,
  rule: (open: OpenCache) => CacheDecided<Outcome>,
): CacheDecided<Outcome> {
  const cache = findCache(caches, address);
  if (cache === undefined) return cacheNotFound(address);
  const open = new OpenCache(caches, address, cache, stamp);
  const decided = rule(open);
  // What was refused leaves no trace: the engine drops what its decision recorded.
  if (decided.kind === "accepted") open.close();
  return decided;
}

export interface Guard {
  readonly key: Get["key"];
  readonly condition: Condition;
}

/** Whether every guard holds of what is there; which does not, the rejection says. */
export function holdGuards(open: OpenCache, guards: readonly Guard[]): CacheDecided<true> {
  for (const [guard, { key, condition }] of guards.entries()) {
    const looked = open.look(key);
    const held = holds(open, key, looked, condition);
    if (held.kind === "rejected") return held;
    if (!held.outcome) {
      const { given: cache } = open.address;
      return refuse({ kind: "guard_failed", cache, guard, version: versionOf(looked) });
    }
  }
  return accept(true);
}

export interface MultiSet {
  readonly items: readonly SetOrder[];
  /** All or none; conditions are judged by what was there before. */
  readonly isAtomic: boolean;
}

export type MultiSetResult =
  | { readonly kind: "all"; readonly results: readonly CacheDecided<Written | NotWritten>[] }
  /** Nothing was written, since the condition of this one does not hold. */
  | { readonly kind: "none"; readonly index: number };

export function multiSet(
  open: OpenCache,
  { items, isAtomic }: MultiSet,
): CacheDecided<MultiSetResult> {
  if (isAtomic) {
    for (const [index, { key, condition }] of items.entries()) {
      const held = holds(open, key, open.look(key), condition);
      if (held.kind === "rejected") {
        return refuse({ kind: "operation_failed", index, rejection: held.rejection });
      }
      if (!held.outcome) return accept({ kind: "none", index });
    }
  }
  const results: CacheDecided<Written | NotWritten>[] = [];
  for (const [index, item] of items.entries()) {
    const order: SetOrder = isAtomic ? { ...item, condition: { kind: "always" } } : item;
    const decided = open.attempt(() => set(open, order));
    if (isAtomic && decided.kind === "rejected") {
      return refuse({ kind: "operation_failed", index, rejection: decided.rejection });
    }
    results.push(decided);
  }
  return accept({ kind: "all", results });
}
