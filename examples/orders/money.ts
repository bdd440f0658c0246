// Amounts of money, exact: whole numbers of thousandths of a pound, as bigints. Prices in the files have up to three
// decimals, and a sum of floating-point numbers would depend on the order in which three workers happen to add them.

/** An amount in thousandths. */
export type Thousandths = bigint;

/** @throws Error if the text is no decimal number, or has more than three decimals. */
export function parseAmount(text: string): Thousandths {
  const [, sign, whole, decimals = ""] = /^(-?)(\d+)(?:\.(\d{1,3}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new Error(`"${text}" is no amount of up to three decimals.`);
  const thousandths = BigInt(whole + decimals.padEnd(3, "0"));
  return sign === "-" ? -thousandths : thousandths;
}

/** Two decimals, or three where they are needed: `-1234.50`, `0.001`. */
export function formatAmount(amount: Thousandths): string {
  const digits = String(amount < 0n ? -amount : amount).padStart(4, "0");
  const decimals = digits.slice(-3).replace(/0$/, "");
  return `${amount < 0n ? "-" : ""}${digits.slice(0, -3)}.${decimals}`;
}
