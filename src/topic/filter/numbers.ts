// Numbers as filters compare them: rounded half to even at five decimals, as whole hundred-thousandths. Up to a billion, the most a
// filter may name, these are integers that a double holds exactly.
//
// Every number, of a filter, an attribute or a body, goes through the double nearest to its text, so one text always equals
// itself. What a double prints shortest is what was written, as far as 15 digits, and that decimal is rounded, not the double:
// 1.000005 is a tie although no double is.

/** The largest number that a filter may name (SNS: from minus to plus a billion). */
export const filterNumberMax = 1e9;

const scale = 1e5;
const decimals = 5;
/** An error of the product is far smaller: a hundredth, at the largest. */
const tieMargin = 0.1;

/** The number in hundred-thousandths. Beyond what a filter may name it is not rounded: all that counts is which side it is on. */
export function scaled(value: number): number {
  const product = value * scale;
  if (Math.abs(value) > filterNumberMax) return product;
  const lower = Math.floor(product);
  const isNearTie = Math.abs(product - lower - 0.5) < tieMargin;
  // Adding zero makes zero of minus zero.
  return (isNearTie ? roundedDecimal(value) : Math.round(product)) + 0;
}

/** Half to even, from the digits. Numbers near a tie are at least 4e-6 and at most 1e9, so none is printed with an exponent. */
function roundedDecimal(value: number): number {
  const [whole = "", fraction = ""] = String(Math.abs(value)).split(".");
  const kept = Number(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
  const rest = fraction.slice(decimals);
  const isUp = rest > "5" || (rest === "5" && kept % 2 === 1);
  return Math.sign(value) * (isUp ? kept + 1 : kept);
}

const numeral = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The number that an attribute's text is; undefined when it is none. */
export const numberOf = (text: string): number | undefined =>
  numeral.test(text) ? Number(text) : undefined;
