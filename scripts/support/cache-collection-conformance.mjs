// What every RPC of collections does when it is called well, with every field of its request, for the conformance run.

const cache = "default";
const anyNode = { mode: "READ_MODE_ANY" };
const consistencies = [anyNode, { maxStaleness: "1s" }, { atLeast: "1/1" }];
const text = (value) => ({ text: value });
const data = (value) => ({ data: Buffer.from(value).toString("base64") });
const ofKey = (key) => ({ keyData: Buffer.from(key).toString("base64") });
const later = { expireTime: "2100-01-01T00:00:00Z" };
const policies = [
  { expiry: { ttl: "600s" }, ttlPolicy: "TTL_POLICY_REFRESH" },
  { expiry: { noExpiry: true }, ttlPolicy: "TTL_POLICY_KEEP_IF_LONGER" },
  { expiry: { keepTtl: true }, ttlPolicy: "TTL_POLICY_SET_ON_CREATE" },
  { expiry: later },
];

/** Calls every RPC of these services in the cache `default`; `name` is free for keys. */
export async function callCacheCollectionRpcs(session, name) {
  await reads(session);
  await dictionaries(session, `${name}-dictionary`);
  await sets(session, `${name}-set`);
  await lists(session, `${name}-list`);
  await sortedSets(session, `${name}-sorted`);
}

/** Of a key that has nothing, in each way that a read may be consistent. */
async function reads(session) {
  const key = "none";
  const none = { found: false };
  const range = { rank: {} };
  for (const consistency of consistencies) {
    const request = { cache, key, consistency };
    const member = [text("a")];
    await session.ok("DictionaryGet", { ...request, fields: member }, none);
    for (const rpc of ["DictionaryScan", "SetScan", "SortedSetScan"]) {
      await session.ok(rpc, { ...request, prefix: text("a"), limit: 5, reverse: true }, none);
    }
    for (const rpc of ["DictionarySample", "SetSample", "SortedSetSample"]) {
      await session.ok(rpc, { ...request, count: 2, withRepeats: true }, none);
    }
    for (const rpc of ["DictionaryLength", "SetLength", "ListLength", "ListFetch"]) {
      await session.ok(rpc, request, none);
    }
    await session.ok("SetContains", { ...request, members: member }, none);
    const keys = [text(key)];
    const operation = "SET_OPERATION_UNION";
    await session.ok("SetCombine", { cache, keys, operation, consistency }, { count: "0" });
    await session.ok("ListPosition", { ...request, value: text("a") }, none);
    await session.ok("SortedSetFetch", { ...request, range }, none);
    await session.ok("SortedSetScores", { ...request, members: member }, none);
    await session.ok("SortedSetRanks", { ...request, members: member }, none);
    await session.ok("SortedSetCount", { ...request, range }, none);
    const sources = [{ key: text(key) }];
    const union = { sources, operation: "SORTED_SET_OPERATION_UNION" };
    await session.ok("SortedSetCombine", { cache, ...union, consistency }, { count: "0" });
  }
}

