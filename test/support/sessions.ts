// Sessions in a test's words, over the connection of a scenario.

import { SessionServiceDefinition } from "../../src/gen/forebay/cache/v1/session_service.js";
import type { Served } from "./caches.js";

type Methods = typeof SessionServiceDefinition.methods;

interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

type SessionRequest<Method extends keyof Methods> = Parameters<
  Methods[Method]["requestType"]["fromPartial"]
>[0];
type SessionResponse<Method extends keyof Methods> = ReturnType<
  Methods[Method]["responseType"]["decode"]
>;

/** Calls a method of the session service, of the cache `default` unless the request says otherwise. */
export async function sessionCall<Method extends keyof Methods>(
  { client }: Served,
  method: Method,
  request: SessionRequest<Method>,
): Promise<SessionResponse<Method>> {
  const { name, requestType, responseType } = SessionServiceDefinition.methods[method];
  const part = { cache: "default", ...(request as object) };
  const full = (requestType.fromPartial as (part: unknown) => unknown)(part);
  const bytes = (requestType as Codec<unknown>).encode(full).finish();
  const answer = await client.raw(`/${SessionServiceDefinition.fullName}/${name}`, bytes);
  return (responseType as unknown as Codec<SessionResponse<Method>>).decode(answer);
}
