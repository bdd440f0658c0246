// What the probes of a cluster did and were told: some that each write into a queue of its own, one message after another, and some
// that read how many such a queue holds, from any node and as fresh as they please. One line of JSON an event, beside the
// histories of the clients (test/crash/history.ts), whose times these are: the monotonic clock of one machine.

import { readFileSync } from "node:fs";
import type { Outcome } from "../../crash/history.js";

interface Span {
  readonly startedMs: number;
  readonly endedMs: number;
}

/** A place in the log, as an answer names it. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** One message more in a probe's queue, asked for once. */
export interface Wrote extends Span {
  readonly kind: "wrote";
  readonly queue: string;
  /** The node that was asked; it may have passed the call on. */
  readonly node: string;
  readonly outcome: Outcome;
  /** With `ok` only. */
  readonly position?: Position;
  /** Why it was not done, for people. */
  readonly why?: string;
}

export type Freshness =
  | { readonly kind: "leader_lease" }
  | { readonly kind: "leader_quorum" }
  | { readonly kind: "any" }
  | { readonly kind: "at_least"; readonly position: Position }
  | { readonly kind: "bounded"; readonly stalenessMsMax: number };

/** How many messages were sent to a probe's queue, as somebody was told. Reads that failed are not written down. */
export interface Read extends Span {
  readonly kind: "read";
  readonly queue: string;
  readonly node: string;
  readonly freshness: Freshness;
  readonly count: number;
  /** Up to where the state was that it was answered from. */
  readonly position: Position | undefined;
}

export type ProbeEvent = Wrote | Read;

/** What a judge found. */
export interface ClusterViolation {
  readonly kind:
    | "unavailable"
    | "not live"
    | "stale"
    | "invented"
    | "window shared"
    | "time went back"
    | "time jumped"
    | "log broken"
    | "log diverged"
    | "state diverged"
    | "not caught up";
  readonly sentence: string;
}

export function readProbeHistory(path: string): ProbeEvent[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): ProbeEvent => JSON.parse(line));
}

/** `epoch/seq`, as trailers have it. */
export function positionOf(text: string): Position | undefined {
  const [, epoch, seq] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  return seq === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) };
}

export const positionText = ({ epoch, seq }: Position): string => `${epoch}/${seq}`;
