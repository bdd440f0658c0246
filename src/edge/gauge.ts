// A number that is looked up when somebody scrapes, never kept.

import { Gauge, type Registry } from "prom-client";

/** A gauge that is set anew at each scrape. */
export function gauge<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
  collect: (metric: Gauge<Label>) => void,
): void {
  new Gauge({
    name: `forebay_${name}`,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      collect(this);
    },
  });
}