async function dictionaries(session, key) {
  for (const [at, life] of policies.entries()) {
    await session.ok("DictionarySet", {
      cache,
      ...(at % 2 === 0 ? { key } : ofKey(key)),
      items: [{ field: text(`f${at}`), value: text("1") }, { field: data("g") }],
      condition: "FIELD_CONDITION_ANY",
      fieldExpiry: [{ ttl: "60s" }, later, { noExpiry: true }, { keepTtl: true }][at],
      ...life,
    });
  }
  const fields = [text("f0"), data("g"), text("none")];
  await session.ok("DictionaryGet", { cache, key, fields }, { found: true });
  await session.ok("DictionaryGet", { cache, ...ofKey(key), fields, withoutValues: true });
  for (const fieldExpiry of [{ ttl: "60s" }, later, { noExpiry: true }]) {
    const touched = { cache, ...ofKey(key), fields, fieldExpiry };
    await session.ok("DictionaryGetAndTouch", touched, { found: true });
    await session.ok("DictionaryExpire", { ...touched, mode: "TTL_MODE_OVERWRITE" });
  }
  await session.ok("DictionaryGetAndTouch", { cache, key, fields, fieldExpiry: later });
  await session.ok("DictionaryExpire", { cache, key, fields, fieldExpiry: later });
  const page = await session.ok("DictionaryScan", { cache, key, limit: 2, withoutValues: true });
  const cursor = page.nextCursor;
  await session.ok("DictionaryScan", { cache, key, cursor, prefix: text("") });
  await session.ok("DictionaryScan", { cache, ...ofKey(key), prefix: data("g") });
  for (const [at, life] of policies.entries()) {
    await session.ok(
      "DictionaryIncrement",
      {
        cache,
        ...(at % 2 === 0 ? { key } : ofKey(key)),
        field: at === 0 ? text("n") : data("n"),
        delta: "2",
        initial: "5",
        onOverflow: "OVERFLOW_MODE_SATURATE",
        min: "0",
        max: "9",
        ...life,
        requestId: `${key}-${at}`,
      },
      { value: ["7", "9", "9", "9"][at] },
    );
    await session.ok("DictionaryIncrementFloat", {
      cache,
      ...(at % 2 === 0 ? { key } : ofKey(key)),
      field: at === 0 ? text("x") : data("x"),
      delta: 0.5,
      initial: 1,
      ...life,
      requestId: `${key}-float-${at}`,
    });
  }
  await session.ok("DictionarySample", { cache, key, count: 1, withoutValues: true });
  await session.ok("DictionarySample", { cache, ...ofKey(key), count: 1 });
  await session.ok("DictionaryLength", { cache, ...ofKey(key) }, { found: true });
  await session.ok("DictionaryDelete", { cache, key, fields: [text("f0")] }, { removed: "1" });
  await session.ok("DictionaryDelete", { cache, ...ofKey(key), fields: [data("g")] });
}

async function sets(session, key) {
  const members = [text("a"), data("b")];
  for (const [at, life] of policies.entries()) {
    await session.ok("SetAdd", {
      cache,
      ...(at % 2 === 0 ? { key } : ofKey(key)),
      members: [...members, text(`m${at}`)],
      memberExpiry: [{ ttl: "60s" }, later, { noExpiry: true }, { keepTtl: true }][at],
      ...life,
    });
  }
  await session.ok("SetContains", { cache, ...ofKey(key), members }, { found: true });
  const page = await session.ok("SetScan", { cache, key, limit: 2 });
  await session.ok("SetScan", { cache, key, cursor: page.nextCursor });
  await session.ok("SetScan", { cache, ...ofKey(key), prefix: data("a") });
  await session.ok("SetSample", { cache, ...ofKey(key), count: 2 });
  for (const memberExpiry of [{ ttl: "60s" }, later, { noExpiry: true }]) {
    const mode = "TTL_MODE_OVERWRITE";
    await session.ok("SetExpire", { cache, key, members, memberExpiry, mode });
  }
  await session.ok("SetExpire", { cache, ...ofKey(key), members, memberExpiry: later });
  await session.ok("SetLength", { cache, ...ofKey(key) }, { length: "6" });
  const destination = text(`${key}-to`);
  for (const [at, life] of policies.entries()) {
    const of = at % 2 === 0 ? text : data;
    const moved = { source: of(key), destination: of(`${key}-to`), member: of(`m${at}`) };
    await session.ok(
      "SetMove",
      { cache, ...moved, ...life, requestId: `${key}-${at}` },
      { moved: true },
    );
  }
  const keys = [text(key), data(`${key}-to`)];
  const difference = { keys, operation: "SET_OPERATION_DIFFERENCE" };
  await session.ok("SetCombine", { cache, ...difference, limit: 5 }, { count: "2" });
  await session.ok("SetCombine", { cache, ...difference, countOnly: true }, { count: "2" });
  for (const expiry of [{ ttl: "600s" }, later, { noExpiry: true }, { keepTtl: true }]) {
    const stored = { keys, operation: "SET_OPERATION_UNION", expiry };
    await session.ok("SetStore", { cache, ...stored, destination }, { length: "6" });
    await session.ok("SetStore", { cache, ...stored, destination: data(`${key}-to`) });
  }
  await session.ok("SetRemove", { cache, key, members: [text("a")] }, { removed: "1" });
  await session.ok("SetRemove", { cache, ...ofKey(key), members: [data("a")] });
  await session.ok("SetPop", { cache, key, count: 1, requestId: key }, { found: true });
  await session.ok("SetPop", { cache, ...ofKey(key), count: 1 });
}

