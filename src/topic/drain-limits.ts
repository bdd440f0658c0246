// Bounds of draining. Ours.

export const drainLimits = {
  /** Draining topics that one step looks at. */
  topicsMax: 100,
  /** Subscriptions that one step looks at, of all of these; one that has everything is looked at once. */
  subscriptionsMax: 1_000,
} as const;
