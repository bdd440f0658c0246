// What the composition root builds its listeners around: a node that runs alone, or one of a cluster.

import type { Address } from "../config/address.js";
import type { PageRequest, PageResponse } from "../delivery/pages.js";
import type { Readiness } from "../edge/health.js";
import type { Listener } from "../edge/listener.js";
import type { Engine } from "../engine/engine.js";
import type { ClusterPort } from "../rpc/cluster-handlers.js";

/** Where this node listens, ports chosen. */
export interface NodeAddresses {
  readonly data: Address;
  readonly management: Address;
}

export interface ServedNode {
  /** Its services on the listener for applications; before that listens. */
  serveOn(data: Listener): void;
  /** Its part in a cluster; undefined: it has none. */
  readonly cluster: ClusterPort | undefined;
  /** While this node decides. */
  readonly engine: Engine | undefined;
  /** What endpoints of webhooks ask for, by whoever decides. */
  answerPage(request: PageRequest): Promise<PageResponse>;
  readonly movesRunning: number;
  /** What there is to say beside that it is leaving. */
  readiness(): Readiness;
  /** Once the listeners are open. Throws an OperatorFault when it may not run. */
  begin(addresses: NodeAddresses): Promise<void>;
  /** As `Listener.drain`, of the connections over which other nodes pass calls on. */
  drain(graceMs: number): Promise<void>;
  /** Before it stops: whoever can take over does. Bounded. */
  leave(): Promise<void>;
  /** Ends in order; `callsEnd` waits for the calls under way. The store can be closed afterwards. */
  stop(callsEnd: () => Promise<void>): Promise<void>;
}