async function lists(session, key) {
  for (const [at, life] of policies.entries()) {
    await session.ok("ListPush", {
      cache,
      ...(at % 2 === 0 ? { key } : ofKey(key)),
      end: "COLLECTION_END_BACK",
      values: [text("a"), data("b")],
      reverse: true,
      truncateTo: "100",
      onlyIfExists: at > 0,
      ...life,
      requestId: `${key}-${at}`,
    });
  }
  await session.ok("ListFetch", { cache, key, start: "1", end: "-1", limit: 3 }, { length: "8" });
  await session.ok("ListFetch", { cache, ...ofKey(key) }, { found: true });
  await session.ok("ListSet", { cache, key, index: "0", value: text("x"), requestId: `${key}-s` });
  await session.ok("ListSet", { cache, ...ofKey(key), index: "-1", value: data("y") });
  const inserted = { outcome: "LIST_INSERT_OUTCOME_INSERTED" };
  const beside = { cache, key, pivot: text("x"), after: true, value: text("z") };
  await session.ok("ListInsert", { ...beside, requestId: `${key}-i` }, inserted);
  const before = { cache, ...ofKey(key), pivot: data("x"), value: data("w") };
  await session.ok("ListInsert", before, inserted);
  const position = { value: text("a"), reverse: true, count: 2 };
  await session.ok("ListPosition", { cache, key, ...position }, { found: true });
  await session.ok("ListPosition", { cache, ...ofKey(key), value: data("z") }, { indexes: ["2"] });
  await session.ok("ListLength", { cache, ...ofKey(key) }, { length: "10" });
  const removed = { removed: "1" };
  const value = text("z");
  await session.ok("ListRemove", { cache, key, value, count: "1", requestId: `${key}-r` }, removed);
  await session.ok("ListRemove", { cache, ...ofKey(key), value: data("w") }, removed);
  const ranges = [{ start: "0", end: "1" }];
  await session.ok("ListErase", { cache, key, ranges, requestId: `${key}-e` }, removed);
  await session.ok("ListErase", { cache, ...ofKey(key), ranges: [{ start: "-1" }] }, removed);
  const retained = { start: "0", end: "5", requestId: `${key}-t` };
  await session.ok("ListRetain", { cache, key, ...retained }, removed);
  await session.ok("ListRetain", { cache, ...ofKey(key) }, { removed: "0" });
  for (const [at, life] of policies.entries()) {
    const of = at % 2 === 0 ? text : data;
    await session.ok(
      "ListMove",
      {
        cache,
        source: of(key),
        from: "COLLECTION_END_BACK",
        destination: of(`${key}-to`),
        to: "COLLECTION_END_BACK",
        wait: "0.1s",
        ...life,
        requestId: `${key}-move-${at}`,
      },
      { moved: true },
    );
  }
  const pop = { end: "COLLECTION_END_BACK", count: 5, wait: "0.1s", requestId: `${key}-p` };
  await session.ok("ListPop", { cache, key, ...pop }, { found: true });
  await session.ok("ListPop", { cache, ...ofKey(key) }, { found: false });
}

const scored = (member, score) => ({ member, score });
const mode = { mode: "SORTED_SET_MODE_UPSERT", compare: "SCORE_COMPARE_GREATER" };

