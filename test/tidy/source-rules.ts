// What the source promises about itself and no other tool checks: time, randomness, ids and settings each
// enter in one file (so that a run with the same seed is the same run), every file opens with its concept, and
// no work is left as a note in the code. tidy.test.ts applies these rules; guards.test.ts plants violations.

import ts from "typescript";

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly complaint: string;
}

interface Ban {
  /** What must not be written, as it would be written. */
  readonly what: string;
  readonly matches: (node: ts.Node) => boolean;
  readonly home: RegExp;
  readonly instead: string;
}

const clockHome = /^src\/base\/clock\.ts$/;
const chanceHome = /^src\/base\/(?:random|ids)\.ts$/;
const settingsHome = /^src\/config(?:\.ts$|\/|-[a-z-]+\.ts$)/;

const time = "the Clock of src/base/clock.ts";
const chance = "Random or Ids of src/base";

const bans: readonly Ban[] = [
  ban("Date.now", isMember("Date", "now"), clockHome, time),
  ban("new Date", isNew("Date"), clockHome, time),
  ban("performance.now", isMember("performance", "now"), clockHome, time),
  ban("process.hrtime", isMember("process", "hrtime"), clockHome, time),
  ban("setTimeout", isName("setTimeout"), clockHome, time),
  ban("setInterval", isName("setInterval"), clockHome, time),
  ban("node:timers", isImportOf(/^(?:node:)?timers(?:\/|$)/), clockHome, time),
  ban("Math.random", isMember("Math", "random"), chanceHome, chance),
  ban("randomUUID", isName("randomUUID"), chanceHome, chance),
  ban("randomBytes", isName("randomBytes"), chanceHome, chance),
  ban("getRandomValues", isName("getRandomValues"), chanceHome, chance),
  ban("process.env", isMember("process", "env"), settingsHome, "the settings of src/config"),
];

/** The bans of one file of src. Reads the syntax tree, so comments and strings may say the words. */
export function bannedIn(path: string, text: string): Violation[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const violations: Violation[] = [];
  const visit = (node: ts.Node): void => {
    for (const { what, matches, home, instead } of bans) {
      if (home.test(path) || !matches(node)) continue;
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      violations.push({ path, line: line + 1, complaint: `${what}: use ${instead}` });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return violations;
}

/** A file begins with a comment that says what it is, before the first import. */
export function headerOf(path: string, text: string): Violation[] {
  const body = text.replace(/^#!.*\n/, "");
  if (/^\s*(?:\/\/|\/\*\*?)[^\S\n]*\S/.test(body)) return [];
  return [{ path, line: 1, complaint: "begin with a comment that says what this file is" }];
}

/** Unfinished work belongs in the tracker. (The odd pattern keeps this file from finding itself.) */
export function notesIn(path: string, text: string): Violation[] {
  return text.split("\n").flatMap((content, index) => {
    const note = /\b(?:TO{1}DO|FIX{1}ME|XX{1}X|HAC{1}K)\b/.exec(content);
    return note === null
      ? []
      : [{ path, line: index + 1, complaint: `${note[0]}: do it, or write it where work is kept` }];
  });
}

function ban(what: string, matches: Ban["matches"], home: RegExp, instead: string): Ban {
  return { what, matches, home, instead };
}

/** `object.member`, `object["member"]`, `globalThis.object.member`, and `{ member } = object`. */
function isMember(object: string, member: string): Ban["matches"] {
  const isObject = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && node.text === object) ||
    (ts.isPropertyAccessExpression(node) && node.name.text === object);
  const isBinding = (node: ts.Node): boolean =>
    ts.isBindingElement(node) && (node.propertyName ?? node.name).getText() === member;
  return (node) => {
    if (ts.isPropertyAccessExpression(node)) {
      return node.name.text === member && isObject(node.expression);
    }
    if (ts.isElementAccessExpression(node)) {
      const { argumentExpression: key, expression } = node;
      return ts.isStringLiteralLike(key) && key.text === member && isObject(expression);
    }
    if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
      const { initializer, name } = node;
      return initializer !== undefined && isObject(initializer) && name.elements.some(isBinding);
    }
    return false;
  };
}

function isNew(name: string): Ban["matches"] {
  return (node) =>
    ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === name;
}

/** The global by its name, called, passed on or imported; not a property or parameter that shares it. */
function isName(name: string): Ban["matches"] {
  return (node) => {
    if (!ts.isIdentifier(node) || node.text !== name) return false;
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent)) {
      // `this.clock.setTimeout` is someone's method; `globalThis.setTimeout` and `crypto.randomUUID` are not.
      return (
        parent.name !== node || /^(?:globalThis|global|crypto)$/.test(parent.expression.getText())
      );
    }
    const isDeclaration =
      ts.isPropertySignature(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isPropertyDeclaration(parent) ||
      (ts.isPropertyAssignment(parent) && parent.name === node);
    return !isDeclaration;
  };
}

function isImportOf(module: RegExp): Ban["matches"] {
  return (node) =>
    (ts.isImportDeclaration(node) &&
      ts.isStringLiteral(node.moduleSpecifier) &&
      module.test(node.moduleSpecifier.text)) ||
    (ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments.some(
        (argument) => ts.isStringLiteral(argument) && module.test(argument.text),
      ));
}
