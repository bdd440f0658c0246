// The load on the server at the level of gRPC's own frames: HTTP/2 by node:http2, requests encoded beforehand, answers looked
// at as bytes. A grpc-js client costs more than the server it calls, so that with it the load would be measured and not the
// server; this one costs about half. Every call is still checked: its status, and the number of results in its answer.

import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";

const frameHeaderBytes = 5;

// As much as the server may send before it has to wait for us: the same as the server grants.
const streamWindowBytes = 1_048_576;
const connectionWindowBytes = 16 * 1_048_576;

/** A message as it goes over the wire: a byte that says "not compressed", four of length, the message. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, frameHeaderBytes);
  return frame;
}

export function openSession(address: string): Promise<ClientHttp2Session> {
  const session = connect(`http://${address}`, {
    settings: { initialWindowSize: streamWindowBytes, enablePush: false },
  });
  return new Promise((resolve, reject) => {
    // After the connection was made, its loss is told by every call on it.
    session.on("error", reject);
    // The server's settings carry how many calls it takes at once; a call made before them would be refused.
    session.once("remoteSettings", () => {
      session.setLocalWindowSize(connectionWindowBytes);
      resolve(session);
    });
  });
}

function openStream(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

/** One unary call of an already framed message. `settle` gets the bytes of the answer, or why there is none. */
export function callUnary(
  session: ClientHttp2Session,
  path: string,
  frame: Buffer,
  settle: (answer: Buffer | Error) => void,
): void {
  const stream = openStream(session, path);
  const chunks: Buffer[] = [];
  let status: unknown;
  let failure: Error | undefined;
  const note = (headers: Record<string, unknown>): void => {
    if (headers["grpc-status"] === undefined) return;
    status = headers["grpc-status"];
    if (status !== "0") failure = statusError(path, headers);
  };
  stream.on("response", note);
  stream.on("trailers", note);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", (error: Error) => {
    failure = error;
  });
  stream.on("close", () => {
    if (failure !== undefined) settle(failure);
    else if (status !== "0") settle(new Error(`${path} was not answered`));
    else settle(Buffer.concat(chunks).subarray(frameHeaderBytes));
  });
  stream.end(frame);
}

/** One call whose answer is wanted; for what is not on the clock. */
export function call(
  session: ClientHttp2Session,
  path: string,
  message: Uint8Array,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    callUnary(session, path, framed(message), (answer) => {
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
  });
}

/** A bidirectional stream of framed messages. */
export interface WireStream {
  /** `isLast` half-closes with it. */
  write(frame: Buffer, isLast?: boolean): void;
  /** Half-closes; resolves when the server has ended the stream with OK. */
  end(): Promise<void>;
}

export function openDuplex(
  session: ClientHttp2Session,
  path: string,
  handlers: {
    readonly onMessage: (message: Buffer) => void;
    readonly onError: (error: Error) => void;
  },
): WireStream {
  const stream = openStream(session, path);
  let rest: Buffer = Buffer.alloc(0);
  let status: unknown;
  const ended = new Promise<void>((resolve) => stream.once("close", resolve));
  const note = (headers: Record<string, unknown>): void => {
    if (headers["grpc-status"] === undefined) return;
    status = headers["grpc-status"];
    if (status !== "0") handlers.onError(statusError(path, headers));
  };
  stream.on("response", note);
  stream.on("trailers", note);
  stream.on("error", handlers.onError);
  stream.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + rest.readUInt32BE(1);
      if (rest.length < end) break;
      const message = rest.subarray(frameHeaderBytes, end);
      rest = rest.subarray(end);
      handlers.onMessage(message);
    }
  });
  return {
    write: (frame, isLast) => (isLast === true ? stream.end(frame) : stream.write(frame)),
    end: async () => {
      stream.end();
      await ended;
      if (status !== "0") throw new Error(`${path} ended with status ${String(status)}`);
    },
  };
}

function statusError(path: string, headers: Record<string, unknown>): Error {
  const message = decodeURIComponent(String(headers["grpc-message"] ?? ""));
  return new Error(`${path} answered status ${String(headers["grpc-status"])}: ${message}`);
}
