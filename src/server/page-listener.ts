// The listener that endpoints of webhooks reach by the URLs in their messages: confirming, unsubscribing, certificates. What is
// answered is in `delivery/pages.ts`; here is HTTP and nothing else. Only GET without a body, few at once, and short.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { systemRandom } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { OperatorFault } from "../base/operator-fault.js";
import { type Address, addressText } from "../config/address.js";
import type { PageRequest, PageResponse } from "../delivery/pages.js";

const connectionsMax = 256;
const requestMsMax = 10_000;
const headBytesMax = 16_384;

export interface PageListenerParts {
  readonly listen: Address;
  readonly answer: (request: PageRequest) => Promise<PageResponse>;
  readonly log: Log;
}

export class PageListener {
  readonly #server: Server;
  readonly #parts: PageListenerParts;

  constructor(parts: PageListenerParts) {
    this.#parts = parts;
    this.#server = createServer(
      {
        headersTimeout: requestMsMax,
        requestTimeout: requestMsMax,
        keepAliveTimeout: requestMsMax,
        maxHeaderSize: headBytesMax,
      },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          this.#parts.log.error({ err: error }, "a page could not be served");
          response.destroy();
        });
      },
    );
    this.#server.maxConnections = connectionsMax;
  }

  /** Answers with the address, its port chosen. */
  listen(): Promise<Address> {
    const { host, port } = this.#parts.listen;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
        const where = addressText(this.#parts.listen);
        reject(new OperatorFault(`public_listen: cannot listen on ${where}: ${error.message}`));
      });
      this.#server.listen({ host, port }, () => {
        const bound = this.#server.address();
        resolve({ host, port: typeof bound === "object" && bound !== null ? bound.port : port });
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body is never asked for.
    request.resume();
    const { method = "", url = "", headers } = request;
    const { accept } = headers;
    const page = { method, target: url, accept, requestId: requestId() };
    const { statusCode, headers: head, body } = await this.#parts.answer(page);
    response.writeHead(statusCode, { ...head, "content-length": Buffer.byteLength(body) });
    response.end(body);
  }
}

function requestId(): string {
  const bytes = Buffer.alloc(16);
  systemRandom.fill(bytes);
  return bytes.toString("hex");
}
