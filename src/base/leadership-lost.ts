// The one word that the log of a group and the engine above it must both know: what becomes of a record whose leader went.

/** Another node leads, or may lead: what was not committed has an unknown outcome. */
export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}
