// How much a peer may send before it must wait for us, per call and per connection. HTTP/2 starts both at 64 KiB, and with
// many calls on one connection that starves some of them: measured with 256 callers of 1 KiB, every 65th call waited for
// seconds, because the frame that straddled the connection's window was overtaken again and again by newer calls. With the
// windows below none waited longer than the others.
//
// grpc-js sets windows on clients only ('grpc-node.flow_control_window'), so two of its inner members are reached for. Where
// a version lacks them, HTTP/2's own windows remain; a contract test notices.

import type { ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/** A stream that produces may have this much under way; more than it adds nothing on a local network. */
const streamWindowBytes = 1_048_576;
/** Bounds what a connection can make the server hold unread. Above 256 callers' 64 KiB, so that calls do not starve. */
const connectionWindowBytes = 16 * 1_048_576;

/** False when this version of grpc-js cannot be told. To be called before the server gets connections. */
export function widenWindows(server: Server): boolean {
  const internals = server as unknown as Partial<ServerInternals>;
  const { commonServerOptions, _sessionHandler: handlerFor } = internals;
  if (typeof commonServerOptions !== "object" || typeof handlerFor !== "function") return false;
  commonServerOptions.settings = {
    ...commonServerOptions.settings,
    initialWindowSize: streamWindowBytes,
  };
  internals._sessionHandler = function (this: Server, http2Server) {
    const handle = handlerFor.call(this, http2Server);
    return (session) => {
      session.setLocalWindowSize(connectionWindowBytes);
      handle(session);
    };
  };
  return true;
}

interface ServerInternals {
  commonServerOptions: { settings?: object };
  _sessionHandler: (this: Server, http2Server: unknown) => (session: ServerHttp2Session) => void;
}
