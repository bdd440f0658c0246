// What the store throws when stored bytes are not what they should be. It stands here so that the wire can name it without
// knowing the store.

/** Thrown when stored bytes are not what their checksum or layout says: never served, never skipped silently. */
export class RecordCorrupt extends Error {
  override readonly name = "RecordCorrupt";
  readonly key: string;
  readonly what: string;
  constructor(key: string, what: string) {
    super(`Stored value at key ${Buffer.from(key, "latin1").toString("hex")} is corrupt: ${what}.`);
    this.key = key;
    this.what = what;
  }
}
