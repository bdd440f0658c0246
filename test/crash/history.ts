// What the clients of a crash test did and were told, one line of JSON an event, written by the client that knows. The
// checker (checker.ts) judges the events of all clients together.
//
// Times are milliseconds of the machine's monotonic clock, the same in every process. An outcome is `ok` when the server
// said so, `refused` when it said no, and `unknown` when nobody can tell: the call may or may not have taken effect.

import { createHash } from "node:crypto";
import { createWriteStream, readFileSync, type WriteStream } from "node:fs";
import { Random } from "./random.js";

export type Outcome = "ok" | "refused" | "unknown";

interface Span {
  readonly startedMs: number;
  readonly endedMs: number;
}

/** One message that was sent, however often the call was repeated. */
export interface Sent extends Span {
  readonly kind: "sent";
  readonly key: string;
  readonly bodyHash: string;
  readonly outcome: Outcome;
  /** What the server named the message; with `ok` only. */
  readonly messageId?: string;
  readonly attemptCount: number;
  /** On a FIFO queue. */
  readonly order?: SentOrder;
}

/** Where a message of a FIFO queue was to stand, and stands. */
export interface SentOrder {
  readonly group: string;
  /** Who sent it, and how many messages it had sent before: those of one client stay in this order. */
  readonly client: string;
  readonly place: number;
  /** Its sequence number; with `ok` only. */
  readonly sequence?: number;
}

/** A message that came to a client. */
export interface Arrived extends Span {
  readonly kind: "arrived";
  readonly queue: string;
  /** Names this receive. */
  readonly handle: string;
  readonly messageId: string;
  readonly key: string;
  readonly bodyHash: string;
  /** Over all queues it was in. */
  readonly receiveCount: number;
  readonly queueReceiveCount: number;
  /** The id it had before it was moved. */
  readonly originalMessageId?: string;
  /** On a FIFO queue. */
  readonly order?: { readonly group: string; readonly sequence: number };
  /** By a receive, whose lease this is; or over a stream, which may have leased it long before it came. */
  readonly lease:
    | { readonly kind: "receive"; readonly visibilityTimeoutMs: number }
    | { readonly kind: "stream" };
  /** When the lease ends, by the server's time; absent in events that are not about it. */
  readonly leasedUntilMs?: number;
}

/** A delete, or the ack of a stream. */
export interface Deleted extends Span {
  readonly kind: "deleted";
  readonly messageId: string;
  readonly key: string;
  readonly handle: string;
  readonly outcome: Outcome;
  /** How often it was asked; undefined when the client library may have repeated it. */
  readonly attemptCount?: number;
  /** Whether this call was told that it removed the message; otherwise it was gone before. */
  readonly hasRemoved: boolean;
}

/** Anything that may end a lease early: a change of visibility, a nack, a reject. */
export interface GivenBack extends Span {
  readonly kind: "given_back";
  readonly messageId: string;
  readonly outcome: Outcome;
}

/** A move task that has ended, as the list of tasks said in the end. */
export interface TaskEnded {
  readonly kind: "task";
  readonly atMs: number;
  readonly status: string;
  readonly movedCount: number;
  /** Whether the server was gone for a while as it ran, and more was moved after that. */
  readonly hasResumed: boolean;
}

/** An answer that no crash explains. */
export interface Surprise {
  readonly kind: "surprise";
  readonly atMs: number;
  readonly what: string;
}

export type Event = Sent | Arrived | Deleted | GivenBack | TaskEnded | Surprise;

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Appends events to a file: those above, or those of another test. */
export class History<Written = Event> {
  readonly #stream: WriteStream;

  constructor(path: string) {
    this.#stream = createWriteStream(path, { flags: "a" });
  }

  add(event: Written): void {
    this.#stream.write(`${JSON.stringify(event)}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.once("error", reject);
      this.#stream.end(resolve);
    });
  }
}

export function readHistory(path: string): Event[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Event => JSON.parse(line));
}

/** A body that names its key, followed by text that only this key has. Some are bytes, to try both kinds. */
export function bodyOf(key: string, bodyBytes: number): string | Uint8Array {
  const random = new Random(Number.parseInt(hashOf(key).slice(0, 8), 16));
  let text = `${key} `;
  while (text.length < bodyBytes) text += random.next().toString(36).slice(2);
  const body = text.slice(0, Math.max(key.length + 1, bodyBytes));
  return random.chance(0.3) ? Buffer.from(body) : body;
}

export function keyOf(body: string | Uint8Array): string {
  const text = typeof body === "string" ? body : Buffer.from(body).toString("latin1");
  return text.slice(0, text.indexOf(" "));
}

export function hashOf(body: string | Uint8Array): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 32);
}
