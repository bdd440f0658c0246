// A node of a cluster as the composition root knows it. What other nodes are told about it is known once its listeners are open,
// and only then does it begin to be one; until then its calls go nowhere.

import { createServer } from "node:net";
import { systemRandom } from "../base/ids.js";
import { type Address, addressText } from "../config/address.js";
import type { PageRequest, PageResponse } from "../delivery/pages.js";
import type { CallRouter } from "../edge/call-router.js";
import type { Readiness } from "../edge/health.js";
import type { Listener } from "../edge/listener.js";
import type { Engine } from "../engine/engine.js";
import { PageServiceDefinition } from "../gen/forebay/replication/v1/page_service.js";
import type { ClusterPort } from "../rpc/cluster-handlers.js";
import { ClusterNode, type ClusterNodeParts } from "./cluster-node.js";
import { ClusterPages } from "./cluster-pages.js";
import { clusterReadiness } from "./cluster-status.js";
import { joiningRouter } from "./joining-router.js";
import { memberStateOf } from "./member-identity.js";
import { markedOnly } from "./passed-on-calls.js";
import type { NodeAddresses, ServedNode } from "./served-node.js";
import { servedDefinitions } from "./term.js";

/** What can be known of its parts before its listeners are open. */
export type ClusteredNodeParts = Omit<ClusterNodeParts, "state" | "node" | "replicationAddress">;

/** Pages before anything is known of the cluster. */
const beforeItsNode = new ClusterPages({
  router: joiningRouter,
  certificate: async () => undefined,
});

export class ClusteredNode implements ServedNode {
  readonly #parts: ClusteredNodeParts;
  #node: ClusterNode | undefined;

  constructor(parts: ClusteredNodeParts) {
    this.#parts = parts;
  }

  serveOn(data: Listener): void {
    const router: CallRouter = {
      place: (call) => (this.#node?.router ?? joiningRouter).place(call),
      trailers: () => (this.#node?.router ?? joiningRouter).trailers(),
    };
    for (const definition of servedDefinitions) data.addRouted(definition, router);
    // Where nodes have no certificates they pass on to this listener.
    const hasCertificates = this.#parts.config.replicationCertFile !== "";
    if (!hasCertificates) data.addRouted(PageServiceDefinition, markedOnly(router));
  }

  readonly cluster: ClusterPort = {
    report: async () => await this.#node?.port.report(),
    change: async (asked) =>
      (await this.#node?.port.change(asked)) ?? { kind: "not_leader", leader: undefined },
  };

  get engine(): Engine | undefined {
    return this.#node?.engine;
  }

  answerPage(request: PageRequest): Promise<PageResponse> {
    return this.#node?.answerPage(request) ?? beforeItsNode.answer(request);
  }

  get movesRunning(): number {
    return this.#node?.movesRunning ?? 0;
  }

  readiness(): Readiness {
    const node = this.#node;
    if (node !== undefined) return node.readiness();
    return clusterReadiness({ kind: "joining", waitsFor: "its listeners" });
  }

  async begin({ data, management }: NodeAddresses): Promise<void> {
    const { config, replica } = this.#parts;
    const replicationAddress = await chosen(config.replicationListen);
    this.#node = new ClusterNode({
      ...this.#parts,
      state: await memberStateOf(replica, systemRandom),
      replicationAddress,
      node: {
        cluster: config.clusterName,
        node: config.nodeName,
        zone: config.zone,
        replicationEndpoint: addressText(config.replicationAdvertise ?? replicationAddress),
        dataEndpoint: addressText(config.dataAdvertise ?? data),
        managementEndpoint: addressText(config.managementAdvertise ?? management),
      },
    });
    await this.#node.start();
  }

  async drain(graceMs: number): Promise<void> {
    await this.#node?.drain(graceMs);
  }

  async leave(): Promise<void> {
    await this.#node?.leave();
  }

  async stop(callsEnd: () => Promise<void>): Promise<void> {
    if (this.#node === undefined) await callsEnd();
    else await this.#node.stop(callsEnd);
  }
}

/** The port is told to others before the group is known, and only with the group the listener can be made: 0 is chosen here. */
async function chosen(address: Address): Promise<Address> {
  if (address.port !== 0) return address;
  const server = createServer();
  return await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address.host, port: 0 }, () => {
      const bound = server.address();
      const port = typeof bound === "object" && bound !== null ? bound.port : 0;
      server.close(() => resolve({ host: address.host, port }));
    });
  });
}
