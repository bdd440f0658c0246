// Why a call on channels is refused: data, not exceptions.

import type { Decided } from "../../queue/rejections.js";

export type ChannelRejection =
  | {
      readonly kind: "channel_limit" | "pattern_limit" | "subscriber_limit";
      readonly limit: number;
    }
  /** For another message that is still in the ring. */
  | { readonly kind: "channel_request_reused"; readonly requestId: string };

export type ChannelDecided<Outcome> = Decided<Outcome, ChannelRejection>;
