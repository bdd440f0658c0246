// Choices: words on this face, numbers on the wire.

/** The words of a generated enum, without the one that stands for none. */
export type Choice<Enum> = Exclude<keyof Enum, "UNSPECIFIED"> & string;

/** The word of a number; undefined when it stands for none, or is one that only a newer server knows. */
export function choiceOf<Enum extends Readonly<Record<string, number>>>(
  names: Enum,
  value: number | undefined,
): Choice<Enum> | undefined {
  // Most messages have no value of any choice; they pay for no search.
  if (value === undefined) return undefined;
  const found = Object.entries(names).find(([, number]) => number === value)?.[0];
  return found === undefined || found === "UNSPECIFIED" ? undefined : (found as Choice<Enum>);
}
