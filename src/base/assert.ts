// Assertions that stay on in production. An invariant that does not hold is a bug: in the store and the engine it ends the
// process, since a crash is safe and wrong data is not.

/** Thrown by `assert`: a bug of ours, never the caller's fault. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/** Throws unless `condition` holds; `invariant` is the sentence that should have been true. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new InvariantViolation(`Invariant violated: ${invariant}.`);
}
