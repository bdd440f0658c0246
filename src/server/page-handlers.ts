// The pages about webhooks as nodes of a cluster ask each other for them: the node that was asked by an endpoint passes the request
// on to the one that leads, which alone can confirm and end subscriptions, and has every certificate.

import { createPages, type PagePorts } from "../delivery/pages.js";
import type { PageServiceDefinition } from "../gen/forebay/replication/v1/page_service.js";
import type { ServiceHandlers } from "../rpc/call.js";

export type PageHandlers = ServiceHandlers<typeof PageServiceDefinition>;

export function createPageHandlers(ports: PagePorts): PageHandlers {
  const answer = createPages(ports);
  return {
    answerPage: async ({ method, target, accept, requestId }) => {
      const { statusCode, headers, body } = await answer({ method, target, accept, requestId });
      const named = Object.entries(headers).map(([name, value]) => ({ name, value }));
      return { statusCode, headers: named, body };
    },
  };
}
