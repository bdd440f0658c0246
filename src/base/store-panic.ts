// What a read is told between a failed commit and the end of the process that follows from it: LMDB (mdb.c, MDB_PANIC) refuses
// every read once it could not write its meta page, and the commit's own failure comes to us some milliseconds later.

/** Whether a read failed because a commit before it did, whose own failure is about to end the process. */
export const isStorePanic = (error: unknown): boolean =>
  error instanceof Error && error.message.includes("MDB_PANIC");
