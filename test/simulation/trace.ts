// What happened in a run, a line an event, the last lines only. Most runs are clean and write none; one that failed is run again
// from its seed with the trace on, which changes nothing else.

import type { EventQueue } from "./event-queue.js";

const linesMax = 400;

export class Trace {
  readonly #isOn: boolean;
  readonly #lines: string[] = [];
  #events: EventQueue | undefined;

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  attach(events: EventQueue): void {
    this.#events = events;
  }

  note(line: () => string): void {
    if (!this.#isOn) return;
    this.#lines.push(`${(this.#events?.nowMs ?? 0).toFixed(1).padStart(9)} ${line()}`);
    if (this.#lines.length > linesMax) this.#lines.shift();
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}

/** A run ended by what must never happen. */
export class Violation extends Error {
  /** The rule it breaks, for the table of mutations. */
  readonly rule: string;

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.name = "Violation";
    this.rule = rule;
  }
}
