// Produce: many sends over one stream. Each request is one command; results leave in the order of the entries once their
// record is flushed. The server stops reading while too much waits for the disk or the caller does not read its results,
// which stops the caller through HTTP/2.

import { status } from "@grpc/grpc-js";
import type { Namespace } from "../base/brands.js";
import type {
  ProduceRequest,
  ProduceResponse,
  ProduceResult,
} from "../gen/forebay/queue/v1/queue_service.js";
import { decideFindQueue } from "../queue/administer-queue.js";
import { limits } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import { decideSendMessages, type SendEntry, type SendResult } from "../queue/send-message.js";
import type { CallContext, MessageStream, StreamHandler } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { entryBytes } from "./handler-context.js";
import { OrderedResults } from "./ordered-results.js";
import { type ParsedMessage, parseMessage } from "./parse-message.js";
import { parseAddress } from "./parse-queue.js";
import { renderSent } from "./send-handlers.js";
import { statusOf, WireFault } from "./status-details.js";
import { traceParentOf } from "./trace-parent.js";
import { Violations } from "./violations.js";
import { faultOf, translateFault } from "./wire-errors.js";

export interface ProduceParts {
  readonly engine: CommandRunner;
  readonly namespace: Namespace;
  readonly senderId: string;
  readonly draining: AbortSignal;
}

type Stream = MessageStream<ProduceRequest, ProduceResponse>;

/** What became of one entry that was well-formed. */
type Produced = Extract<SendResult, { kind: "sent" }> | { readonly fault: WireFault };

/** The largest request the listener takes. */
const requestBytesMax = 4 * 1_048_576;
/** With so much waiting, one more request of any size stays within the bounds; with more, none is read. */
const readsOnWith = {
  entries: limits.produceWaitingEntriesMax - limits.produceEntriesMax,
  bytes: limits.produceWaitingBytesMax - requestBytesMax,
} as const;

export const shuttingDown = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
    message:
      "The server is stopping. Open the stream again, here or on another node; what has no result yet was not stored.",
    retryAfterMs: 1_000,
  });

export function createProduceHandler(
  parts: ProduceParts,
): StreamHandler<ProduceRequest, ProduceResponse> {
  return (stream, context) => {
    new ProduceStream(parts, stream, context).start();
  };
}

class ProduceStream {
  readonly #parts: ProduceParts;
  readonly #stream: Stream;
  readonly #context: CallContext;
  readonly #results: OrderedResults<ProduceResult>;
  #address: QueueAddress | undefined;
  #writtenCount = 0n;
  /** Entries without a result yet. */
  #waitingEntries = 0;
  /** Bytes of messages that are not stored yet. */
  #waitingBytes = 0;
  #isPaused = false;
  #isWritable = true;
  #isClosing = false;
  /** What the stream ends with, once everything read is answered. */
  #fault: WireFault | undefined;

  constructor(parts: ProduceParts, stream: Stream, context: CallContext) {
    this.#parts = parts;
    this.#stream = stream;
    this.#context = context;
    this.#results = new OrderedResults(limits.produceEntriesMax, (results) => this.#write(results));
  }

