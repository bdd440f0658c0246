// The two kinds of streams that handlers see, made of grpc-js calls that carry bytes. After its end or a cancellation a stream
// does nothing more, so no handler has to look first.

import type { Metadata, ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import type { MessageStream, ResponseStream } from "../rpc/call.js";
import type { GrpcCallContext } from "./call-context.js";
import type { CallShell } from "./call-shell.js";
import { malformedFault } from "./checked-request.js";
import { type MethodCodec, malformedRequest } from "./decode.js";

/** What the two kinds of streaming calls have in common. */
type GrpcWritable = ServerDuplexStream<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

export interface StreamParts {
  readonly shell: CallShell;
  readonly codec: MethodCodec;
  readonly context: GrpcCallContext;
  /** What the trailers say beside the status, looked up at the end. */
  readonly trailers?: () => Metadata;
}

export class GrpcResponseStream implements ResponseStream<unknown> {
  protected readonly call: GrpcWritable;
  protected readonly parts: StreamParts;
  readonly #startedMs: number;
  #drained: Promise<void> | undefined;

  constructor(call: GrpcWritable, parts: StreamParts) {
    const { shell, context } = parts;
    this.call = call;
    this.parts = parts;
    this.#startedMs = shell.begin();
    context.onCancelled(() => {
      if (context.isFinished) return;
      context.finish();
      shell.abandoned(context, this.#startedMs);
    });
  }

  write(response: unknown): boolean {
    if (this.isOver) return true;
    return this.call.write(this.parts.codec.encode(response));
  }

  drained(): Promise<void> {
    if (this.isOver || !this.call.writableNeedDrain) return Promise.resolve();
    this.#drained ??= new Promise((resolve) => {
      const settle = (): void => {
        this.#drained = undefined;
        this.call.off("drain", settle).off("close", settle);
        resolve();
      };
      this.call.on("drain", settle).on("close", settle);
    });
    return this.#drained;
  }

  end(): void {
    if (this.isOver) return;
    const { context, shell, trailers } = this.parts;
    context.finishStream();
    this.call.end(trailers?.());
    shell.succeeded(this.#startedMs);
  }

  fail(error: unknown): void {
    if (this.isOver) return;
    const { context, shell, trailers } = this.parts;
    context.finishStream();
    const failure = shell.failed(error, context, this.#startedMs);
    if (trailers !== undefined) failure.metadata.merge(trailers());
    // grpc-js ends a stream with the status of the error that is emitted, after what was written.
    this.call.emit("error", failure);
  }

  protected get isOver(): boolean {
    return this.parts.context.isFinished || this.call.cancelled;
  }
}

export class GrpcMessageStream
  extends GrpcResponseStream
  implements MessageStream<unknown, unknown>
{
  readonly #readable: ServerDuplexStream<Buffer, Buffer>;

  constructor(call: ServerDuplexStream<Buffer, Buffer>, parts: StreamParts) {
    super(call, parts);
    this.#readable = call;
  }

  onRequest(receive: (request: unknown) => void): void {
    this.#readable.on("data", (bytes: Buffer) => {
      if (this.isOver) return;
      const request = this.parts.codec.decode(bytes);
      if (request === malformedRequest) {
        this.fail(malformedFault());
        return;
      }
      try {
        receive(request);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  onRequestsEnd(react: () => void): void {
    this.#readable.once("end", () => {
      if (this.isOver || this.parts.context.isCancelled) return;
      try {
        react();
      } catch (error) {
        this.fail(error);
      }
    });
  }

  pauseRequests(): void {
    this.#readable.pause();
  }

  resumeRequests(): void {
    this.#readable.resume();
  }
}
