// Which addresses are a target: both sides of every range, and IPv4 in every clothing of IPv6.

import { BlockList } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AddressRules, judgeAddress } from "../../src/delivery/address-rules.js";
import {
  checkedAddresses,
  judgeTarget,
  ownListenersOf,
  refusalBeforeLookup,
} from "../../src/delivery/target-gate.js";
import { closedRules, networksOf } from "./receivers.js";

const closed: AddressRules = { allowed: [], ownListeners: [] };
const kindOf = (address: string, rules: AddressRules = closed): string =>
  judgeAddress(address, 443, rules).kind;

describe("without anything opened", () => {
  test.each([
    ["0.0.0.0", "0.255.255.255", undefined, "1.0.0.0"],
    ["10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
    ["100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
    ["127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
    ["169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
    ["172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
    ["192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"],
    ["192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"],
    ["192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"],
    ["192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
    ["198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
    ["198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"],
    ["203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"],
    ["224.0.0.0", "255.255.255.255", "223.255.255.255", undefined],
    ["168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"],
    ["::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", undefined, "2000::"],
    ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"],
    ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"],
    ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", "3fff:1000::"],
    ["4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff::", undefined],
    ["64:ff9b:1::", "64:ff9b:1:ffff::1", undefined, undefined],
    ["fc00::", "fdff::1", undefined, undefined],
    ["fe80::", "febf::1", undefined, undefined],
    ["ff00::", "ff02::1", undefined, undefined],
  ])("from %s to %s is blocked, and what is beside it public", (first, last, before, behind) => {
    expect(kindOf(first)).toBe("blocked");
    expect(kindOf(last)).toBe("blocked");
    if (before !== undefined) expect(kindOf(before)).toBe("public");
    if (behind !== undefined) expect(kindOf(behind)).toBe("public");
  });

  const clothes = {
    mapped: (hex: string) => `::ffff:${hex}`,
    "mapped and written as IPv4": (_hex: string, dotted: string) => `::ffff:${dotted}`,
    "behind NAT64": (hex: string) => `64:ff9b::${hex}`,
    "of 6to4": (hex: string) => `2002:${hex}::1`,
  };
  const hexOf = (dotted: string): string => {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  };

  test.each(Object.entries(clothes))("IPv4 %s is that IPv4", (_, dress) => {
    for (const bad of ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "0.0.0.0"]) {
      expect(kindOf(dress(hexOf(bad), bad)), bad).toBe("blocked");
    }
    expect(kindOf(dress(hexOf("93.184.215.14"), "93.184.215.14"))).toBe("public");
  });

  test.each(["::7f00:1", "::5db8:d70e", "::ffff:0:5db8:d70e", "2001:0:5db8:d70e::1"])(
    "%s is a way that no packet takes",
    (address) => {
      expect(kindOf(address)).toBe("blocked");
    },
  );

  test.each(["", "localhost", "fe80::1%eth0", "1.2.3", "0x7f.0.0.1", "1.2.3.4/32x", "::1::"])(
    '"%s" is no address',
    (address) => {
      expect(kindOf(address)).toBe("blocked");
    },
  );

  test("every IPv4 address is judged as Node's own BlockList judges it", () => {
    const list = new BlockList();
    const ranges =
      "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32";
    for (const range of ranges.split(" ")) {
      const [address = "", prefix] = range.split("/");
      list.addSubnet(address, Number(prefix), "ipv4");
    }
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(kindOf(address)).toBe(list.check(address, "ipv4") ? "blocked" : "public");
        expect(kindOf(`::ffff:${address}`)).toBe(kindOf(address));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("what an operator opens", () => {
  const allowed = networksOf("10.0.0.0/8", "fd00::/8");

  test("is a target, and what is beside it is not", () => {
    const rules = { ...closed, allowed };
    expect(kindOf("10.255.255.255", rules)).toBe("opened");
    expect(kindOf("::ffff:10.0.0.1", rules)).toBe("opened");
    expect(kindOf("fd00::1", rules)).toBe("opened");
    expect(kindOf("fc00::1", rules)).toBe("blocked");
    expect(kindOf("192.168.0.1", rules)).toBe("blocked");
  });

  test.each([
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
  ])("is never %s", (address) => {
    const rules = { ...closed, allowed: networksOf("0.0.0.0/0", "::/0") };
    expect(kindOf(address, rules)).toBe("blocked");
    expect(kindOf("127.0.0.1", rules)).toBe("opened");
  });

  test("is never where the server itself listens, in whatever clothes, but another port is", () => {
    const rules = {
      allowed: networksOf("127.0.0.0/8"),
      ownListeners: [{ address: "127.0.0.1", port: 7_400 }],
    };
    expect(judgeAddress("127.0.0.1", 7_400, rules).kind).toBe("blocked");
    expect(judgeAddress("::ffff:127.0.0.1", 7_400, rules).kind).toBe("blocked");
    expect(judgeAddress("127.0.0.1", 7_399, rules).kind).toBe("opened");
    expect(judgeAddress("127.0.0.2", 7_400, rules).kind).toBe("opened");
  });

  test("a public address is not a target either where the server listens on it", () => {
    const rules = { ...closed, ownListeners: [{ address: "93.184.215.14", port: 443 }] };
    expect(judgeAddress("93.184.215.14", 443, rules).kind).toBe("blocked");
    expect(judgeAddress("93.184.215.14", 8_443, rules).kind).toBe("public");
  });
});

test("a server that listens on all addresses listens on each of the machine's", () => {
  const interfaces = { lo: [{ address: "127.0.0.1" }], eth0: [{ address: "10.0.0.5" }] };
  const bound = [
    { address: "0.0.0.0", port: 7_400 },
    { address: "10.0.0.5", port: 7_401 },
  ];
  expect(ownListenersOf(bound, interfaces)).toEqual([
    { address: "127.0.0.1", port: 7_400 },
    { address: "::1", port: 7_400 },
    { address: "10.0.0.5", port: 7_400 },
    { address: "10.0.0.5", port: 7_401 },
  ]);
});

describe("schemes and ports", () => {
  const publicAddress = "93.184.215.14";
  const kind = (
    port: number,
    isSecure: boolean,
    rules: Partial<typeof closedRules> = {},
    address = publicAddress,
  ): string => judgeTarget(address, { port, isSecure }, { ...closedRules, ...rules }).kind;

  test("are https on 443 and 8443", () => {
    expect(kind(443, true)).toBe("public");
    expect(kind(8_443, true)).toBe("public");
    expect(kind(444, true)).toBe("blocked");
    expect(kind(22, true)).toBe("blocked");
    expect(kind(443, false)).toBe("blocked");
    expect(kind(80, false)).toBe("blocked");
  });

  test("are others by option", () => {
    expect(kind(22, true, { ports: "any" })).toBe("public");
    expect(kind(80, false, { ports: "any", isPlaintextAllowed: true })).toBe("public");
    expect(kind(80, false, { isPlaintextAllowed: true })).toBe("blocked");
    expect(kind(80, false, { ports: "any" })).toBe("blocked");
  });

  test("are any at an address that is opened", () => {
    const rules = { allowed: networksOf("10.0.0.0/8") };
    expect(kind(22, false, rules, "10.0.0.1")).toBe("opened");
    expect(kind(22, false, rules)).toBe("blocked");
  });
});

describe("a look-up", () => {
  const destination = { host: "hooks.example", isAddress: false, port: 443, isSecure: true };
  const found = (...addresses: readonly string[]) =>
    checkedAddresses(destination, {
      rules: closedRules,
      resolve: () => Promise.resolve(addresses),
    });

  test("hands on all addresses once, when all are good", async () => {
    const addresses = ["93.184.215.14", "2606:2800:21f:cb07::1", "93.184.215.14"];
    expect(await found(...addresses)).toEqual({
      kind: "addresses",
      addresses: ["93.184.215.14", "2606:2800:21f:cb07::1"],
    });
  });

  test("is refused for one bad address, wherever it stands among however many", async () => {
    const many = Array.from({ length: 100 }, (_, index) => `93.184.215.${index}`);
    expect((await found("10.0.0.1", ...many)).kind).toBe("blocked");
    expect((await found(...many, "10.0.0.1")).kind).toBe("blocked");
    const good = await found(...many);
    expect(good.kind === "addresses" ? good.addresses.length : 0).toBe(32);
  });

  test("of nothing is no look-up", async () => {
    expect((await found()).kind).toBe("unresolved");
  });

  test("is not made for an address, which is judged as it is", () => {
    const literal = { ...destination, host: "10.0.0.1", isAddress: true };
    expect(refusalBeforeLookup(literal, closedRules)).toContain("private");
    expect(refusalBeforeLookup({ ...literal, host: "93.184.215.14" }, closedRules)).toBeUndefined();
    expect(refusalBeforeLookup(destination, closedRules)).toBeUndefined();
  });
});