  start(): void {
    const drain = (): void => this.#closeWith(shuttingDown());
    const { draining } = this.#parts;
    if (draining.aborted) {
      this.#stream.fail(shuttingDown());
      return;
    }
    draining.addEventListener("abort", drain, { once: true });
    this.#context.onCancelled(() => {
      this.#isClosing = true;
      draining.removeEventListener("abort", drain);
    });
    this.#stream.onRequestsEnd(() => {
      draining.removeEventListener("abort", drain);
      this.#close();
    });
    this.#stream.onRequest((request) => this.#take(request));
  }

  /** Reads no more; when everything read is answered, the stream ends with `fault`. */
  #closeWith(fault: WireFault): void {
    // Also when the caller has ended its side meanwhile: what was refused must not end as if all were well.
    this.#fault ??= fault;
    if (this.#isClosing) return;
    this.#stream.pauseRequests();
    this.#close();
  }

  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#results.whenIdle(() => {
      if (this.#fault === undefined) this.#stream.end();
      else this.#stream.fail(this.#fault);
    });
  }

  #take(request: ProduceRequest): void {
    if (this.#isClosing) return;
    const isFirst = this.#address === undefined;
    const refusal = this.#checkRequest(request);
    if (refusal !== undefined) {
      this.#closeWith(refusal);
      return;
    }
    // The first finds out whether there is such a queue; a later one without entries asks nothing.
    if (request.entries.length === 0 && !isFirst) return;
    const fill = this.#results.reserve();
    const traceParent = traceParentOf(this.#context);
    const refused = new Map<number, WireFault>();
    const parsed: { readonly index: number; readonly message: ParsedMessage }[] = [];
    let bytes = 0;
    request.entries.forEach((entry, index) => {
      const violations = new Violations();
      const message = parseMessage(violations, "", entry, {
        senderId: this.#parts.senderId,
        traceParent,
      });
      if (message === undefined) refused.set(index, violations.fault() as WireFault);
      else {
        parsed.push({ index, message });
        bytes += message.entry.sizeBytes;
      }
    });
    this.#waitingEntries += request.entries.length;
    this.#waitingBytes += bytes;
    this.#regulate();
    this.#send(
      parsed.map(({ message }) => message.entry),
      bytes,
    ).then(
      (sent) => {
        const results: ProduceResult[] = request.entries.map((_, index) => ({
          result: refused.has(index)
            ? { $case: "error", value: statusOf(refused.get(index) as WireFault) }
            : undefined,
        }));
        parsed.forEach(({ index, message }, place) => {
          results[index] = this.#render(request.entries[index]?.id ?? "", message, sent[place]);
        });
        this.#waitingBytes -= bytes;
        fill(results);
      },
      (error: unknown) => {
        this.#waitingBytes -= bytes;
        const fault = error instanceof WireFault ? error : translateFault(error);
        if (fault === undefined) {
          fill([]);
          this.#stream.fail(error);
          return;
        }
        const ends = fault.code === status.NOT_FOUND;
        if (ends) this.#closeWith(fault);
        fill(
          ends
            ? []
            : request.entries.map((_, index) => ({
                result: { $case: "error", value: statusOf(refused.get(index) ?? fault) },
              })),
        );
      },
    );
  }

  #checkRequest(request: ProduceRequest): WireFault | undefined {
    const violations = new Violations();
    if (this.#address === undefined) {
      this.#address = parseAddress(violations, request.queue, this.#parts.namespace);
    } else if (request.queue !== "" && request.queue !== this.#address.given) {
      violations.add(
        "INVALID_PARAMETER",
        "queue",
        `this stream is for "${this.#address.given}"; open another for "${request.queue.slice(0, 100)}"`,
      );
    }
    if (request.entries.length > limits.produceEntriesMax) {
      violations.add(
        "INVALID_PARAMETER",
        "entries",
        `a request has at most ${limits.produceEntriesMax} entries, not ${request.entries.length}`,
      );
    }
    return violations.fault();
  }

  /** Runs the sends; also with none, so that a stream to a missing queue is told so. */
  async #send(entries: readonly SendEntry[], bytes: number): Promise<readonly Produced[]> {
    const address = this.#address as QueueAddress;
    const { engine } = this.#parts;
    if (entries.length === 0) {
      const found = await engine.execute({
        name: "Produce",
        bytes: 0,
        isGrowing: false,
        decide: (transaction) => decideFindQueue(transaction, address),
      });
      if (found.kind === "rejected") throw faultOf(found.rejection);
      return [];
    }
    const decision = await engine.execute({
      name: "Produce",
      bytes: bytes + entryBytes * entries.length,
      isGrowing: true,
      decide: (transaction, stamp) => decideSendMessages(transaction, { address, entries }, stamp),
    });
    if (decision.kind === "rejected") throw faultOf(decision.rejection);
    return decision.outcome.map((result) =>
      result.kind === "sent" ? result : { fault: faultOf(result.rejection) },
    );
  }

  #render(id: string, message: ParsedMessage, sent: Produced | undefined): ProduceResult {
    if (sent === undefined || "fault" in sent) {
      return sent === undefined
        ? { result: undefined }
        : { result: { $case: "error", value: statusOf(sent.fault) } };
    }
    return { result: { $case: "sent", value: renderSent(id, sent, message) } };
  }

  #write(results: readonly ProduceResult[]): void {
    const isTaken = this.#stream.write({ firstIndex: this.#writtenCount, results: [...results] });
    this.#writtenCount += BigInt(results.length);
    this.#waitingEntries -= results.length;
    if (!isTaken && this.#isWritable) {
      this.#isWritable = false;
      void this.#stream.drained().then(() => {
        this.#isWritable = true;
        this.#regulate();
      });
    }
    this.#regulate();
  }

  /** Stops reading while results are not read or too much waits, and goes on once half of it is done. */
  #regulate(): void {
    if (this.#isClosing) return;
    const isMuch =
      this.#waitingEntries > readsOnWith.entries || this.#waitingBytes > readsOnWith.bytes;
    const hasRoom =
      this.#waitingEntries < limits.produceWaitingEntriesMax / 2 &&
      this.#waitingBytes < limits.produceWaitingBytesMax / 2;
    if (!this.#isPaused && (isMuch || !this.#isWritable)) {
      this.#isPaused = true;
      this.#stream.pauseRequests();
    } else if (this.#isPaused && hasRoom && this.#isWritable) {
      this.#isPaused = false;
      this.#stream.resumeRequests();
    }
  }
}
