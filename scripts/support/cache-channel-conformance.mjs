// What every RPC of channels does when it is called well, with every field of its request, for the conformance run.

import { requirePart } from "./requirements.mjs";

const base64 = (text) => Buffer.from(text).toString("base64");

/** Calls every RPC of the service; `name` is free for the channel and its cache, which `makeCache` makes and `deleteCache` deletes. */
export async function callChannelRpcs(session, name, { makeCache, deleteCache }) {
  const cache = `${name}-channels`;
  await makeCache(cache);
  const publish = { cache, channel: name, publisher: "conformance" };
  const first = await session.ok(
    "PublishToChannel",
    { ...publish, text: "one", requestId: name },
    { sequence: "1" },
  );
  const { stamp } = first;
  await session.ok(
    "PublishToChannel",
    { ...publish, data: base64("two") },
    { sequence: "2", stamp },
  );
  const messages = [
    { channel: `many-${name}`, text: "one", publisher: "conformance" },
    { channel: "", data: base64("two") },
  ];
  await session.ok(
    "PublishToChannels",
    { cache, messages, requestId: name },
    { results: [{ published: { sequence: "1" } }, { error: {} }] },
  );
  const stream = session.open("SubscribeToChannels");
  stream.send({
    cache,
    channels: [name],
    patterns: [`${name}-*`],
    resumeAt: [{ channel: name, sequence: "1", stamp }],
    resumeAfter: { position: "1", stamp: "of a node before" },
    heartbeat: "5s",
  });
  const ended = stream.end();
  const method = "SubscribeToChannels";
  const events = [];
  const next = async () => {
    while (events.length === 0) events.push(...(await stream.next()).events);
    return events.shift();
  };
  // The position is of another node, so that nobody knows what channels like the pattern had meanwhile.
  const cause = "CHANNEL_DISCONTINUITY_CAUSE_RENUMBERED";
  requirePart(await next(), { discontinuity: { cause } }, method);
  const channels = [{ channel: name, sequence: "1", stamp }];
  requirePart(await next(), { ready: { channels } }, method);
  const shown = { channel: name, sequence: "2", data: base64("two"), publisher: "conformance" };
  requirePart(await next(), { item: shown }, method);
  await session.ok(
    "PublishToChannel",
    { cache, channel: `${name}-more`, text: "three" },
    { receivers: "1" },
  );
  requirePart(await next(), { item: { channel: `${name}-more`, text: "three" } }, method);
  await deleteCache(cache);
  const ErrorInfo = { domain: "forebay", reason: "CACHE_NOT_FOUND" };
  requirePart(await ended, { status: "NOT_FOUND", details: { ErrorInfo } }, method);
}
