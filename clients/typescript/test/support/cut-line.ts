// A line to a server that can be cut: forwards bytes between clients and the server, and hangs up on both at once when told.
// What was under way then is lost, in one direction or the other, as by a network that fails.

import { connect, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export class CutLine {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** While it is closed: where it was. */
  #endpoint: string | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Open, and gone when the test ends. */
  static async open(endpoint: string): Promise<CutLine> {
    const [host = "", port = ""] = endpoint.split(":");
    const server = createServer((near) => {
      const far = connect(Number(port), host);
      line.#join(near, far);
      line.#join(far, near);
    });
    const line = new CutLine(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.close();
      line.cut();
    });
    return line;
  }

  get endpoint(): string {
    if (this.#endpoint !== undefined) return this.#endpoint;
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** Hangs up, and takes nobody new. */
  close(): void {
    this.#endpoint = this.endpoint;
    this.#server.close();
    this.cut();
  }

  /** Takes new ones again, where it did before. */
  async reopen(): Promise<void> {
    const port = Number(this.#endpoint?.split(":")[1]);
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    this.#endpoint = undefined;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.pipe(to);
    // Each end goes with the other, however it goes.
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
