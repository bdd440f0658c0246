// What the calls of a queue take and give, and what a queue shares with the client it belongs to.

import type { CallOptions, Connection } from "./connection.js";
import type { ForebayError } from "./errors.js";
import type { MessageState, SystemAttributeName } from "./messages.js";
import type { Body, MessageOptions } from "./outgoing.js";

/** What a queue shares with its client. */
export interface QueueContext {
  readonly connection: Connection;
  readonly isBatching: boolean;
  readonly isMd5Verified: boolean;
  readonly timeoutMs: number;
  /**
   * Has something closed together with the client; the returned function forgets it.
   *
   * @throws ForebayError CLIENT_CLOSED.
   */
  closeWithClient(closable: AsyncDisposable): () => void;
}

/** What calls take that a server can recognise when they are repeated. */
export interface RequestIdOption {
  /** 1 to 64 bytes that name this call; a repeat within 60 s is answered with the first one's result. Default: random. */
  readonly requestId?: string | undefined;
}

export type SendOptions = MessageOptions & CallOptions & RequestIdOption;

/** One message of a batch. */
export interface BatchMessage extends MessageOptions {
  readonly body: Body;
  /** 1 to 80 of `A-Za-z0-9_-`, distinct in the batch. Default: its place in the batch, `0` to `9`. */
  readonly id?: string | undefined;
}

/** What became of the entries of a batch, both lists in the order of the entries. */
export interface BatchResult<Done> {
  readonly successful: readonly (Done & { readonly id: string })[];
  readonly failed: readonly BatchFailure[];
}

/** An entry that was refused; the others stand. */
export interface BatchFailure {
  readonly id: string;
  readonly error: ForebayError;
  /** True when repeating the entry unchanged cannot succeed. */
  readonly senderFault: boolean;
}

export interface ReceiveOptions extends CallOptions {
  /** How many messages at most. Range: 1 to 10. Default: 1. */
  readonly maxMessages?: number | undefined;
  /** How long to wait for a message, in milliseconds. Range: 0 to 20000. Default: the queue's. 0: do not wait. */
  readonly waitTimeMs?: number | undefined;
  /** How long the messages stay invisible to others, in milliseconds. Range: 0 to 43200000. Default: the queue's. */
  readonly visibilityTimeoutMs?: number | undefined;
  /** Bytes of bodies and attributes at most, save that one message always comes. Range: 1 to 4128768, the default. */
  readonly maxBytes?: number | undefined;
  /** Which attributes to return: exact names, `prefix.*`, or `All`. Default: all. */
  readonly attributeNames?: readonly string[] | undefined;
  /** What the server keeps for a message and should return. Default: all. None makes an answer some 60 bytes smaller. */
  readonly systemAttributeNames?: readonly SystemAttributeName[] | undefined;
  /**
   * FIFO queues only: names this call, so that it may be repeated when its answer is lost, by this client or the caller.
   * Within 5 minutes the same messages and handles come again, each with a full new timeout and its count unchanged; or
   * RECEIVE_ATTEMPT_STALE, if one of them was deleted or changed, or its lease ended. 1 to 128 ASCII letters, digits and
   * punctuation. Default: none.
   */
  readonly receiveAttemptId?: string | undefined;
  /**
   * 1 to 64 bytes that name this call, so that it may be repeated when its answer is lost: within 60 s the same messages
   * come again. Default: none; messages of a lost answer then come back when their visibility timeout ends, and on a FIFO
   * queue hold up their groups until then.
   */
  readonly requestId?: string | undefined;
}

export interface PeekOptions extends CallOptions {
  /** Only messages in these states. Default: all. SCHEDULED ones are not shown; `listScheduledMessages` does. */
  readonly states?: readonly MessageState[] | undefined;
  /** Only messages of this group. */
  readonly groupId?: string | undefined;
  /** Only messages with every one of these attributes, of exactly this text. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Only messages whose body contains this text. */
  readonly bodyContains?: string | undefined;
  /** Messages asked for at a time. Range: 1 to 100. Default: 10. */
  readonly pageSize?: number | undefined;
  /** Bytes of each body at most. Range: 0 to 1048576, the default. */
  readonly bodyBytesMax?: number | undefined;
}

export interface SetAttributesOptions extends CallOptions {
  /** The last etag seen; the change is refused with ETAG_MISMATCH if it is no longer current. */
  readonly etag?: string | undefined;
}

export interface DescribeMessageOptions extends CallOptions {
  /** Bytes of the body at most. Range: 0 to 1048576, the default. */
  readonly bodyBytesMax?: number | undefined;
}

export interface ListScheduledMessagesOptions extends CallOptions {
  /** Messages asked for at a time. Range: 1 to 100. Default: 10. */
  readonly pageSize?: number | undefined;
  /** Bytes of each body at most. Range: 0 to 1048576, the default. */
  readonly bodyBytesMax?: number | undefined;
}

export interface ListDeadLetterSourcesOptions extends CallOptions {
  /** Names asked for at a time. Range: 1 to 1000, the default. */
  readonly pageSize?: number | undefined;
}

/** What can be granted; `*` stands for all of it. What only the owner may do cannot be. */
export type PermittedAction =
  | "SendMessage"
  | "ReceiveMessage"
  | "DeleteMessage"
  | "ChangeMessageVisibility"
  | "GetQueueAttributes"
  | "GetQueueUrl"
  | "ListDeadLetterSourceQueues"
  | "PurgeQueue"
  | "PeekMessages"
  | "*";

/** A statement that lets others use a queue. */
export interface Permission {
  /** 1 to 80 of letters, digits and `-_`, not taken in the queue's policy. */
  readonly label: string;
  /** Who; at least one. */
  readonly principals: readonly string[];
  /** What: at most 7, or `*`. */
  readonly actions: readonly PermittedAction[];
}
