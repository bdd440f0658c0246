// Pipeline: many operations over one stream. The operations of a message are decided in one go, each by itself, and answered when
// what they changed is committed; answers leave in the order of the operations. The server stops reading while too much waits or
// the caller does not read its answers, which stops the caller through HTTP/2.

import type { CacheAddress } from "../cache/cache-name.js";
import { cacheLimits } from "../cache/limits.js";
import type { OpenCache } from "../cache/open-cache.js";
import { type CacheDecided, type CacheRejection, refuse } from "../cache/rejections.js";
import {
  CacheResult as CacheResultCodec,
  PipelinedOperation,
  type PipelinedResult,
  type PipelineRequest,
  type PipelineResponse,
  type CacheResult as WireCacheResult,
} from "../gen/forebay/cache/v1/cache_service.js";
import { decideOnce, type RequestIdentity } from "../queue/once.js";
import { accept, type Decided, type QueueRejection } from "../queue/rejections.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import {
  type Beside,
  type CacheHandlerParts,
  type CacheTools,
  createCacheTools,
  type Finder,
  keptAs,
} from "./cache-handler-context.js";
import { answerBytes, type PreparedAny, prepareAny } from "./cache-operations.js";
import { checkCount } from "./cache-parse.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import type { CallContext, MessageStream, StreamHandler } from "./call.js";
import { entryBytes } from "./handler-context.js";
import { OrderedResults } from "./ordered-results.js";
import { shuttingDown } from "./produce-stream.js";
import { statusOf, WireFault } from "./status-details.js";
import { Violations } from "./violations.js";
import { translateFault } from "./wire-errors.js";

type Stream = MessageStream<PipelineRequest, PipelineResponse>;

/** With so much waiting no more is read until half of it is answered. */
const waiting = { operationsMax: 10_000, bytesMax: 16 * 1_048_576 } as const;

export function createPipelineHandler(
  parts: CacheHandlerParts,
): StreamHandler<PipelineRequest, PipelineResponse> {
  const tools = createCacheTools(parts);
  return (stream, context) => {
    new PipelineStream(parts, tools, stream, context).start();
  };
}

/** An operation that may be carried out, and where its answer stands in that of the message. */
interface Runnable {
  readonly index: number;
  readonly prepared: PreparedAny;
  readonly identity: RequestIdentity | undefined;
}

class PipelineStream {
  readonly #parts: CacheHandlerParts;
  readonly #tools: CacheTools;
  readonly #stream: Stream;
  readonly #context: CallContext;
  readonly #results: OrderedResults<PipelinedResult>;
  #address: CacheAddress | undefined;
  #waitingOperations = 0;
  #waitingBytes = 0;
  #isPaused = false;
  #isWritable = true;
  #isClosing = false;
  /** What the stream ends with, once everything read is answered. */
  #fault: WireFault | undefined;

  constructor(parts: CacheHandlerParts, tools: CacheTools, stream: Stream, context: CallContext) {
    this.#parts = parts;
    this.#tools = tools;
    this.#stream = stream;
    this.#context = context;
    this.#results = new OrderedResults(cacheLimits.operationsMax, (results) =>
      this.#write(results),
    );
  }

  start(): void {
    const { draining } = this.#parts;
    const drain = (): void => this.#closeWith(shuttingDown());
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

  #take(request: PipelineRequest): void {
    if (this.#isClosing) return;
    const violations = new Violations();
    if (this.#address === undefined || request.cache !== "") {
      this.#address = this.#tools.address(violations, request.cache);
    }
    const { operations } = request;
    checkCount(violations, "operations", operations.length, cacheLimits.operationsMax);
    const fault = violations.fault();
    if (fault !== undefined) {
      this.#closeWith(fault);
      return;
    }
    if (operations.length === 0) return;
    const answers: WireCacheResult[] = [];
    const runnables = operations.flatMap((operation, index) => {
      const prepared = this.#prepare(operation, index);
      if (!(prepared instanceof WireFault)) return prepared;
      answers[index] = failed(prepared);
      return [];
    });
    const bytes = runnables.reduce((sum, { prepared }) => sum + prepared.bytes + entryBytes, 0);
    this.#waitingOperations += operations.length;
    this.#waitingBytes += bytes;
    this.#regulate();
    const fill = this.#results.reserve();
    const finish = (): void => {
      this.#waitingBytes -= bytes;
      fill(
        operations.map(({ opaque }, index) => ({
          opaque,
          result: answers[index] ?? { result: undefined },
        })),
      );
    };
    this.#run(this.#address, runnables, answers).then(finish, (error: unknown) => {
      finish();
      this.#stream.fail(error);
    });
  }

  #prepare(pipelined: PipelinedOperation, index: number): Runnable | WireFault {
    const violations = new Violations();
    const { opaque, operation, requestId } = pipelined;
    const { opaqueBytesMax } = cacheLimits;
    if (opaque.length > opaqueBytesMax) {
      const description = `has at most ${opaqueBytesMax} bytes, not ${opaque.length}`;
      violations.add("LIMIT_EXCEEDED", "opaque", description, {
        limit: String(opaqueBytesMax),
        actual: String(opaque.length),
      });
    }
    const prepared = prepareAny(violations, operation, "operation.");
    const identity = this.#tools.identify(violations, requestId, "Pipeline", () =>
      PipelinedOperation.encode({ opaque: noBytes, operation, requestId: "" }).finish(),
    );
    const fault = violations.fault();
    if (fault !== undefined) return fault;
    return { index, prepared: prepared as PreparedAny, identity };
  }

  /** Carries out the operations and sets their answers. */
  async #run(
    address: CacheAddress,
    runnables: readonly Runnable[],
    answers: WireCacheResult[],
  ): Promise<void> {
    if (runnables.length === 0) return;
    const isGrowing = runnables.some(({ prepared }) => prepared.isGrowing);
    try {
      const results = await this.#tools.execute({
        name: "Pipeline",
        address,
        bytes: runnables.reduce((sum, { prepared }) => sum + prepared.bytes + entryBytes, 0),
        isGrowing,
        isLookup: runnables.every(
          ({ prepared, identity }) => prepared.isLookup && identity === undefined,
        ),
        rule: (open, found, beside) => accept(carryOutAll(open, runnables, found, beside)),
      });
      runnables.forEach(({ index }, place) => {
        const done = results[place];
        if (done === undefined) return;
        answers[index] =
          done.kind === "rejected" ? failed(cacheFaultOf(done.rejection)) : done.outcome;
      });
    } catch (error) {
      const fault = error instanceof WireFault ? error : translateFault(error);
      if (fault === undefined) throw error;
      // What grows nothing goes on with the disk full, though it came with what does.
      if (fault.reason === "STORAGE_FULL" && runnables.length > 1) {
        for (const runnable of runnables) await this.#run(address, [runnable], answers);
        return;
      }
      for (const { index } of runnables) answers[index] = failed(fault);
    }
  }

  #write(results: readonly PipelinedResult[]): void {
    const position = this.#parts.position();
    let isTaken = true;
    for (const part of inMessages(results))
      isTaken = this.#stream.write({ results: part, position });
    this.#waitingOperations -= results.length;
    if (!isTaken && this.#isWritable) {
      this.#isWritable = false;
      void this.#stream.drained().then(() => {
        this.#isWritable = true;
        this.#regulate();
      });
    }
    this.#regulate();
  }

  /** Stops reading while answers are not read or too much waits, and goes on once half of it is done. */
  #regulate(): void {
    if (this.#isClosing) return;
    const { operationsMax, bytesMax } = waiting;
    const isMuch = this.#waitingOperations > operationsMax || this.#waitingBytes > bytesMax;
    const hasRoom =
      this.#waitingOperations < operationsMax / 2 && this.#waitingBytes < bytesMax / 2;
    if (!this.#isPaused && (isMuch || !this.#isWritable)) {
      this.#isPaused = true;
      this.#stream.pauseRequests();
    } else if (this.#isPaused && hasRoom && this.#isWritable) {
      this.#isPaused = false;
      this.#stream.resumeRequests();
    }
  }
}

