// Random calls on a few queues: what they can be, and how often each comes.

import fc from "fast-check";
import type { ModelReceive, ModelSettings } from "./model-queue.js";

/** A message of a random send; its body and instants are made when it is sent. */
export interface GivenEntry {
  /** Messages of one content are equal; undefined: a content of its own. */
  readonly content: number | undefined;
  readonly sizeBytes: number;
  readonly group: string | undefined;
  readonly dedup: number | undefined;
  readonly delayMs: number | undefined;
  readonly inMs: number | undefined;
  readonly timeToLiveMs: number | undefined;
  readonly priority: number;
}

export type LeaseCall =
  | { readonly call: "change"; readonly timeoutMs: number }
  | {
      readonly call: "give back";
      readonly delayMs: number | undefined;
      readonly isRejected: boolean;
    }
  | { readonly call: "dead-letter" };

/** Handles, receives and sends are named by number, the earlier ones over and over. */
export type Call =
  | { readonly call: "create"; readonly queue: string; readonly settings: Partial<ModelSettings> }
  | { readonly call: "set"; readonly queue: string; readonly settings: Partial<ModelSettings> }
  | { readonly call: "delete queue"; readonly queue: string }
  | { readonly call: "purge"; readonly queue: string }
  | { readonly call: "send"; readonly queue: string; readonly entries: readonly GivenEntry[] }
  | { readonly call: "cancel"; readonly queue: string; readonly send: number }
  | ({ readonly call: "receive"; readonly queue: string } & ModelReceive)
  | { readonly call: "delete"; readonly queue: string; readonly handles: readonly number[] }
  | ({ readonly queue: string; readonly handle: number } & LeaseCall)
  | { readonly call: "undo"; readonly receive: number }
  | { readonly call: "report"; readonly queue: string }
  | { readonly call: "advance"; readonly ms: number }
  | { readonly call: "sweep" }
  | { readonly call: "reap" }
  | { readonly call: "restart" }
  /** Lets the commit that is held go on. */
  | { readonly call: "commit" }
  /** Waits for every answer. */
  | { readonly call: "settle" };

export const oneOf = <Value>(...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const constantly = <Text extends string>(text: Text): fc.Arbitrary<Text> => fc.constant(text);
const optional = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const named = fc.nat({ max: 1_000 });
const timeoutMs = oneOf(0, 1, 1_000, 5_000, 30_000, 43_200_000);

export interface CallChoices {
  /** The more often a name is given, the more calls go to it. */
  readonly queues: readonly string[];
  readonly settings: fc.Arbitrary<Partial<ModelSettings>>;
  readonly entry: fc.Arbitrary<GivenEntry>;
  readonly entriesMin: number;
  readonly entriesMax: number;
  readonly receivedMax: number;
  readonly attemptIds: readonly (string | undefined)[];
  readonly advanceMs: readonly number[];
}

export function callsOf(choices: CallChoices): fc.Arbitrary<Call> {
  const { settings, entry } = choices;
  const queue = oneOf(...choices.queues);
  const handle = named;
  return fc.oneof(
    // More often than they are deleted, or most histories would end with no queue.
    { weight: 4, arbitrary: fc.record({ call: constantly("create"), queue, settings }) },
    { weight: 4, arbitrary: fc.record({ call: constantly("set"), queue, settings }) },
    { weight: 1, arbitrary: fc.record({ call: constantly("delete queue"), queue }) },
    { weight: 1, arbitrary: fc.record({ call: constantly("purge"), queue }) },
    {
      weight: 14,
      arbitrary: fc.record({
        call: constantly("send"),
        queue,
        entries: fc.array(entry, {
          minLength: choices.entriesMin,
          maxLength: choices.entriesMax,
          size: "max",
        }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ call: constantly("cancel"), queue, send: named }) },
    {
      weight: 18,
      arbitrary: fc.record({
        call: constantly("receive"),
        queue,
        countMax: fc.integer({ min: 1, max: choices.receivedMax }),
        bytesMax: oneOf(1, 100, 500_000, 4_000_000, 4_000_000, 4_000_000),
        visibilityTimeoutMs: optional(timeoutMs),
        attemptId: oneOf(...choices.attemptIds),
      }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        call: constantly("delete"),
        queue,
        handles: fc.array(named, { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 6, arbitrary: fc.record({ call: constantly("change"), queue, handle, timeoutMs }) },
    {
      weight: 8,
      arbitrary: fc.record({
        call: constantly("give back"),
        queue,
        handle,
        delayMs: oneOf(undefined, 0, 1_500),
        isRejected: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ call: constantly("dead-letter"), queue, handle }) },
    { weight: 6, arbitrary: fc.record({ call: constantly("undo"), receive: named }) },
    { weight: 2, arbitrary: fc.record({ call: constantly("report"), queue }) },
    {
      weight: 12,
      arbitrary: fc.record({ call: constantly("advance"), ms: oneOf(...choices.advanceMs) }),
    },
    { weight: 1, arbitrary: fc.record({ call: constantly("sweep") }) },
    { weight: 1, arbitrary: fc.record({ call: constantly("reap") }) },
    { weight: 1, arbitrary: fc.record({ call: constantly("restart") }) },
    { weight: 5, arbitrary: fc.record({ call: constantly("commit") }) },
    { weight: 8, arbitrary: fc.record({ call: constantly("settle") }) },
  );
}

// For histories that are written down.

/** Sends messages that differ from plain ones as given. */
export const sendOf = (queue: string, ...entries: Partial<GivenEntry>[]): Call => ({
  call: "send",
  queue,
  entries: entries.map((entry) => ({ ...plainEntry, ...entry })),
});

const plainEntry: GivenEntry = {
  content: undefined,
  sizeBytes: 1,
  group: undefined,
  dedup: undefined,
  delayMs: undefined,
  inMs: undefined,
  timeToLiveMs: undefined,
  priority: 0,
};

export const receiveOf = (queue: string, wanted: Partial<ModelReceive> = {}): Call => ({
  call: "receive",
  queue,
  countMax: 10,
  bytesMax: 4_000_000,
  visibilityTimeoutMs: undefined,
  attemptId: undefined,
  ...wanted,
});

/** Names what was handed out last, or the last but so many. */
export const latest = (back = 0): number => 2 * back;
