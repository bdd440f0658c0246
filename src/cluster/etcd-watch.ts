// Watches as hints: they say that something under a prefix may have changed, and nothing else. What changed is read afterwards, so
// it does not matter which events a watch missed, told twice or could not tell because they were compacted away: a watch begins
// at the present, and beginning is a hint in itself.

import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Clock, Timer } from "../base/clock.js";
import {
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
  WatchService,
} from "../gen/etcd/api/etcdserverpb/rpc.js";
import type { EtcdConnection } from "./etcd-connection.js";
import { asEtcdFault, etcdFaultOf } from "./etcd-fault.js";

/** Between the end of a watch and the next one. */
const reopenMs = 200;

type WatchCall = ClientDuplexStream<WatchRequest, WatchResponse>;

/** Calls `hint` until the function returned is called. */
export function watchHints(
  connection: EtcdConnection,
  watched: Watched,
  clock: Pick<Clock, "setTimer">,
  hint: () => void,
): () => void {
  let current: Watch | undefined;
  let timer: Timer | undefined;
  let isStopped = false;

  const open = (): void => {
    current = new Watch(connection, watched, { hint, ended: openLater });
  };
  const openLater = (): void => {
    current?.cancel();
    timer?.cancel();
    if (!isStopped) timer = clock.setTimer(reopenMs, open);
  };
  // A member that calls had to give up on does not deserve a watch either, though its connection may still be open.
  const endMoves = connection.onMoved(openLater);
  open();
  return () => {
    isStopped = true;
    endMoves();
    openLater();
  };
}

interface Watched {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

interface WatchListener {
  readonly hint: () => void;
  /** Called once, unless it was cancelled. */
  readonly ended: () => void;
}

/** One stream, until it ends. */
class Watch {
  readonly #connection: EtcdConnection;
  readonly #listener: WatchListener;
  #call: WatchCall | undefined;
  #isOver = false;

  constructor(connection: EtcdConnection, watched: Watched, listener: WatchListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.#open(watched).catch((error: unknown) => {
      // Without etcd there is no token either; the next attempt finds out again.
      asEtcdFault(error);
      this.#end();
    });
  }

  cancel(): void {
    this.#isOver = true;
    this.#call?.cancel();
  }

  async #open(watched: Watched): Promise<void> {
    const { peer, metadata } = await this.#connection.stream();
    if (this.#isOver) return;
    const { path, requestSerialize, responseDeserialize } = WatchService.watch;
    const call: WatchCall = peer.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      {},
    );
    this.#call = call;
    call.on("data", (response: WatchResponse) => this.#receive(response));
    call.on("error", (error: ServiceError) => {
      if (this.#isOver) return;
      const { kind } = etcdFaultOf(error, peer.endpoint);
      if (kind === "token_ended") this.#connection.forgetToken();
      this.#end();
      if (kind === "unavailable") this.#connection.leave(peer);
    });
    call.on("end", () => this.#end());
    call.write({ requestUnion: { $case: "createRequest", value: createRequest(watched) } });
  }

  #receive({ canceled, cancelReason }: WatchResponse): void {
    if (this.#isOver) return;
    // Created, or events: either way the truth may be another one by now.
    this.#listener.hint();
    if (!canceled) return;
    // Too far behind, or a token that has ended, which etcd tells in words alone.
    if (cancelReason !== "") this.#connection.forgetToken();
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.cancel();
    this.#listener.ended();
  }
}

function createRequest({ key, rangeEnd }: Watched): WatchCreateRequest {
  return {
    key,
    rangeEnd,
    startRevision: 0n,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0n,
    fragment: false,
  };
}
