// The bounds of the ways between members. Each is named here so that what happens at it can be found; why it has its value is
// said beside it.

const mebibyte = 1_048_576;

/**
 * One message on the wire, in both directions. A record holds at most 1 MiB of mutations or one command, and what one command writes
 * may be long: a value of a cache has up to 64 MiB, and the elements of one call may be spread over as many rows of a collection. A
 * message that was too long would never arrive, and with it nothing after it; `src/cache/limits.ts` keeps every command below.
 */
export const messageBytesMax = 128 * mebibyte;

/** With this much unsent, `isReady` says no: more would only wait in memory. */
export const readyBytesMax = 4 * mebibyte;

/**
 * With this much unsent, a message is dropped: above `readyBytesMax` by far, so that heartbeats still pass. One that is longer than
 * what is between the two goes while the way is ready, by itself.
 */
export const unsentBytesMax = 21 * mebibyte;

/**
 * How far the sender may run ahead of the reader. HTTP/2 starts with 64 KiB, which lets 64 KiB pass in each round trip: 64 MB/s
 * at 1 ms, 0.6 MB/s at 100 ms. With 8 MiB a way of 60 ms carries more than a gigabit.
 */
export const streamWindowBytes = 8 * mebibyte;
/** Of a connection, which has one stream; above its window, so that it is never the narrower one. */
export const connectionWindowBytes = 16 * mebibyte;

/** How often each side looks after a way, and says something on it if it said nothing since. */
export const beatMs = 200;
/** From whom not a byte came for this long is gone: five beats were missed. */
export const silenceMsMax = 1_000;
/** From the first packet to the introduction: some round trips and two signatures. */
export const handshakeMsMax = 2_000;

export const redialMsMin = 50;
export const redialMsMax = 1_000;
/** A way that held this long begins again with the shortest wait when it is lost. */
export const steadyMsMin = 1_000;

/** A way for copies that none was sent over for this long is given up; longer than a member waits before it asks again. */
export const copyIdleMsMax = 15_000;

/** Of other members and of those who should not be here; a group has five voters and some learners. */
export const connectionCountMax = 128;
/** Over which calls are passed on: one a node and one a stream, of which a data listener takes as many. */
export const callConnectionCountMax = 10_000;
/** One is used; the rest are refused one by one. */
export const streamCountMax = 4;
export const headerBytesMax = 16_384;

/** What members that leave give their last messages to be sent. */
export const closeGraceMs = 200;
