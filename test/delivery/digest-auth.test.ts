// Answers to challenges: the examples of RFC 7616, section 3.9.1, and challenges as servers write them.

import { expect, test } from "vitest";
import { digestAuthorization } from "../../src/delivery/digest-auth.js";

const mufasa = {
  user: "Mufasa",
  password: "Circle of Life",
  method: "GET",
  path: "/dir/index.html",
  clientNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
};
const common =
  'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';

test.each([
  ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
  ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
])("with %s as in the RFC's example", (algorithm, response) => {
  const challenge = `Digest ${common}, algorithm=${algorithm}`;
  expect(digestAuthorization({ ...mufasa, challenge })).toBe(
    `Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", algorithm=${algorithm}, qop=auth, nc=00000001, cnonce="${mufasa.clientNonce}", response="${response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
  );
});

test("of an old server, as in RFC 2069's example with its erratum", () => {
  const challenge =
    'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"';
  const answer = digestAuthorization({
    ...mufasa,
    challenge,
    password: "CircleOfLife",
  });
  expect(answer).toContain('response="1949323746fe6a43ef61f9606e7febea"');
  expect(answer).not.toMatch(/qop|cnonce|algorithm/);
});

test("the first challenge that can be answered is, among several and other schemes", () => {
  const challenge = `Basic realm="b", Digest ${common}, algorithm=SHA-512-256, Digest ${common}, algorithm=SHA-256, Digest ${common}, algorithm=MD5, Bearer realm="x"`;
  expect(digestAuthorization({ ...mufasa, challenge })).toContain("algorithm=SHA-256");
});

test.each([
  "",
  'Basic realm="b"',
  "Digest",
  'Digest realm="r"',
  'Digest realm="r", nonce="n", algorithm=MD5-sess',
  'Digest realm="r", nonce="n", qop="auth-int"',
])("%j is no challenge that can be answered", (challenge) => {
  expect(digestAuthorization({ ...mufasa, challenge })).toBeUndefined();
});

test("what belongs to a scheme that follows is not taken for the challenge's", () => {
  const challenge = 'Digest realm="r", nonce="n", Basic realm="b"';
  expect(digestAuthorization({ ...mufasa, challenge })).toContain('realm="r"');
});

test("quotes in a name or a realm do not end them", () => {
  const challenge = 'Digest realm="a \\"b\\"", nonce="n"';
  const answer = digestAuthorization({ ...mufasa, user: 'x", realm="y', challenge });
  expect(answer).toContain('username="x\\", realm=\\"y", realm="a \\"b\\"",');
  expect(digestAuthorization({ ...mufasa, user: "ü", challenge })).toBeUndefined();
});