async function sortedSets(session, key) {
  for (const [at, life] of policies.entries()) {
    const own = at % 2 === 0 ? { key } : ofKey(key);
    await session.ok("SortedSetPut", {
      cache,
      ...own,
      elements: [scored(text("a"), 1), scored(data("b"), 2), scored(text(`m${at}`), 3 + at)],
      ...mode,
      cap: "100",
      capDrop: "CAP_DROP_HIGHEST",
      ...life,
    });
    await session.ok(
      "SortedSetIncrement",
      {
        cache,
        ...own,
        member: at === 0 ? text("a") : data("a"),
        delta: 0.5,
        ...mode,
        ...life,
        requestId: `${key}-${at}`,
      },
      { applied: true },
    );
  }
  await ranges(session, key);
  const members = [text("a"), data("b"), text("none")];
  await session.ok("SortedSetScores", { cache, ...ofKey(key), members }, { found: true });
  const ranked = { members, reverse: true, rankMode: "RANK_MODE_COMPETITION" };
  await session.ok("SortedSetRanks", { cache, key, ...ranked }, { found: true });
  await session.ok("SortedSetRanks", { cache, ...ofKey(key), members }, { found: true });
  await session.ok("SortedSetSample", { cache, ...ofKey(key), count: 2 });
  const page = await session.ok("SortedSetScan", { cache, key, limit: 2 });
  await session.ok("SortedSetScan", { cache, key, cursor: page.nextCursor });
  await session.ok("SortedSetScan", { cache, ...ofKey(key), prefix: data("a") });
  const sources = [{ key: text(key), weight: 2 }, { key: data(key) }];
  const union = {
    sources,
    operation: "SORTED_SET_OPERATION_UNION",
    aggregate: "SCORE_AGGREGATE_MAX",
  };
  await session.ok("SortedSetCombine", { cache, ...union, limit: 2 }, { count: "6" });
  for (const [at, { expiry }] of policies.entries()) {
    const destination = at % 2 === 0 ? text(`${key}-to`) : data(`${key}-to`);
    await session.ok("SortedSetStore", { cache, ...union, destination, expiry }, { length: "6" });
    const source = at % 2 === 0 ? text(key) : data(key);
    const range = { rank: { start: "0", end: "2" } };
    const stored = { cache, source, destination, range, expiry };
    await session.ok("SortedSetStoreRange", stored, { length: "2" });
  }
  await session.ok("SortedSetRemove", { cache, key, members: [text("a")] }, { removed: "1" });
  await session.ok("SortedSetRemove", { cache, ...ofKey(key), members: [data("a")] });
  const pop = { end: "SCORE_END_MAX", count: 1, wait: "0.1s", requestId: `${key}-p` };
  await session.ok("SortedSetPop", { cache, key, ...pop }, { found: true });
  await session.ok("SortedSetPop", { cache, ...ofKey(key) }, { found: true });
  const range = { rank: {} };
  const cut = { cache, ...ofKey(key), range, requestId: `${key}-c` };
  await session.ok("SortedSetRemoveRange", cut, { length: "0" });
  await session.ok("SortedSetRemoveRange", { cache, key, range }, { removed: "0" });
}

/** Each kind of range, in the calls that take one. */
async function ranges(session, key) {
  const page = { offset: "0", limit: "5" };
  const all = [
    { rank: { start: "0", end: "-1" }, reverse: true },
    { score: { min: 1, minExclusive: true, max: 9, maxExclusive: true, ...page } },
    { lex: { min: text("a"), minExclusive: true, max: text("z"), maxExclusive: true, ...page } },
    { lex: { min: data("a"), max: data("z") } },
  ];
  for (const range of all) {
    await session.ok("SortedSetFetch", { cache, key, range, limit: 3 }, { found: true });
    await session.ok("SortedSetCount", { cache, ...ofKey(key), range }, { found: true });
    const absent = { cache, key: `${key}-none`, range };
    await session.ok("SortedSetRemoveRange", absent, { removed: "0" });
    const stored = { source: text(`${key}-none`), destination: text(`${key}-no`), range };
    await session.ok("SortedSetStoreRange", { cache, ...stored }, { length: "0" });
  }
  await session.ok("SortedSetFetch", { cache, ...ofKey(key), range: all[0] }, { found: true });
}
