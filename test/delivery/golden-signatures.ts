// Signatures that were made with OpenSSL from texts written by hand after SNS's documents: `openssl dgst -sha256 -sign key.pem`. The
// key was made for this file and signs nothing else.

export const goldenKey = `-----BEGIN PRIVATE KEY-----
MIIEugIBADANBgkqhkiG9w0BAQEFAASCBKQwggSgAgEAAoIBAQDSy+JrZX50pEd9
wrYhpV8ga8Mzp0H2InSeQJ1TSVsKfM/UQPtDXb5LMZZpDSjOM8LT9IoEm2UBh6/c
7FX50tnRCEUtge5Fj96k9Ay3oNzwVZNQfMKBDL1mWGZUajoKBlwqzhNe3hoUFgc/
uCKa3cfaPBQl/HFM0+QZOnKTjpS+js2thWj7rQnGBPL+Wdmotdd24DnWJbl4HsF4
b/2Q9t3k1Yxp1YvN+ACQuo0czjlMPwwdZSER6+06pnkaolyfiskL0fO4ZMtt4tPa
MiE2h4Y7bRPHJ6Ej9sVc5ZUdtjx+pBY5gPdUVSZQvSTqYKiBbsZ15QVtKoff0NcO
5xq//48JAgMBAAECgf9OSVLo1bVjGIibVtfol35bxkT6oE4wfDaNh6gM9Qa32oOy
FlEMLBYAO/IYrOWdn7LeoBYG7ZBL9YkREuNH8IbdRbUGkpupUUU0JKVeKGPliLvU
FSw295etT7rA3R9T514dMkTQ26PjTe32qM0aBIICMZtpC8ibtDUGUF0tjvEbpRnd
i9lZVQZmU6wSGNz9pWPnMwO1CnDVMaSR3rZN7dlbqTtvHT5hIrT6hOMhv+60z7pi
OCGnGtcFM+rBKIUNFxmiK0hMLRnydJ+HwNcWQIz1+GyIOJZwOW8U9YDLoo7n+vQo
K5sPt+j3mxsc8kdvRS2kcYJ9P4Iu5F/zBnMCdscCgYEA9liTq34AWdf5FzKB6QGt
JRjGHV7Hysx4nQ04u3+7YS3qvNuqUzlSiLx1MXPNeIJSxRuD99kZ20HKw/g//p0I
KoRFckNShnAN3uMD+TbqhnNppGT28qgtFFpVJeoqsDjkFI9dAhTntT+mTin+AMrG
QRyEh8dtAFRdp4jrlKOuvPMCgYEA2w6ppWBiXlLthCevuqVBMbmnXh2L9fJF2IUr
PTEU41x797qaKJr3+K87EkSulBJK5hRB7l7RpCLtVlsX08woimKtkthRsfRLm9zU
9L07p536E5V9QtcblpCpilbzuqESbRSSVzBbhvblRyDZ8y5332DXaXieU22meWzq
vnBYkxMCgYBssw0F4OVav3fECp9UJ081TUct8oKKM8sM0aa05VnTOaWYi/0OF/8Z
Ir87gPOrNyY6nzeOB5fnLZLBAiuKt9PAnvjdwGMLuyoDrXw1XUwC4647welNjXPG
xU1JG5iWhaPuhovtvTe4vEsvtkvEIbV1SZYZK6AnQxLIOBxrTAZwjQKBgBVzwCVT
5Q47rMruYAU1Pccy2TMcTaKOUUy87dkWP2dsnS9LdOFZG8Oc1Xoag8Y4bGFPxo0j
eABM81Uroo+5RJcYxsrEqGt28xiWbbxx86+chur4DsZG7oq2LARCM6gpMfbAtvwW
3j+/WgC3NODdwht8Dlxj1Y1yBYWKpwpzUhlFAoGAWM8g83aatNlHCGiD7zn9yQZB
lKzjCZdTBW5YI/I7LCjrZmvLpLQJEfcKZgF44uwXiiBcWXo8VIxMM0dgCCHDqcbG
NcL6Zv766FTF7bd/MExJBetBkwQKZi+bzNu0e4mZcA6cMRx323gd+pjwjm6hx3Qb
goxjFIDpJtBbarObzCw=
-----END PRIVATE KEY-----
`;

