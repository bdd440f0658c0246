// The arithmetic of a lease, on clocks moved by hand.

import { expect, test } from "vitest";
import { LeaseTerm, momentOf } from "../../src/cluster/lease.js";

const times = { marginMs: 1_000, gapMsMax: 500 };
const over = Number.NEGATIVE_INFINITY;

class Clocks {
  #monotonicMs = 10_000;
  #wallMs = 1_700_000_000_000;
  monotonicMs = (): number => this.#monotonicMs;
  wallMs = (): number => this.#wallMs;

  /** Time goes on, and the process with it: it looks every 100 ms. */
  run(spanMs: number, term: LeaseTerm): void {
    for (let passedMs = 0; passedMs < spanMs; passedMs += 100) {
      this.jump({
        monotonicMs: Math.min(100, spanMs - passedMs),
        wallMs: Math.min(100, spanMs - passedMs),
      });
      term.look();
    }
  }

  /** Time goes on without the process. */
  jump({ monotonicMs, wallMs }: { readonly monotonicMs: number; readonly wallMs: number }): void {
    this.#monotonicMs += monotonicMs;
    this.#wallMs += wallMs;
  }
}

function granted(ttlMs = 5_000) {
  const clocks = new Clocks();
  const sentMs = clocks.monotonicMs();
  return { clocks, sentMs, term: new LeaseTerm(clocks, times, momentOf(clocks), ttlMs) };
}

test("the deadline is when the grant was sent, plus what was granted, less the margin", () => {
  const clocks = new Clocks();
  const sent = momentOf(clocks);
  clocks.jump({ monotonicMs: 300, wallMs: 300 });
  const term = new LeaseTerm(clocks, times, sent, 5_000);
  expect(term.deadlineMs()).toBe(sent.monotonicMs + 4_000);
});

test("the deadline moves with the sending of a renewal that was answered, however late the answer", () => {
  const { clocks, sentMs, term } = granted();
  clocks.run(1_000, term);
  const renewalMs = clocks.monotonicMs();
  clocks.run(900, term);
  expect(term.deadlineMs()).toBe(sentMs + 4_000);
  term.renewed(renewalMs, 5_000);
  expect(term.deadlineMs()).toBe(renewalMs + 4_000);
});

test("the answer to an earlier renewal does not take the deadline back", () => {
  const { clocks, sentMs, term } = granted();
  clocks.run(2_000, term);
  term.renewed(sentMs + 2_000, 5_000);
  term.renewed(sentMs + 1_000, 5_000);
  expect(term.deadlineMs()).toBe(sentMs + 6_000);
});

test("what was granted counts, not what was asked for", () => {
  const { clocks, sentMs, term } = granted(2_000);
  expect(term.deadlineMs()).toBe(sentMs + 1_000);
  clocks.run(500, term);
  term.renewed(sentMs + 500, 3_000);
  expect(term.deadlineMs()).toBe(sentMs + 2_500);
});

test("the lease is over at its deadline, and not a millisecond before", () => {
  const { clocks, sentMs, term } = granted();
  clocks.run(3_999, term);
  expect(term.deadlineMs()).toBe(sentMs + 4_000);
  expect(term.isProven()).toBe(true);
  clocks.run(1, term);
  expect(term.deadlineMs()).toBe(over);
  expect(term.isProven()).toBe(false);
});

test("a lease that was over stays over, whatever etcd answers afterwards", () => {
  const { clocks, term } = granted();
  clocks.run(3_900, term);
  const renewalMs = clocks.monotonicMs();
  clocks.run(200, term);
  term.renewed(renewalMs, 5_000);
  expect(term.isOver).toBe(true);
  expect(term.deadlineMs()).toBe(over);
});

test("a lease that etcd no longer has is over at once", () => {
  const { clocks, term } = granted();
  clocks.run(1_000, term);
  term.renewed(clocks.monotonicMs(), 0);
  expect(term.deadlineMs()).toBe(over);
});

test("a process that stood still for 500 ms is trusted, and one that did for longer is not until it renewed", () => {
  const { clocks, sentMs, term } = granted();
  clocks.jump({ monotonicMs: 500, wallMs: 500 });
  expect(term.isProven()).toBe(true);
  clocks.jump({ monotonicMs: 501, wallMs: 501 });
  expect(term.isProven()).toBe(false);
  // It is not over: nobody has to step down for that.
  expect(term.deadlineMs()).toBe(sentMs + 4_000);
  const renewalMs = clocks.monotonicMs();
  term.renewed(renewalMs, 5_000);
  expect(term.isProven()).toBe(true);
});

test("a renewal sent before the process stood still proves nothing about after", () => {
  const { clocks, sentMs, term } = granted();
  clocks.run(200, term);
  const before = clocks.monotonicMs();
  clocks.jump({ monotonicMs: 700, wallMs: 700 });
  term.renewed(before, 5_000);
  expect(term.isProven()).toBe(false);
  expect(term.deadlineMs()).toBe(sentMs + 200 + 4_000);
  expect(term.wouldProve(before)).toBe(false);
  expect(term.wouldProve(clocks.monotonicMs())).toBe(true);
});

test("a machine that slept is noticed by the wall clock, though the monotonic one slept too", () => {
  const { clocks, term } = granted();
  clocks.run(300, term);
  clocks.jump({ monotonicMs: 50, wallMs: 3_600_000 });
  expect(term.isProven()).toBe(false);
});

test("a wall clock that is set back is no reason for doubt", () => {
  const { clocks, term } = granted();
  clocks.run(300, term);
  clocks.jump({ monotonicMs: 50, wallMs: -3_600_000 });
  expect(term.isProven()).toBe(true);
});

test("a process that stood still past the deadline finds its lease over", () => {
  const { clocks, term } = granted();
  clocks.jump({ monotonicMs: 10_000, wallMs: 10_000 });
  expect(term.deadlineMs()).toBe(over);
});

test("a lease that was long in coming is renewed before it is trusted", () => {
  const clocks = new Clocks();
  const sent = momentOf(clocks);
  clocks.jump({ monotonicMs: 600, wallMs: 600 });
  const term = new LeaseTerm(clocks, times, sent, 5_000);
  expect(term.isProven()).toBe(false);
  expect(term.deadlineMs()).toBe(sent.monotonicMs + 4_000);
});
