// What every RPC of sessions does when it is called well, with every field of its request, for the conformance run.

const anyNode = { mode: "READ_MODE_ANY" };
const saved = { outcome: "SESSION_WRITE_OUTCOME_SAVED" };

/** Calls every RPC of sessions in the cache `default`; `name` is free for users and ids. */
export async function callSessionRpcs(session, name) {
  const cache = "default";
  const cookie = { expireTime: "2100-01-01T00:00:00Z", attributes: '{"path":"/"}' };
  const userId = name;
  const made = await session.ok(
    "CreateSession",
    {
      cache,
      data: '{"cart":[1]}',
      userId,
      idle: "60s",
      absolute: "3600s",
      cookie,
      requestId: `${name}-create`,
    },
    { version: "1" },
  );
  const { sessionId, sessionHash } = made;
  for (const consistency of [anyNode, { maxStaleness: "1s" }, { atLeast: "1/1" }]) {
    await session.ok(
      "GetSession",
      { cache, sessionId, withoutTouch: true, consistency },
      { session: { sessionHash, userId, data: '{"cart":[1]}', cookie, version: "1" } },
    );
    const mine = { cache, userId, withData: true, pageSize: 1, consistency };
    const listed = { sessions: [{ sessionHash, data: '{"cart":[1]}' }] };
    await session.ok("ListSessionsByUser", mine, listed);
    await session.ok("CountSessions", { cache, userId, consistency }, { count: "1" });
    await session.ok("ListSessions", { cache, withData: true, pageSize: 1, consistency });
  }
  await session.ok("GetSession", { cache, sessionId: `${name}-none` });
  await writes(session, { cache, sessionId, cookie, name });
  const renewed = await session.ok(
    "RegenerateSession",
    { cache, sessionId, keepData: true, userId, requestId: `${name}-renew` },
    { ...saved, version: "1" },
  );
  await session.ok(
    "RegenerateSession",
    { cache, sessionId },
    { outcome: "SESSION_WRITE_OUTCOME_GONE" },
  );
  await session.ok("CreateSession", { cache, userId });
  const second = await session.ok("ListSessionsByUser", { cache, userId, pageSize: 1 });
  const pageToken = second.nextPageToken;
  await session.ok("ListSessionsByUser", { cache, userId, pageSize: 1, pageToken });
  const first = await session.ok("ListSessions", { cache, pageSize: 1 });
  await session.ok("ListSessions", { cache, pageToken: first.nextPageToken });
  await session.refused(
    "ListSessions",
    { cache, pageToken },
    "INVALID_ARGUMENT",
    "INVALID_PAGE_TOKEN",
  );
  await session.ok(
    "DestroySessionsByUser",
    { cache, userId, exceptSessionId: renewed.sessionId },
    { kept: true },
  );
  const byHash = { cache, sessionHash: renewed.sessionHash };
  await session.ok("DestroySession", byHash, { existed: true });
  await session.ok("DestroySession", { cache, sessionId: renewed.sessionId });
  await session.ok("ClearSessions", { cache });
}

async function writes(session, { cache, sessionId, cookie, name }) {
  const save = { cache, sessionId, data: '{"cart":[2]}', cookie, idle: "120s", userId: name };
  await session.ok(
    "SaveSession",
    {
      ...save,
      absolute: "7200s",
      mode: "SAVE_SESSION_MODE_UPDATE",
      ifVersion: "1",
      requestId: `${name}-save`,
    },
    { ...saved, version: "2" },
  );
  const conflict = { outcome: "SESSION_WRITE_OUTCOME_CONFLICT", version: "2" };
  await session.ok("SaveSession", { ...save, ifVersion: "1" }, conflict);
  await session.ok(
    "PatchSession",
    { cache, sessionId, set: '{"note":"x"}', remove: ["cart"], requestId: `${name}-patch` },
    { ...saved, version: "3" },
  );
  await session.ok("TouchSession", { cache, sessionId, cookie }, { found: true });
  await session.refused(
    "PatchSession",
    { cache, sessionId, set: "[]" },
    "INVALID_ARGUMENT",
    "INVALID_PARAMETER",
  );
}
