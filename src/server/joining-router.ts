// Where calls go while a node does not take part in its cluster yet: nowhere. It knows nobody to pass them on to.

import { Metadata } from "@grpc/grpc-js";
import type { CallRouter } from "../edge/call-router.js";
import { noLeader } from "../rpc/leader-faults.js";

export const joiningRouter: CallRouter = {
  place: () => ({ kind: "nowhere", fault: noLeader() }),
  trailers: () => new Metadata(),
};