/** As many together as one message takes; one always goes. */
function* inMessages(results: readonly PipelinedResult[]): Iterable<PipelinedResult[]> {
  let part: PipelinedResult[] = [];
  let bytes = 0;
  for (const pipelined of results) {
    const length = answerOverheadBytes + (pipelined.result ? answerBytes(pipelined.result) : 0);
    if (part.length > 0 && bytes + length > answerBytesMax) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(pipelined);
    bytes += length;
  }
  if (part.length > 0) yield part;
}

/** Of an answer beside its value. */
const answerOverheadBytes = 64;

/** Values that the answers to one message may have together: they are all in memory at once. */
const messageAnswersMax = 16 * 1_048_576;

/** Each by itself, as long as there is room for its answer. */
function carryOutAll(
  open: OpenCache,
  runnables: readonly Runnable[],
  found: Finder,
  beside: Beside,
): readonly Carried[] {
  let bytes = 0;
  return runnables.map((runnable): Carried => {
    if (bytes > messageAnswersMax) {
      const { given: cache } = open.address;
      return refuse({ kind: "answer_too_large", cache, bytes, limit: messageAnswersMax });
    }
    const done = carryOut(open, runnable, found, beside);
    if (done.kind === "accepted") bytes += answerBytes(done.outcome);
    return done;
  });
}

const noBytes = Buffer.alloc(0);

const failed = (fault: WireFault): WireCacheResult => ({
  result: { $case: "error", value: statusOf(fault) },
});

const resultCodec = keptAs(CacheResultCodec);

/** One operation beside the others: if it is refused, nothing of it stays. */
function carryOut(
  open: OpenCache,
  { prepared, identity }: Runnable,
  found: Finder,
  { transaction, stamp }: Beside,
): Carried {
  if (identity === undefined) return open.attempt(() => carryOutOnce(open, prepared, found));
  return open.attempt(() => {
    const done = decideOnce<WireCacheResult, CacheRejection>(
      transaction,
      stamp,
      identity,
      resultCodec,
      () => carryOutOnce(open, prepared, found),
    );
    if (done.kind === "rejected") return done;
    const { outcome, isReplayed } = done.outcome;
    return accept(isReplayed ? replayed(outcome) : outcome);
  });
}

type Carried = Decided<WireCacheResult, CacheRejection | QueueRejection>;

function carryOutOnce(
  open: OpenCache,
  prepared: PreparedAny,
  found: Finder,
): CacheDecided<WireCacheResult> {
  const done = prepared.carryOut(open);
  if (done.kind === "rejected") return done;
  found(done.outcome.found);
  return accept(done.outcome.response);
}

/** The answer of the first call, marked as such where it can be. */
function replayed(answer: WireCacheResult): WireCacheResult {
  const { result } = answer;
  if (result === undefined || !("replayed" in result.value)) return answer;
  return { result: { ...result, value: { ...result.value, replayed: true } } as typeof result };
}
