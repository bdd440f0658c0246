// How large a filter may be. The numbers are those of Amazon SNS (developer guide, "Filter policy constraints", 2026), given from
// outside since users find them too small or too large.

export interface FilterLimits {
  /** Of the text, as UTF-8. */
  readonly bytesMax: number;
  /** Distinct paths that hold conditions. At most `filterKeysCeiling`. */
  readonly keysMax: number;
  /** Conditions times depth, multiplied over keys that must hold together. It also bounds into how many rules `$or` unfolds. */
  readonly combinationsMax: number;
  /** `*` in one pattern. */
  readonly patternStarsMax: number;
  /** A pattern of one `*` has 1 point, of more 3 each; a key has the sum of its patterns' times their number. */
  readonly wildcardPointsMax: number;
}

export const filterLimits: FilterLimits = {
  bytesMax: 262_144,
  keysMax: 5,
  combinationsMax: 150,
  patternStarsMax: 3,
  wildcardPointsMax: 100,
};

/**
 * Values of a body, or of the lists among a message's attributes, that filters look at; ours. Objects and arrays count too, and
 * pieces of names between dots. A megabyte of brackets or of names would take the one thread that decides half a second; so many
 * take some hundredths. With more, a body is as one that is no JSON, and an attribute as one that is not what its type says.
 */
export const judgedValuesMax = 20_000;

/** The most keys a setting may allow: twice as many are one set of bits where arrays are judged. */
export const filterKeysCeiling = 15;
