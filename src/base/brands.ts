// Branded primitives: an instant is not a span and a queue's number is not a place in it.
//
// All are plain numbers or strings at run time. Only the constructors here, the parsers at the wire and the store's codecs
// cast to a brand; everything else passes them on. Numbers stay below 2^53, so arithmetic on them is exact.

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** An instant of server time: milliseconds since 1970-01-01 UTC. */
export type EpochMs = Branded<number, "EpochMs">;
/** A span of time in milliseconds. */
export type DurationMs = Branded<number, "DurationMs">;
/** What a clock on a wall shows: the milliseconds that would be its instant if the wall stood where UTC is the time. */
export type LocalMs = Branded<number, "LocalMs">;
/** The number of one incarnation of a queue; a queue recreated under the same name has another. Never reused. */
export type QueueNumber = Branded<number, "QueueNumber">;
/** A key of a cache, as somebody waits for it to have something; another segment's is another place. */
export type KeyPlace = Branded<string, "KeyPlace">;
/** What a call may wait for. */
export type WaitPlace = QueueNumber | KeyPlace;
/** The key range that holds a queue's messages; a purge starts a new one. Never reused. */
export type SegmentNumber = Branded<number, "SegmentNumber">;
/** A place in the send order of one queue; grows by at least one with every message. */
export type Sequence = Branded<number, "Sequence">;
/** The name of a queue without its namespace, as validated. */
export type QueueName = Branded<string, "QueueName">;
/** The number of one incarnation of a topic; a topic recreated under the same name has another. Never reused. */
export type TopicNumber = Branded<number, "TopicNumber">;
/** The name of a topic without its namespace, as validated. */
export type TopicName = Branded<string, "TopicName">;
/** The name of a cache without its namespace, as validated. */
export type CacheName = Branded<string, "CacheName">;
/** A key of a cache, 1 to 1,024 bytes: a character of U+0000 to U+00FF for each, so that texts compare as bytes do. */
export type CacheKey = Branded<string, "CacheKey">;
/** The SHA-256 of a session's id: 32 bytes, a character of U+0000 to U+00FF for each. */
export type SessionHash = Branded<string, "SessionHash">;
/** What the items of a cache are ordered by in time: rises with every write in the store, over restarts and failovers; from 1. */
export type Version = Branded<number, "Version">;
/** What AWS calls an account: the first part of a qualified name. */
export type Namespace = Branded<string, "Namespace">;

export const milliseconds = (value: number): DurationMs => value as DurationMs;
export const seconds = (value: number): DurationMs => (value * 1_000) as DurationMs;
export const minutes = (value: number): DurationMs => (value * 60_000) as DurationMs;
export const hours = (value: number): DurationMs => (value * 3_600_000) as DurationMs;
export const days = (value: number): DurationMs => (value * 86_400_000) as DurationMs;

export const epochMs = (value: number): EpochMs => value as EpochMs;
export const localMs = (value: number): LocalMs => value as LocalMs;
export const sequence = (value: number): Sequence => value as Sequence;
export const version = (value: number): Version => value as Version;
export const queueNumber = (value: number): QueueNumber => value as QueueNumber;
export const segmentNumber = (value: number): SegmentNumber => value as SegmentNumber;

/** The instant a span after another. */
export const after = (instant: EpochMs, span: DurationMs): EpochMs => (instant + span) as EpochMs;
/** The span between two instants, negative when `to` is earlier. */
export const between = (from: EpochMs, to: EpochMs): DurationMs => (to - from) as DurationMs;

/** The number of one leader's reign, minted once by the coordinator; from 1. */
export type Epoch = Branded<number, "Epoch">;
/** A record's place in the log of its group; from 1, 0 for the place before the first. */
export type LogSeq = Branded<number, "LogSeq">;
/** The identity of a member, made with its empty store: 16 random bytes as 32 hexadecimal digits. */
export type MemberId = Branded<string, "MemberId">;
/** The identity of a replicated group: 16 random bytes as 32 hexadecimal digits. */
export type GroupId = Branded<string, "GroupId">;

export const epoch = (value: number): Epoch => value as Epoch;
export const logSeq = (value: number): LogSeq => value as LogSeq;
export const memberId = (value: string): MemberId => value as MemberId;
export const groupId = (value: string): GroupId => value as GroupId;
