// The keys that this server signs with, kept in its store: made when the first message is to be signed, renewed after a year, and
// their certificates served as long as somebody may verify with them. In a cluster all nodes have the same.

import type { Clock } from "../base/clock.js";
import type { Random } from "../base/ids.js";
import type { Engine } from "../engine/engine.js";
import type { KeptSigningIdentity } from "../topic/push-model.js";
import { decideKeepSigningIdentities, decideReadSigningIdentities } from "../topic/push-signing.js";
import {
  certificateName,
  makeSigningIdentity,
  type Signer,
  type SigningIdentity,
  signerOf,
  signingState,
} from "./signing-identity.js";

export interface SigningKeysParts {
  readonly engine: Pick<Engine, "execute">;
  readonly clock: Clock;
  readonly random: Random;
  readonly publicBaseUrl: string;
}

export class SigningKeys {
  readonly #parts: SigningKeysParts;
  /** As they are kept; undefined: not read yet. */
  #kept: readonly KeptSigningIdentity[] | undefined;
  #current: { readonly identity: SigningIdentity; readonly signer: Signer } | undefined;
  /** Under way. */
  #making: Promise<Signer> | undefined;

  constructor(parts: SigningKeysParts) {
    this.#parts = parts;
  }

  /** What signs now. Rejects as the engine does. */
  signer(): Promise<Signer> {
    const current = this.#current;
    const isDue =
      current === undefined ||
      signingState([current.identity], this.#parts.clock.now()).isRenewalDue;
    if (!isDue) return Promise.resolve(current.signer);
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #make(): Promise<Signer> {
    const { engine, clock, random } = this.#parts;
    this.#kept ??= await this.#read();
    let state = signingState(this.#kept, clock.now());
    if (state.isRenewalDue) {
      const added = await makeSigningIdentity(clock.now(), random);
      state = signingState([added, ...this.#kept], clock.now());
      const stays = new Set(state.served.map(({ madeAt }) => madeAt));
      const gone = this.#kept.map(({ madeAt }) => madeAt).filter((madeAt) => !stays.has(madeAt));
      const decision = await engine.execute({
        name: "KeepSigningIdentities",
        bytes: 8_192,
        isGrowing: true,
        decide: (transaction) => decideKeepSigningIdentities(transaction, { added, gone }),
      });
      if (decision.kind === "accepted") this.#kept = decision.outcome;
    }
    const identity = state.current;
    if (identity === undefined) throw new Error("There is no key to sign with.");
    const signer = signerOf(identity, this.#parts.publicBaseUrl);
    this.#current = { identity, signer };
    return signer;
  }

  /** PEM, by the name it is served under. */
  certificate(name: string): Promise<string | undefined> {
    return keptCertificate(this.#parts, name);
  }

  #read(): Promise<readonly KeptSigningIdentity[]> {
    return readIdentities(this.#parts.engine);
  }
}

/** PEM, by the name it is served under; also where nobody signs, as on a node that follows. */
export async function keptCertificate(
  { engine, clock }: Pick<SigningKeysParts, "engine" | "clock">,
  name: string,
): Promise<string | undefined> {
  const { served } = signingState(await readIdentities(engine), clock.now());
  return served.find(({ certificate }) => certificateName(certificate) === name)?.certificate;
}

async function readIdentities(
  engine: SigningKeysParts["engine"],
): Promise<readonly KeptSigningIdentity[]> {
  const decision = await engine.execute({
    name: "ReadSigningIdentities",
    bytes: 0,
    isGrowing: false,
    decide: decideReadSigningIdentities,
  });
  return decision.kind === "accepted" ? decision.outcome : [];
}
