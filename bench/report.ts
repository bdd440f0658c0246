// What a measurement found, as a table for people and as JSON for programs.

import Table from "cli-table3";
import type { Comparison } from "./rounds.js";

export interface Row {
  /** What was measured, as `SendMessage, 256 in flight`. */
  readonly name: string;
  readonly figure: number;
  readonly unit: string;
  /** What it is compared with, as `no-op`, and that one's figure. */
  readonly peer?: { readonly name: string; readonly figure: number };
  /** The figure by the peer's: median of the rounds, smallest and largest. */
  readonly ratio?: { readonly median: number; readonly min: number; readonly max: number };
  readonly target?: Target;
  /** CPU time of the server for each operation, in microseconds. */
  readonly cpuMicros?: { readonly ours: number; readonly peers: number | undefined };
}

/** What the figure, or its ratio, should be. */
export type Target =
  | { readonly of: "ratio"; readonly atLeast: number }
  | { readonly of: "figure"; readonly below: number };

export interface Measured {
  /** As `--only` takes it. */
  readonly measurement: string;
  readonly rows: readonly Row[];
  /** What a reader should know beside the numbers, as that a peer is not installed. */
  readonly notes: readonly string[];
}

/** A rate beside a peer's. */
export function rateRow(
  name: string,
  unit: string,
  peer: string,
  compared: Comparison,
  atLeast?: number,
): Row {
  return {
    name,
    figure: compared.perSecond,
    unit,
    peer: { name: peer, figure: compared.peerPerSecond },
    ratio: { median: compared.ratio, min: compared.ratioMin, max: compared.ratioMax },
    ...(compared.cpuMicros !== undefined && {
      cpuMicros: { ours: compared.cpuMicros, peers: compared.peerCpuMicros },
    }),
    ...(atLeast !== undefined && { target: { of: "ratio", atLeast } }),
  };
}

function isMet({ target, ratio, figure }: Row): boolean | undefined {
  if (target === undefined) return undefined;
  return target.of === "ratio"
    ? ratio !== undefined && ratio.median >= target.atLeast
    : figure < target.below;
}

export function tableOf(all: readonly Measured[]): string {
  const table = new Table({
    head: [
      "measurement",
      "figure",
      "unit",
      "beside",
      "ratio (range)",
      "server CPU us/op",
      "target",
      "",
    ],
    colAligns: ["left", "right", "left", "left", "left", "left", "left", "left"],
    style: { head: [], border: [], compact: true },
  });
  for (const row of all.flatMap(({ rows }) => rows)) {
    const { peer, ratio, cpuMicros } = row;
    const met = isMet(row);
    table.push([
      row.name,
      numberText(row.figure),
      row.unit,
      peer === undefined ? "" : `${peer.name} ${numberText(peer.figure)}`,
      ratio === undefined
        ? ""
        : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`,
      cpuMicros === undefined ? "" : cpuText(cpuMicros),
      targetText(row),
      met === undefined ? "" : met ? "met" : "NOT MET",
    ]);
  }
  return table.toString();
}

const cpuText = ({ ours, peers }: NonNullable<Row["cpuMicros"]>): string =>
  peers === undefined ? ours.toFixed(0) : `${numberText(ours)} / ${numberText(peers)}`;

function targetText({ target, unit }: Row): string {
  if (target === undefined) return "";
  return target.of === "ratio" ? `ratio >= ${target.atLeast}` : `< ${target.below} ${unit}`;
}

/** Three significant digits are more than these measurements can promise. */
const numberText = (value: number): string =>
  value >= 1_000 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3)).toString();

export function jsonOf(all: readonly Measured[], about: object): string {
  const measurements = all.map(({ measurement, rows, notes }) => ({
    measurement,
    notes,
    rows: rows.map((row) => ({ ...row, isMet: isMet(row) })),
  }));
  return `${JSON.stringify({ ...about, measurements }, undefined, 2)}\n`;
}
