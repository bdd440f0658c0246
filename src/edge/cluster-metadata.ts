// The keys of metadata by which nodes of a cluster, and clients of one, tell each other where they stand. They are part of the
// contract: queue_service.proto describes those that callers see.

/** In a call that another node passed on: it is not passed on again. */
export const forwardedKey = "forebay-forwarded";
/** In a call: how many zones must have its effect on disk, `quorum` or `all`. */
export const acksKey = "forebay-acks";
/** In an answer: where the node that leads takes calls. */
export const leaderKey = "forebay-leader";
/** In an answer: up to where the state is that it was given from. */
export const positionKey = "forebay-position";
/** In an answer: how many voters had its effect on disk. */
export const durableZonesKey = "forebay-durable-zones";
