// What stands between a TCP connection and the protocol it speaks: the first bytes tell gRPC (the HTTP/2 preface) from
// HTTP/1.1 and from clients that came to the wrong door, who get one sentence instead of a reset. Done once a connection,
// before grpc-js sees it; the bytes are put back, so it costs the calls nothing.
//
// Who sends nothing is cut after ten seconds: grpc-js' own idle limit does not see a peer that never begins.

import type { Socket } from "node:net";
import type { Clock } from "../base/clock.js";

export type Protocol = "grpc" | "http1" | "tls" | "resp" | "amqp" | "unknown";

const silentConnectionMsMax = 10_000;

// Enough to tell `PRI ` from `PUT ` and `POST`.
const headBytesMin = 4;

/** Calls `decide` once with the protocol of a new connection, unless it closes or stays silent. */
export function recogniseProtocol(
  socket: Socket,
  clock: Clock,
  decide: (protocol: Protocol) => void,
  onSilent: () => void,
): void {
  let head: Buffer = Buffer.alloc(0);
  const timer = clock.setTimer(silentConnectionMsMax, () => {
    stop();
    onSilent();
    socket.destroy();
  });
  const stop = (): void => {
    timer.cancel();
    socket.off("readable", look).off("end", giveUp).off("close", stop);
  };
  const giveUp = (): void => {
    stop();
    socket.destroy();
  };
  const look = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length < headBytesMin) return;
    stop();
    socket.unshift(head);
    decide(protocolOf(head));
  };
  socket.on("readable", look).on("end", giveUp).on("close", stop);
}

function protocolOf(head: Buffer): Protocol {
  const text = head.toString("latin1", 0, 8);
  if (text.startsWith("PRI ")) return "grpc";
  if (/^(?:GET|PUT|POST|HEAD|PATCH|DELETE|OPTIONS|CONNECT|TRACE)(?: |$)/.test(text)) return "http1";
  // A TLS record of a handshake: type 22, version 3.x.
  if (head[0] === 0x16 && head[1] === 0x03) return "tls";
  if (/^(?:\*\d|PING|AUTH|HELLO|INFO)/i.test(text)) return "resp";
  if (text.startsWith("AMQP")) return "amqp";
  return "unknown";
}

/** Answers a client of another protocol in a form that its tools show, and hangs up. */
export function turnAway(socket: Socket, protocol: Protocol, sentence: string): void {
  socket.end(inTheirTerms(protocol, sentence));
  // What is still coming is read and dropped, since closing over unread bytes would reset the sentence away.
  socket.resume();
}

function inTheirTerms(protocol: Protocol, sentence: string): string {
  switch (protocol) {
    case "http1": {
      const body = `${sentence}\n`;
      return [
        "HTTP/1.1 400 Bad Request",
        "content-type: text/plain; charset=utf-8",
        `content-length: ${Buffer.byteLength(body)}`,
        "connection: close",
        "",
        body,
      ].join("\r\n");
    }
    case "resp":
      return `-ERR ${sentence}\r\n`;
    // To a TLS client any text is a "wrong version number", which is what such a client says at a plaintext port.
    default:
      return `${sentence}\r\n`;
  }
}
