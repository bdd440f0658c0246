// The keys that messages are signed with, as they are kept: a new one is added, and those go that are served no more. Which those are
// is decided by who knows of certificates (`delivery/signing-identity.ts`).

import type { EpochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { KeptSigningIdentity } from "./push-model.js";
import type { TopicDecided } from "./rejections.js";
import type { StateTransaction } from "./view.js";

export const decideReadSigningIdentities = ({
  topics,
}: StateTransaction): TopicDecided<readonly KeptSigningIdentity[]> =>
  accept([...topics.pushes.signingIdentities()]);

export interface KeepSigningIdentities {
  readonly added: KeptSigningIdentity;
  readonly gone: readonly EpochMs[];
}

/** Answers with those that are kept. */
export function decideKeepSigningIdentities(
  { topics }: StateTransaction,
  { added, gone }: KeepSigningIdentities,
): TopicDecided<readonly KeptSigningIdentity[]> {
  topics.pushes.putSigningIdentity(added);
  for (const madeAt of gone) topics.pushes.removeSigningIdentity(madeAt);
  return accept([...topics.pushes.signingIdentities()]);
}
