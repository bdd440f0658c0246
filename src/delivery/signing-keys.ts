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

  async #read(): Promise<readonly KeptSigningIdentity[]> {
    const decision = await this.#parts.engine.execute({
      name: "ReadSigningIdentities",
      bytes: 0,
      isGrowing: false,
      decide: decideReadSigningIdentities,
    });
    return decision.kind === "accepted" ? decision.outcome : [];
  }

  /** PEM, by the name it is served under. */
  async certificate(name: string): Promise<string | undefined> {
    const kept = await this.#read();
    const { served } = signingState(kept, this.#parts.clock.now());
    return served.find(({ certificate }) => certificateName(certificate) === name)?.certificate;
  }
}
