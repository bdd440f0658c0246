// What is asked of channels, as the rules take it. What is wrong is told of every field, not only of the first.

import { sequence } from "../base/brands.js";
import type { NamedGlob } from "../cache/channels/channel-hub.js";
import { channelLimits } from "../cache/channels/channel-limits.js";
import { bytesOf, type ChannelContent } from "../cache/channels/channel-message.js";
import { codePointsOf, parseGlob } from "../cache/channels/glob.js";
import type { ChannelPlace, HubPosition } from "../cache/channels/resume.js";
import type {
  PublishToChannelRequest,
  SubscribeToChannelsRequest,
  ChannelPlace as WirePlace,
} from "../gen/forebay/cache/v1/channel_service.js";
import { limits } from "../queue/limits.js";
import { checkCount } from "./cache-parse.js";
import { parseDuration, type Violations } from "./violations.js";

/** Checks a name or a pattern, both of which have so many bytes. */
function checkName(violations: Violations, field: string, name: string): string {
  const { nameBytesMax: limit } = channelLimits;
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > limit) {
    violations.add("INVALID_PARAMETER", field, `must have 1 to ${limit} bytes, not ${bytes}`, {
      limit: String(limit),
      actual: String(bytes),
    });
  }
  return name;
}

/** What a message has, whichever call it came with. */
export function parseMessage(
  violations: Violations,
  message: Pick<PublishToChannelRequest, "channel" | "messageForm" | "publisher">,
) {
  const { publisher } = message;
  const channel = checkName(violations, "channel", message.channel);
  const content = parseContent(violations, message.messageForm);
  const { publisherCharactersMax } = channelLimits;
  if (publisher.length > publisherCharactersMax) {
    const description = `must have at most ${publisherCharactersMax} characters, not ${publisher.length}`;
    violations.add("INVALID_PARAMETER", "publisher", description);
  }
  return { channel, content, publisher };
}

export function checkRequestId(violations: Violations, requestId: string): void {
  if (Buffer.byteLength(requestId) > limits.requestIdBytesMax) {
    const description = `must have 1 to ${limits.requestIdBytesMax} bytes`;
    violations.add("INVALID_PARAMETER", "request_id", description);
  }
}

function parseContent(
  violations: Violations,
  form: PublishToChannelRequest["messageForm"],
): ChannelContent {
  if (form === undefined) return { kind: "data", data: Buffer.alloc(0) };
  const content: ChannelContent =
    form.$case === "text"
      ? { kind: "text", text: form.value }
      : // A copy: what came lies within the bytes of its whole request, which would stay as long as the message does.
        { kind: "data", data: Buffer.from(form.value) };
  const { messageBytesMax: limit } = channelLimits;
  const actual = bytesOf(content);
  if (actual > limit) {
    violations.add("VALUE_TOO_LARGE", form.$case, `has at most ${limit} bytes, not ${actual}`, {
      limit: String(limit),
      actual: String(actual),
    });
  }
  return content;
}

export function parseSubscribe(violations: Violations, request: SubscribeToChannelsRequest) {
  const { channelsPerCallMax, patternsPerCallMax, placesPerCallMax } = channelLimits;
  if (request.channels.length === 0 && request.patterns.length === 0) {
    violations.add("MISSING_PARAMETER", "channels", "name a channel, or give a pattern");
  }
  const heartbeatMs = parseDuration(violations, "heartbeat", request.heartbeat, {
    minMs: channelLimits.heartbeatMsMin,
    maxMs: channelLimits.heartbeatMsMax,
  });
  const areFew = [
    checkCount(violations, "channels", request.channels.length, channelsPerCallMax),
    checkCount(violations, "patterns", request.patterns.length, patternsPerCallMax),
    checkCount(violations, "resume_at", request.resumeAt.length, placesPerCallMax),
  ].every(Boolean);
  const given = areFew ? request : { channels: [], patterns: [], resumeAt: [] };
  const channels = new Set(
    given.channels.map((name, index) => checkName(violations, `channels[${index}]`, name)),
  );
  const patterns = parsePatterns(violations, given.patterns);
  return {
    channels: [...channels],
    patterns,
    places: parsePlaces(violations, given.resumeAt, { channels, patterns }),
    after: parsePosition(violations, request.resumeAfter),
    heartbeatMs: heartbeatMs ?? channelLimits.heartbeatMsDefault,
  };
}

function parsePatterns(violations: Violations, texts: readonly string[]): readonly NamedGlob[] {
  const globs = new Map<string, NamedGlob>();
  texts.forEach((text, index) => {
    const field = `patterns[${index}]`;
    const parsed = parseGlob(checkName(violations, field, text));
    if (parsed.kind === "glob") globs.set(text, { text, glob: parsed.glob });
    else violations.add("INVALID_PARAMETER", field, parsed.problem);
  });
  return [...globs.values()];
}

interface Subscribed {
  readonly channels: ReadonlySet<string>;
  readonly patterns: readonly NamedGlob[];
}

function parsePlaces(
  violations: Violations,
  places: readonly WirePlace[],
  { channels, patterns }: Subscribed,
): readonly ChannelPlace[] {
  const seen = new Set<string>();
  return places.map(({ channel, sequence: given, stamp }, index) => {
    const add = (field: string, description: string): void =>
      violations.add("INVALID_PARAMETER", `resume_at[${index}].${field}`, description);
    const points = codePointsOf(channel);
    const isSubscribed = channels.has(channel) || patterns.some(({ glob }) => glob.matches(points));
    if (!isSubscribed) add("channel", "is neither named nor matched by a pattern");
    if (seen.has(channel)) add("channel", "is there twice");
    seen.add(channel);
    if (stamp === "") add("stamp", "is needed: that of the message");
    return {
      channel,
      sequence: sequence(parseNumber(given, () => add("sequence", numberRule))),
      stamp,
    };
  });
}

const numberRule = "must be from 0 to 2^53-1";

function parseNumber(given: bigint, refuse: () => void): number {
  if (given >= 0n && given <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(given);
  refuse();
  return 0;
}

function parsePosition(
  violations: Violations,
  after: SubscribeToChannelsRequest["resumeAfter"],
): HubPosition | undefined {
  if (after === undefined) return undefined;
  const { stamp } = after;
  const at = "resume_after";
  if (stamp === "") {
    violations.add("INVALID_PARAMETER", `${at}.stamp`, "is needed: that of the subscription");
  }
  const position = parseNumber(after.position, () =>
    violations.add("INVALID_PARAMETER", `${at}.position`, numberRule),
  );
  return { position, stamp };
}
