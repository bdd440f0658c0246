// Instants as dates of the calendar. Made from numbers, so no time is read here, which is the clock's alone.

import type { EpochMs } from "./brands.js";

export const dateAt = (milliseconds: number): Date => Reflect.construct(Date, [milliseconds]);

/** As `2030-01-01T00:00:00.000Z`. */
export const instantText = (instant: EpochMs): string => dateAt(instant).toISOString();
