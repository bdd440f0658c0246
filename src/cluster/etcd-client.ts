// etcd as this project speaks it: keys and values of text, reads that are always linearizable, transactions, leases, and watches
// that say no more than that something may have changed. Not a general client: what is not here is not needed.

import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.js";
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  KVService,
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  LeaseService,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RangeResponse,
  type RequestOp,
  type TxnResponse,
} from "../gen/etcd/api/etcdserverpb/rpc.js";
import type { KeyValue } from "../gen/etcd/api/mvccpb/kv.js";
import { EtcdConnection, type EtcdSettings } from "./etcd-connection.js";
import { EtcdFault, etcdFaultOf } from "./etcd-fault.js";
import { watchHints } from "./etcd-watch.js";

/** One key as it was read. */
export interface StoredKey {
  readonly key: string;
  readonly value: string;
  readonly modRevision: bigint;
  /** 0 without a lease. */
  readonly lease: bigint;
}

/** Keys read at one revision. */
export interface StoredKeys {
  readonly revision: bigint;
  readonly keys: ReadonlyMap<string, StoredKey>;
}

export type Condition =
  | { readonly kind: "absent"; readonly key: string }
  | { readonly kind: "present"; readonly key: string }
  | { readonly kind: "value"; readonly key: string; readonly value: string }
  | { readonly kind: "unchanged"; readonly key: string; readonly modRevision: bigint }
  | { readonly kind: "held_by"; readonly key: string; readonly lease: bigint };

export type Operation =
  | { readonly kind: "put"; readonly key: string; readonly value: string; readonly lease?: bigint }
  | { readonly kind: "delete"; readonly key: string }
  | { readonly kind: "delete_if"; readonly key: string; readonly value: string }
  | { readonly kind: "read_all"; readonly prefix: string };

/** Keys read at most by one request: a cluster has tens of them. */
const keyCountMax = 10_000n;

export class EtcdClient {
  readonly #connection: EtcdConnection;

  constructor(settings: EtcdSettings, random: () => number) {
    this.#connection = new EtcdConnection(settings, random);
  }

  /** All keys that begin with `prefix`, by a linearizable read. */
  async readAll(prefix: string): Promise<StoredKeys> {
    const request = rangeOf(prefix);
    return storedKeys(
      await this.#connection.call(KVService.range, request, { isRepeatable: true }),
    );
  }

  /**
   * Does `then` if all conditions hold, otherwise `otherwise`. Asked again at another member when one does not answer: who calls
   * must be able to tell whether the first time had happened.
   */
  async transact(
    conditions: readonly Condition[],
    then: readonly Operation[],
    otherwise: readonly Operation[] = [],
  ): Promise<{ readonly isDone: boolean; readonly read: StoredKeys }> {
    const response = await this.#connection.call(
      KVService.txn,
      {
        compare: conditions.map(compareOf),
        success: then.map(requestOf),
        failure: otherwise.map(requestOf),
      },
      { isRepeatable: true },
    );
    return { isDone: response.succeeded, read: readBy(response) };
  }

  /** Grants a lease under an id of the caller's, so that it can be given back even when the answer is lost. */
  async grantLease(id: bigint, ttlSeconds: number): Promise<{ readonly ttlMs: number }> {
    const request = { ID: id, TTL: BigInt(ttlSeconds) };
    const response = await this.#connection.call(LeaseService.leaseGrant, request, {
      isRepeatable: false,
    });
    return { ttlMs: Number(response.TTL) * 1_000 };
  }

  async revokeLease(id: bigint): Promise<void> {
    await this.#connection.call(LeaseService.leaseRevoke, { ID: id }, { isRepeatable: true });
  }

  /** Renews a lease once; a time to live of 0 says that it is gone. */
  async renewLease(id: bigint): Promise<{ readonly ttlMs: number }> {
    const { peer, metadata, endMs } = await this.#connection.stream();
    return new Promise((resolve, reject) => {
      const method = LeaseService.leaseKeepAlive;
      const call: ClientDuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse> =
        peer.client.makeBidiStreamRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          metadata,
          { deadline: endMs },
        );
      call.on("data", ({ TTL }: LeaseKeepAliveResponse) => {
        resolve({ ttlMs: Number(TTL) * 1_000 });
        call.cancel();
      });
      call.on("error", (error: ServiceError) => {
        const fault = etcdFaultOf(error, peer.endpoint);
        if (fault.kind === "token_ended") this.#connection.forgetToken();
        if (fault.kind === "unavailable") this.#connection.leave(peer);
        reject(fault);
      });
      call.on("end", () =>
        reject(new EtcdFault("unavailable", `etcd at ${peer.endpoint} ended the renewal.`)),
      );
      call.end({ ID: id });
    });
  }

  /** Calls `hint` whenever keys that begin with `prefix` may have changed; returns how to end it. */
  watch(prefix: string, clock: Pick<Clock, "setTimer">, hint: () => void): () => void {
    const watched = { key: bytes(prefix), rangeEnd: endOf(prefix) };
    return watchHints(this.#connection, watched, clock, hint);
  }

  close(): void {
    this.#connection.close();
  }
}

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");