interface GoldenSignature {
  readonly name: "notification" | "withoutSubject" | "confirmation" | "ending";
  readonly version: 1 | 2;
  /** Base64. */
  readonly signature: string;
}

export const goldenSignatures: readonly GoldenSignature[] = [
  {
    name: "notification",
    version: 1,
    signature:
      "vDIIYAPsbskgIvuUgBLwl4v69+zrZkhF/d4Qn1CVMiVifqq2J3pKRAYiWUZ7WIpzUMR7YUl/eszk5Z2PPavpFPzMOKBJC0tpF0Y7JERnp+UUBeqNpmv8DcJHPwFykA/rztegrGRQgXoiJXU2maKrxfJSKscfCoopuyJrvnBCwSIbkAu6zlZtBCaySHetIKDy+mxFZ/1hdkLUkadPKEPdDMCkjFrjC+FssXCV5yJTjrkE5VQ+2wnbPyi4eC5lcER+52MaK5sV/ap0Jz8fMr8w0Aay2rg6BGkJDYkduHPaq+RQG7Q9PSqnQNMtw2goI2WtRYwg+bB3+pBcQ5KsfivBqQ==",
  },
  {
    name: "notification",
    version: 2,
    signature:
      "YyCaTXZrhWV2PB7/1jc1NpOwIlol6zYvZ59gT+xs2p8vfI9xOkcp5CTAneTf88FNDB0tavc/wViFzjyTdtMxpakAygvukFaXcxr1N0dkU3E7oLk9bVJT6idLBZJkXrbhtfwOWGu5+Tstf1LFt6Qyl4xtQU1J/i1o8J9ELzaXmD5uYm0UhL4b08aBdN8F5Z8Sx8Kak/tQMM/MmakeuYPgeyd1oV2X9qcwXQMwYHrCDU94TZnRpIdkMVPh281p5wJewwqL146d2h99UcVEfWUXEBRz99DbwKFoN8zED3caMIBDpVT07hi612iugeV8Mvk4v8Cvpk0ISzetWi8x+h/d2A==",
  },
  {
    name: "withoutSubject",
    version: 1,
    signature:
      "iNKDWRkFZDMSkn2mgC0RvT3XMU5jHu+KypSwzPVZpXwgUy/VEGRVuyRcIJJSRevq5KgVxn0ZQ4FP/e8RdN16cLYlIuQfLJdxAlBXMelbuC8YuTSHVh2NA275T4BFGzNVc0OXYNdwenrm9L6kZH/CR6hFXSGK3SO06kXcTLUqPQ8sPJcKrnk8t1Qzis4HLGhTZNTc4DOB//2I321ErzK9ObCij8oOqfCBSWvQExRNvhb7E1cJcML0Nrlwfj9tw74txDVMQnM1tjDgWLKzXrvYtosKbzx4Gs3i31rSXHH2TkDNhG2fQTwmfNr8g1FxUpvzhztlJ928lcE5vnaMPHwyQA==",
  },
  {
    name: "withoutSubject",
    version: 2,
    signature:
      "N/PhE/hLckeLYvoSIh6LvDASX8H+OUy9Q0ALRv41piqgFILr2ucedqXUd3E8D927ychCTuqcdaMFlkAsGfkMfi8Q/lMDYsdYq166DvneHj35KEWKNZ+9iz+wBGu3Y1jnKhzdguAFqYVupIlrLgj3Xd41Lllmmv+3gqil+IJyZq8CMvoXbkhFYhpdRBWjKZ1EjU/W2ocx/ElT+3zZ8vlEF8i2HXv+hcuDcaH332pag6TTqS+Mx6W5vf2q37bYVWpxLMko6Qu3dc0/ujNfjnGUr5nBiHR8Zdoxwn3mTXC+Cg8b8suw23REoTXw+293O6xsPlsFTtmah4EukMnYPN92jQ==",
  },
  {
    name: "confirmation",
    version: 1,
    signature:
      "eJiZ2QDNOMouMq98HILviV90W5KHHpyqv48BYCUO7PzLSuyPizPEXZhm1Lw0ZDF4UWDz0dM1fcL700y+SrSnO+bHLoXhOHgIUbarc3L5ctAsBT5BQtnLRDVlY7OCeyWqG+T24qgB1SllEWxTmp5k8jzXurA1C9nPnX+bJLPZhgGDPqiDSstgpdJdSkXzBRdq8gmEW42ln65MzbS/VMc+15iRbNE0Qqy7XA6NQYYRCmR1vDzhPKagUxaPxSMrYinH2QkXqV68eHDgaId4t/a1/6SG3qMaxO8HsDvl7g080ROvDTyq9G2z9QJoyLWZcPJ9svMkof/NVGzheOQlo5G0Lw==",
  },
  {
    name: "confirmation",
    version: 2,
    signature:
      "AfFwcB4/MMvAwxPJgBNg7j/oBdGrCbVLfN7UMuW0v2xg2N0jPsg87DazEm6CNA0sK1Pbee5GM3bK5DF+wMTJX9JP0jkZs+hwESpqeP/aRB58mgFypMagvmL+e8z8vURzWk2Fb8g+xAd5cmCufprD8n/KiU4Gt0fzlDoIS54vucsD8aeO+tOc2/ZfSjfUW43AtBg2nsLHuQIqaNcGWlDj3bPdY6xKX9WEg/kjkTm583mwSvZ8h0xxolucPvE2QilZPeuiYWgHAKnltD/thyA3+bBwSJyXE88oJlt60yBwDN25oz9yw6JvSTN4Wx1/ubLHxq174bGE2OeYp1PbafXsnw==",
  },
  {
    name: "ending",
    version: 1,
    signature:
      "UCClFt69oPLckZE66pYdn/BjR7Nsq6JBbNU3JbDGf8oa6CpVBuGDRFD5tJika+1HB7jqog1VLNJRJTpTkA/oMvvti8qPD4vG113CD8/mA0qDor0KYB4jvcDZWCX0OUzfMEb6NxposFJDGNSLC1uFt2Rznn3OYENbuqbR29irqpMa7MKXjrOfrOTcsqyZTgvevnzxkQYeWlkitO1vTPMxSM5YjFQ8i3vEHk/RjdtjaoOySjvy/Kz3z2UYWFoaqK0vgTxzqRAra0oZTZt2WeiDFfAgBcRp/KKFGcCcfaYh3fAFQ9/eNXUH3TjBSxa3wJkcaEZpLSZTSvyqm9qbZMs05g==",
  },
  {
    name: "ending",
    version: 2,
    signature:
      "hnk7yUtyMYfG2PQxDrn5t+12wSmKTioOBb/paIQQA0CjtdKpqkXeGG9C7Rw72dM4bUlj+ifDSxgYzhhDArMTfYPki1LvlyQ4lNIAQsBlvQcX+n9qc2rYB8ah3GOOokS0lfqsPDhBUU8RA3LcXtCGzecx2Nqi0miWdqHSH645NVXpZngY5vkQzGAWjfMCgyVQe1ZmCQ34q/vgSurTPnRgRxXv/sq/lBNvS+ZQgzQcjKBfQwGPQxYnfW6802wzdSjfBGALwisq8GWNAwzmQE5QnQtt8anzsUUo1x87V42qXU8hOxuL7o8url6owfSWRKuVoLzNvIaZpby/v05CneUWhQ==",
  },
];
