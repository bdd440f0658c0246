// What every RPC of leases and locks does when it is called well, with every field of its request, for the conformance run.

const cache = "default";
const ofKey = (key) => ({ keyData: Buffer.from(key).toString("base64") });

/** Calls every RPC of these services in the cache `default`; `name` is free for keys. */
export async function callCacheLeaseRpcs(session, name) {
  await leases(session, `${name}-lease`);
  await locks(session, `${name}-lock`);
}

async function leases(session, key) {
  const asked = { lease: "60s", wait: "0s", refreshBelow: "1s" };
  const { leaseToken } = await session.ok(
    "GetOrLease",
    { cache, key, ...asked, requestId: key },
    { outcome: "LEASE_OUTCOME_MISS_WON" },
  );
  await session.ok(
    "GetOrLease",
    { cache, ...ofKey(key), wait: "0.100s" },
    { outcome: "LEASE_OUTCOME_MISS_WAIT" },
  );
  await session.ok("RenewLease", { cache, key, leaseToken, lease: "60s" });
  await session.ok("RenewLease", { cache, ...ofKey(key), leaseToken });
  await session.ok("ReleaseLease", { cache, key, leaseToken }, { released: true });
  await session.ok("ReleaseLease", { cache, ...ofKey(key), leaseToken });
  await session.refused("RenewLease", { cache, key, leaseToken }, "ABORTED", "LEASE_LOST");
}

async function locks(session, name) {
  const { token } = await session.ok(
    "AcquireLock",
    { cache, name, lease: "60s", wait: "0s", requestId: name },
    { acquired: true },
  );
  await session.ok("RenewLock", { cache, name, token, lease: "60s" });
  await session.ok("ReleaseLock", { cache, name, token }, { released: true });
  await session.refused("RenewLock", { cache, name, token }, "ABORTED", "LEASE_LOST");
}
