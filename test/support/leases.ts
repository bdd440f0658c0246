// Leases and locks in a test's words, over the connection of a scenario, of the cache `default`.

import {
  type GetOrLeaseRequest,
  type GetOrLeaseResponse,
  LeaseOutcome,
  LeaseServiceDefinition,
  type RenewLeaseResponse,
} from "../../src/gen/forebay/cache/v1/lease_service.js";
import {
  type AcquireLockRequest,
  type AcquireLockResponse,
  LockServiceDefinition,
  type RenewLockResponse,
} from "../../src/gen/forebay/cache/v1/lock_service.js";
import { keyForm, type Served } from "./caches.js";
import type { CallOptions } from "./queue-client.js";

interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: {
    encode(request: Request): { finish(): Uint8Array };
    fromPartial(part: object): Request;
  };
  readonly responseType: { decode(bytes: Uint8Array): Response };
}

async function call<Request, Response>(
  { client }: Served,
  service: { readonly fullName: string },
  { name, requestType, responseType }: Method<Request, Response>,
  part: object,
  options: CallOptions = {},
): Promise<Response> {
  const request = requestType.fromPartial({ cache: "default", ...part });
  const bytes = requestType.encode(request).finish();
  return responseType.decode(await client.raw(`/${service.fullName}/${name}`, bytes, options));
}

const [leases, locks] = [LeaseServiceDefinition, LockServiceDefinition];

export const getOrLease = (
  t: Served,
  key: string,
  rest: Partial<GetOrLeaseRequest> = {},
  options: CallOptions = {},
): Promise<GetOrLeaseResponse> =>
  call(t, leases, leases.methods.getOrLease, { keyForm: keyForm(key), ...rest }, options);

export const leaseName = ({ outcome }: GetOrLeaseResponse): string =>
  Object.entries(LeaseOutcome).find(([, value]) => value === outcome)?.[0] ?? String(outcome);

export const renewLease = (
  t: Served,
  key: string,
  leaseToken: bigint,
): Promise<RenewLeaseResponse> =>
  call(t, leases, leases.methods.renewLease, { keyForm: keyForm(key), leaseToken });

export const releaseLease = async (
  t: Served,
  key: string,
  leaseToken: bigint,
): Promise<boolean> => {
  const part = { keyForm: keyForm(key), leaseToken };
  return (await call(t, leases, leases.methods.releaseLease, part)).released;
};

export const acquireLock = (
  t: Served,
  name: string,
  rest: Partial<AcquireLockRequest> = {},
  options: CallOptions = {},
): Promise<AcquireLockResponse> =>
  call(t, locks, locks.methods.acquireLock, { name, ...rest }, options);

export const renewLock = (t: Served, name: string, token: bigint): Promise<RenewLockResponse> =>
  call(t, locks, locks.methods.renewLock, { name, token });

export const releaseLock = async (t: Served, name: string, token: bigint): Promise<boolean> =>
  (await call(t, locks, locks.methods.releaseLock, { name, token })).released;
