// The address of a listener as settings write it: `127.0.0.1:7400`, `[::1]:7400`, `localhost:0`.

import { isIP } from "node:net";

export interface Address {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Undefined when the text is no address. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  if (host === undefined || port > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port };
}

export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only programs on this machine can reach it. */
export function isLoopback({ host }: Address): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