/** The first key after all that begin with `prefix`. Ours end in a slash, so there is always one. */
function endOf(prefix: string): Buffer {
  const end = bytes(prefix);
  const last = end.length - 1;
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}

function rangeOf(prefix: string): RangeRequest {
  return {
    key: bytes(prefix),
    rangeEnd: endOf(prefix),
    limit: keyCountMax,
    revision: 0n,
    sortOrder: RangeRequest_SortOrder.NONE,
    sortTarget: RangeRequest_SortTarget.KEY,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
  };
}

function compareOf(condition: Condition): Compare {
  const key = bytes(condition.key);
  const equal = { key, rangeEnd: Buffer.alloc(0), result: Compare_CompareResult.EQUAL };
  switch (condition.kind) {
    case "absent":
    case "present":
      return {
        ...equal,
        result:
          condition.kind === "absent"
            ? Compare_CompareResult.EQUAL
            : Compare_CompareResult.NOT_EQUAL,
        target: Compare_CompareTarget.CREATE,
        targetUnion: { $case: "createRevision", value: 0n },
      };
    case "value":
      return {
        ...equal,
        target: Compare_CompareTarget.VALUE,
        targetUnion: { $case: "value", value: bytes(condition.value) },
      };
    case "unchanged":
      return {
        ...equal,
        target: Compare_CompareTarget.MOD,
        targetUnion: { $case: "modRevision", value: condition.modRevision },
      };
    case "held_by":
      return {
        ...equal,
        target: Compare_CompareTarget.LEASE,
        targetUnion: { $case: "lease", value: condition.lease },
      };
  }
}

function requestOf(operation: Operation): RequestOp {
  switch (operation.kind) {
    case "put":
      return {
        request: {
          $case: "requestPut",
          value: {
            key: bytes(operation.key),
            value: bytes(operation.value),
            lease: operation.lease ?? 0n,
            prevKv: false,
            ignoreValue: false,
            ignoreLease: false,
          },
        },
      };
    case "delete":
      return {
        request: {
          $case: "requestDeleteRange",
          value: { key: bytes(operation.key), rangeEnd: Buffer.alloc(0), prevKv: false },
        },
      };
    case "delete_if": {
      const { key, value } = operation;
      return {
        request: {
          $case: "requestTxn",
          value: {
            compare: [compareOf({ kind: "value", key, value })],
            success: [requestOf({ kind: "delete", key })],
            failure: [],
          },
        },
      };
    }
    case "read_all":
      return { request: { $case: "requestRange", value: rangeOf(operation.prefix) } };
  }
}

function storedKeys(response: RangeResponse): StoredKeys {
  if (response.more) {
    throw new EtcdFault("refused", `etcd has more than ${keyCountMax} keys of one cluster.`);
  }
  return {
    revision: response.header?.revision ?? 0n,
    keys: new Map(response.kvs.map(storedKey).map((stored) => [stored.key, stored])),
  };
}

function storedKey({ key, value, modRevision, lease }: KeyValue): StoredKey {
  return {
    key: Buffer.from(key).toString("utf8"),
    value: Buffer.from(value).toString("utf8"),
    modRevision,
    lease,
  };
}

/** What the reads of a transaction found; nothing when none was done. */
function readBy({ header, responses }: TxnResponse): StoredKeys {
  const keys = new Map<string, StoredKey>();
  for (const { response } of responses) {
    if (response?.$case !== "responseRange") continue;
    for (const [key, stored] of storedKeys(response.value).keys) keys.set(key, stored);
  }
  return { revision: header?.revision ?? 0n, keys };
}
