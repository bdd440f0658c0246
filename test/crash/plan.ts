// What a process of clients is to do; given to it as JSON on its command line.

export interface ClientPlan {
  readonly endpoint: string;
  readonly queue: string;
  /** Distinct for every process of a run: the keys of its messages start with it. */
  readonly name: string;
  readonly seed: number;
  readonly historyPath: string;
  /** How many of each kind of client run in the process. */
  readonly clients: Readonly<Partial<Record<ClientKind, number>>>;
  /** Bodies are small, up to 500 bytes, but for this share of them, which have up to `bodyBytesMax`. */
  readonly largeBodyShare: number;
  readonly bodyBytesMax: number;
  /** How long a client waits between calls at most. */
  readonly pauseMsMax: number;
  /** This share of the messages nobody deletes, so that they are delivered until they are dead letters. Default: none. */
  readonly poisonShare?: number;
  /** This share of what was received is left alone, and comes back when its lease ends. Default: 0.08. */
  readonly forgottenShare?: number;
}

/**
 * - `sender`: one message a call, repeated by itself with the same request id until it is answered
 * - `hasty_sender`: many messages at once, joined into batches and repeated by the client library
 * - `batch_sender`: batches, repeated by itself with the same request id
 * - `producer`: a Produce stream, never repeated
 * - `receiver`: polls, and deletes, gives back or forgets what it got
 * - `consumer`: a Consume stream
 * - `mover`: moves dead letters back to where they came from, one task after another
 *
 * To a FIFO queue all senders send into the same few groups, with a deduplication id a message, and repeat with that id alone; a
 * receiver repeats with a receive attempt id.
 */
export type ClientKind =
  | "sender"
  | "hasty_sender"
  | "batch_sender"
  | "producer"
  | "receiver"
  | "consumer"
  | "mover";
