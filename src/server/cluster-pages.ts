// Pages about webhooks on a node of a cluster: answered by the node that leads, here or elsewhere. While nobody can be asked, a
// certificate that this node has is served all the same, since its name is made of its bytes and it can be no other; everything
// else is answered "try again", which is safe, as confirming twice does no more than once.

import { Metadata, status } from "@grpc/grpc-js";
import { wallMs } from "../base/clock.js";
import { createPages, type PageRequest, type PageResponse } from "../delivery/pages.js";
import type { CallRouter } from "../edge/call-router.js";
import { ForwardedRefusal } from "../edge/forwarder.js";
import {
  AnswerPageRequest,
  AnswerPageResponse,
  PageServiceDefinition,
} from "../gen/forebay/replication/v1/page_service.js";
import type { CallContext } from "../rpc/call.js";
import { translateFault } from "../rpc/wire-errors.js";
import type { PageHandlers } from "./page-handlers.js";

export interface ClusterPageParts {
  readonly router: CallRouter;
  /** Of those that this node's state has; undefined: there is none, as far as it knows. */
  readonly certificate: (name: string) => Promise<string | undefined>;
}

const { fullName, methods } = PageServiceDefinition;
const path = `/${fullName}/${methods.answerPage.name}`;
/** Shorter than endpoints wait, as a rule. */
const answerMsMax = 5_000;
const unavailable = { kind: "unavailable" } as const;

/** Nobody waits by a call of gRPC: whoever asked for a page gets its answer, or has gone. */
const context: CallContext = {
  deadline: undefined,
  isCancelled: false,
  onCancelled: () => undefined,
  metadata: () => undefined,
};

export class ClusterPages {
  readonly #router: CallRouter;
  readonly #whileNobodyLeads: ReturnType<typeof createPages>;

  constructor({ router, certificate }: ClusterPageParts) {
    this.#router = router;
    this.#whileNobodyLeads = createPages({
      confirm: async () => unavailable,
      unsubscribe: async () => unavailable,
      certificate: async (name) => {
        const pem = await certificate(name);
        return pem === undefined ? unavailable : { kind: "found", pem };
      },
    });
  }

  async answer(request: PageRequest): Promise<PageResponse> {
    try {
      return (await this.#asked(request)) ?? (await this.#whileNobodyLeads(request));
    } catch (error) {
      if (!isAbsence(error)) throw error;
      return await this.#whileNobodyLeads(request);
    }
  }

  /** By the node that leads; undefined when none is known. */
  async #asked(request: PageRequest): Promise<PageResponse | undefined> {
    const placement = await this.#router.place({ path, consistency: undefined, context });
    switch (placement.kind) {
      case "nowhere":
        return undefined;
      case "here": {
        const answerPage = placement.tenure.handlerOf(path) as PageHandlers["answerPage"];
        return responseOf(await answerPage(AnswerPageRequest.create(request), context));
      }
      case "elsewhere": {
        const call = {
          getPath: () => path,
          request: Buffer.from(
            AnswerPageRequest.encode(AnswerPageRequest.create(request)).finish(),
          ),
          metadata: new Metadata(),
          // grpc-js keeps deadlines in wall time.
          getDeadline: () => wallMs() + answerMsMax,
        };
        const { bytes } = await placement.forwarder.unary(call, context);
        return responseOf(AnswerPageResponse.decode(bytes));
      }
    }
  }
}

function responseOf({ statusCode, headers, body }: AnswerPageResponse): PageResponse {
  const named = headers.map(({ name, value }): [string, string] => [name, value]);
  return { statusCode, headers: Object.fromEntries(named), body };
}

/** Whether a failure says that whoever leads could not answer now; anything else is a bug, or a spoilt row. */
function isAbsence(error: unknown): boolean {
  if (error instanceof ForwardedRefusal) return true;
  const code = translateFault(error)?.code;
  return code !== undefined && code !== status.INTERNAL;
}
