/**
 * The source tree against the architecture: which way imports go, which files decide without
 * touching the world, and what is banned where. Each rule brings samples that it must catch and
 * samples that it must let pass, and is itself tested with them: a check that cannot fail is
 * worth nothing. Banned words are written in halves here, so that this file keeps its own rules.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const LINES_MAX = 300;

/** A file, and its text seen in four ways, each of the same length: what does not belong is blank. */
type Source = {
  path: string;
  text: string;
  /** Without comments, and without what is inside quotes and regular expressions. */
  code: string;
  /** Only what is inside quotes. */
  strings: string;
  comments: string;
  /** All but comments. */
  bare: string;
};

type Rule = {
  name: string;
  applies: (path: string) => boolean;
  find: (source: Source) => Finding[];
  /** Path and text of what the rule must find, once each. */
  catches: [string, string][];
  allows: [string, string][];
};
type Finding = { index: number; message: string };

const isTypeScript = (path: string) => path.endsWith(".ts") && !path.endsWith(".d.ts");
const isCommandLine = (path: string) => path.endsWith(".cli.ts");
const isIn = (path: string, ...folders: string[]) => folders.some((folder) => path.startsWith(`${folder}/`));
const isProduct = (path: string) => isTypeScript(path) && isIn(path, "worker", "objects", "schema");
const isObjectClass = (source: Source) => /\bextends DurableObject\b/.test(source.code);

const banned = (what: string, use: string): string => `${what} is banned here, use ${use}`;

/** Every match of a pattern in one view, with what to do instead. */
function matches(view: string, pattern: RegExp, use: string): Finding[] {
  return [...view.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map((match) => ({
    index: match.index,
    message: banned(match[0].trim().replace(/\s+/g, " "), use),
  }));
}

// --- imports ---------------------------------------------------------------------------------

const IMPORT =
  /\b(?:import|export)\b(?:[^;'"`]*?\bfrom)?\s*["']([^"']+)["']|\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g;

/** What a file imports of ours, as paths from the root; packages are not of interest. */
function importsOf({ path, bare }: Source): { target: string; index: number }[] {
  return [...bare.matchAll(IMPORT)]
    .map((match) => ({ specifier: match[1] ?? match[2] ?? "", index: match.index }))
    .filter(({ specifier }) => specifier.startsWith(".") || specifier.startsWith("/"))
    .map(({ specifier, index }) => ({ target: posix.join(posix.dirname(path), specifier), index }));
}

/** Why a file may not import another, or null. */
function importProblem(path: string, target: string): string | null {
  const [layer = ""] = path.split("/");
  if (isCommandLine(path) && isIn(target, "scripts")) return null;
  if (isIn(path, "worker/routes") && isIn(target, "worker/routes")) {
    return banned(`importing ${target}`, "a file of worker/ that both routes import");
  }
  if (isIn(target, layer, "schema")) return null;
  if (path === "worker/index.ts" && isIn(target, "objects")) return null;
  if (layer === "schema")
    return banned(`importing ${target}`, "what is in schema/, which knows nothing else");
  if (isIn(target, "objects")) return banned(`importing ${target}`, "the stubs of worker/authorities.ts");
  return banned(`importing ${target}`, `what is in ${layer}/ and schema/`);
}

// --- decisions -------------------------------------------------------------------------------

const HEADER = /^\s*\/\*\*[\s\S]*?\*\//;

const DECISIONS = ["family", "open-session", "refresh", "revoke", "expiry"].map(
  (name) => `objects/user-authority/${name}.ts`,
);

/** A file that decides: it says so in its header, exports a decision, or is one of the nouns. */
function isDecision({ path, text, code }: Source): boolean {
  if (!isProduct(path) || isCommandLine(path)) return false;
  if (/\bPure[.:]/.test(HEADER.exec(text)?.[0] ?? "")) return true;
  if (isIn(path, "objects") && /\bexport (?:async )?function decide[A-Z]/.test(code)) return true;
  return DECISIONS.includes(path) || (/^schema\/[^/]+$/.test(path) && path !== "schema/log.ts");
}

const IMPURE: [RegExp, string][] = [
  [/\b(?:async|await)\b/, "a synchronous function: a decision is one turn"],
  [/\bDate\.now\b|\bperformance\.now\b|\bnew Date(?!\s*\(\s*[^\s)])/, "the now that was passed in"],
  [/\bcrypto\b/, "arguments: a decision hashes nothing and makes no id"],
  [/\bfetch\b/, "arguments: a decision asks nobody"],
  [/\bconsole\b/, "the answer: the caller logs"],
  [
    /\b(?:SqlStorage|DurableObjectStorage|D1Database|KVNamespace)\b|\bsql\b|\.prepare\s*\(/,
    "arguments: state.ts reads and writes",
  ],
];
const STATEMENT = /\b(?:SELECT|INSERT|UPDATE|DELETE|REPLACE)\s+(?!TABLE)/;

// --- turns -----------------------------------------------------------------------------------

/** Methods that take what is to be done in a turn: its parameter is called `decide`. */
const TURN_TAKER = /(#\w+)\s*(?:<\w+>)?\((?:[^()]|\([^()]*\))*?\bdecide:\s*\(/g;

/** The arguments of every turn: each must run to its end without suspending. */
function turnsOf(code: string): { index: number; body: string }[] {
  const takers = ["#turn", "#known", "#anew", ...[...code.matchAll(TURN_TAKER)].map(([, name = ""]) => name)];
  const call = new RegExp(`(?:\\btransactionSync|${takers.join("\\b|")}\\b)\\s*(?:<[^()]*>)?\\s*\\(`, "g");
  return [...code.matchAll(call)].map((match) => {
    const from = match.index + match[0].length;
    let depth = 1;
    let to = from;
    for (; to < code.length && depth > 0; to += 1) depth += { "(": 1, ")": -1 }[code.charAt(to)] ?? 0;
    return { index: from, body: code.slice(from, to) };
  });
}

/** Files of an object's folder. */
const TURNED = /^objects\/(?:user-authority|ip-guard)\//;

/** What checks a password or a code that was sent. */
const GATES = ["worker/guess.ts", "worker/prove-password.ts"];

// --- the rules -------------------------------------------------------------------------------

const RULES: Rule[] = [
  {
    name: "imports go one way: worker → schema, objects → schema; routes never import each other",
    applies: isProduct,
    find: (source) =>
      importsOf(source).flatMap(({ target, index }) => {
        const message = importProblem(source.path, target);
        return message === null ? [] : [{ index, message }];
      }),
    catches: [
      ["worker/app.ts", 'import { IpGuard } from "../objects/ip-guard.ts";'],
      ["worker/routes/login.ts", 'import type { UserAuthority } from "../../objects/user-authority.ts";'],
      ["worker/app.ts", 'export * from "../objects/rate-limit.ts";'],
      ["worker/app.ts", 'const lazy = await import("../objects/rate-limit.ts");'],
      ["worker/app.ts", 'import "../objects/ip-guard.ts";'],
      ["worker/app.ts", 'import {\n  one,\n  other,\n} from "../scripts/wrangler.ts";'],
      ["worker/app.ts", 'import { ask } from "../tests/support/client.ts";'],
      ["worker/routes/login.ts", 'import { helper } from "./logout.ts";'],
      ["worker/routes/admin/users.ts", 'import { helper } from "../logout.ts";'],
      ["objects/ip-guard.ts", 'import { now } from "../worker/context.ts";'],
      ["objects/user-authority/refresh.ts", 'import { now } from "../../worker/context.ts";'],
      ["schema/claims.ts", "import { now } from '../worker/context.ts';"],
      ["schema/claims.ts", 'import { decideCharge } from "../objects/rate-limit.ts";'],
      ["schema/django/users.ts", 'import { ROOT } from "../../scripts/wrangler.ts";'],
      ["schema/django/import.cli.ts", 'import { app } from "../../worker/app.ts";'],
    ],
    allows: [
      ["worker/index.ts", 'export { IpGuard } from "../objects/ip-guard.ts";'],
      ["worker/routes/login.ts", 'import { Refusal } from "../http/problems.ts";\nimport { z } from "zod";'],
      [
        "objects/ip-guard.ts",
        'import { DurableObject } from "cloudflare:workers";\nimport "../schema/log.ts";',
      ],
      ["schema/django/import.cli.ts", 'import { ROOT } from "../../scripts/wrangler.ts";'],
      ["worker/tokens/new-key.cli.ts", 'import { ROOT } from "../../scripts/wrangler.ts";'],
      ["worker/app.ts", '// import { IpGuard } from "../objects/ip-guard.ts";'],
    ],
  },
  {
    name: "a decision is pure: no waiting, clock, randomness, I/O or SQL",
    applies: isProduct,
    find: (source) => {
      if (!isDecision(source)) return [];
      const view = source.path.startsWith("schema/") ? source.code : source.bare;
      return [
        ...IMPURE.flatMap(([pattern, use]) => matches(source.code, pattern, use)),
        ...matches(view, STATEMENT, "arguments: state.ts reads and writes"),
      ].filter(({ index }) => !hasArgument(source, index));
    },
    catches: [
      ["objects/user-authority/refresh.ts", "export const decide = async () => 1;"],
      ["objects/user-authority/lockout.ts", "export function decideGuess() { return Date.now(); }"],
      ["objects/user-authority/expiry.ts", "const now = new Date();"],
      ["objects/user-authority/family.ts", "const id = crypto.subtle;"],
      ["objects/user-authority/revoke.ts", 'const answer = fetch("https://example.com");'],
      ["objects/user-authority/open-session.ts", 'console.log("opened");'],
      ["objects/user-authority/revoke.ts", "const read = (storage: SqlStorage) => storage;"],
      ["objects/user-authority/mfa.ts", 'export function decideCode() { return "SELECT 1"; }'],
      ["objects/rate-limit.ts", '/** Limits. Pure. */\nconst query = "DELETE FROM limits";'],
      ["objects/abuse.ts", "export function decideAbuse() { return storage.sql; }"],
      ["objects/blocks.ts", "export async function decideBlock() { return 1; }"],
      ["schema/claims.ts", "const now = new Date;"],
      ["schema/config.ts", "const later = performance.now();"],
      ["worker/passwords/policy.ts", "/** What a password must be. Pure. */\nconst now = Date.now();"],
      ["worker/mail/messages.ts", "/**\n * The messages. Pure: text in, text out.\n */\nawait 1;"],
    ],
    allows: [
      ["objects/user-authority/state.ts", 'this.#sql.exec("SELECT 1");'],
      ["schema/log.ts", "console.log(1);"],
      ["schema/time.ts", "export const toIso = (at: number) => new Date(at * 1000).toISOString();"],
      ["schema/object-tables.ts", 'const tables = "CREATE TABLE t (x) STRICT";'],
      ["schema/user-authority.ts", "export interface A { ask(): Promise<void> }"],
      [
        "schema/config.ts",
        "// await Date.now(), crypto, fetch, console: none of them here\nconst [, a] = RATE.exec(text) ?? [];",
      ],
      ["schema/django/import.cli.ts", "/** Imports. Pure. */\nawait Date.now();"],
      ["worker/users.ts", "/** Not a decision. */\nawait Date.now();"],
    ],
  },
  {
    name: "the clock is read in worker/context.ts, and in one line of each object class",
    applies: (path) => isProduct(path) && !isCommandLine(path) && path !== "worker/context.ts",
    find: (source) =>
      matches(source.code, /\bDate\.now\b|\bnew Date\b|(?<![.\w])Date\s*\(/, "the now that was passed in")
        .filter(({ index }) => !hasArgument(source, index))
        .slice(isIn(source.path, "objects") && isObjectClass(source) ? 1 : 0),
    catches: [
      ["worker/app.ts", "const nowMs = Date.now();"],
      ["worker/app.ts", "const read = Date.now;"],
      ["worker/app.ts", "const at = new Date();"],
      ["worker/app.ts", "const at = new Date( );"],
      ["worker/app.ts", "const at = new Date;"],
      ["worker/app.ts", "const at = Date();"],
      ["schema/time.ts", "const at = new Date();"],
      ["objects/outbox.ts", "const at = Date.now();"],
      ["objects/ip-guard.ts", "class IpGuard extends DurableObject { a = Date.now(); b = Date.now(); }"],
    ],
    allows: [
      ["worker/context.ts", "return Date.now();"],
      ["objects/ip-guard.ts", "class IpGuard extends DurableObject { #turn() { return Date.now(); } }"],
      ["worker/app.ts", "const at = new Date(now * 1000);"],
      ["worker/app.ts", 'const at = new Date("2026-01-01T00:00:00Z");'],
      ["worker/app.ts", `const at = new Date(\`\${day}T00:00:00Z\`); // not Date.now()`],
      ["worker/app.ts", "const at = toNumericDate(nowMs);"],
      ["worker/tokens/new-key.cli.ts", "const now = Date.now();"],
    ],
  },
  {
    name: "all randomness is worker/entropy.ts's",
    applies: (path) => isProduct(path) && path !== "worker/entropy.ts",
    find: ({ code }) =>
      matches(
        code,
        /\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b/,
        "arguments, made in worker/entropy.ts",
      ),
    catches: [
      ["worker/app.ts", "const id = crypto.randomUUID();"],
      ["objects/ip-guard.ts", "const id = crypto.getRandomValues(new Uint8Array(16));"],
      ["schema/ids.ts", "const id = Math.random();"],
      ["worker/app.ts", "const { randomUUID } = crypto;"],
    ],
    allows: [
      ["worker/entropy.ts", "return crypto.getRandomValues(new Uint8Array(length));"],
      ["worker/passwords/registry.ts", 'hash(bytes, randomBytes); log("Math.random");'],
    ],
  },
  {
    name: "what an object hides is #private",
    applies: (path) => isTypeScript(path) && isIn(path, "objects"),
    find: ({ code }) =>
      matches(code, /\b(?:private|protected)\b/, "#private: anything else can be called over RPC"),
    catches: [
      ["objects/ip-guard.ts", "class A { private state = 1; }"],
      ["objects/ip-guard.ts", "class A { constructor(private readonly sql: SqlStorage) {} }"],
      ["objects/ip-guard.ts", "class A { protected state = 1; }"],
    ],
    allows: [
      ["objects/ip-guard.ts", 'class A { #state = "private"; } // private\nconst { d: _private } = jwk;'],
      ["worker/app.ts", "class A { private state = 1; }"],
    ],
  },
  {
    name: "nothing is printed but by the logger",
    applies: (path) => isProduct(path) && !isCommandLine(path) && path !== "schema/log.ts",
    find: ({ code }) => matches(code, /\bconsole\b/, "the logger of schema/log.ts"),
    catches: [
      ["worker/app.ts", "console.log(1);"],
      ["objects/ip-guard.ts", "console.error(error);"],
      ["worker/app.ts", "const { log } = console;"],
    ],
    allows: [
      ["schema/log.ts", "console.log(line);"],
      ["schema/django/import.cli.ts", "console.log(line);"],
      ["worker/app.ts", 'const sentence = "console.log"; // console.log'],
    ],
  },
  {
    name: "SQL knows no time",
    // The exception spells a table of wrangler's as wrangler does.
    applies: (path) =>
      (isTypeScript(path) || path.endsWith(".sql")) && path !== "schema/django/local-d1.cli.ts",
    find: ({ path, text, strings }) =>
      matches(
        path.endsWith(".sql") ? text.replace(/--.*/g, (comment) => " ".repeat(comment.length)) : strings,
        /\b(?:unixepoch|julianday|datetime|strftime)\s*\(|\bCURRENT_(?:TIMESTAMP|DATE|TIME)\b/i,
        "the now that was passed in",
      ),
    catches: [
      ["schema/migrations/0009_x.sql", `CREATE TABLE t (at INTEGER DEFAULT (unix${"epoch"}()));`],
      ["schema/migrations/0009_x.sql", `CREATE TABLE t (at TEXT DEFAULT current${"_timestamp"});`],
      ["objects/user-authority/state.ts", `sql.exec("SELECT str${"ftime"}('%s')");`],
      ["worker/users.ts", `db.prepare(\`UPDATE users SET at = date${"time"}('now') WHERE id = \${id}\`);`],
      ["scripts/seed.ts", `run("INSERT INTO t VALUES (julian${"day"} ())");`],
    ],
    allows: [
      ["worker/receipt.ts", `const shape = z.iso.date${"time"}();`],
      ["schema/migrations/0009_x.sql", `-- not unix${"epoch"}(): the caller says what time it is\nSELECT 1;`],
      ["worker/users.ts", `// current${"_timestamp"}\nconst query = "SELECT created_at FROM users";`],
    ],
  },
  {
    name: "a turn of an object runs to its end without suspending",
    applies: (path) => isTypeScript(path) && isIn(path, "objects"),
    find: ({ path, code }) =>
      // What the folder of an object holds runs inside its turns.
      (TURNED.test(path) ? [{ index: 0, body: code }] : turnsOf(code)).flatMap(({ index, body }) =>
        matches(body, /\b(?:await|async)\b/, "a decision that is synchronous inside transactionSync").map(
          (finding) => ({
            ...finding,
            index: index + finding.index,
          }),
        ),
      ),
    catches: [
      ["objects/ip-guard.ts", "this.ctx.storage.transactionSync(() => { const x = f(g(1)); await x; });"],
      ["objects/ip-guard.ts", "storage.transactionSync(async () => 1);"],
      ["objects/ip-guard.ts", "return this.#turn((nowMs) => { for await (const x of y) use(x); });"],
      ["objects/ip-guard.ts", "return this.#known<Answer>(none, async (now) => 1);"],
      ["objects/user-authority.ts", "return this.#anew((turn) => { f(await g(turn)); });"],
      [
        "objects/user-authority.ts",
        "#new<A>(none: A, decide: (turn: Turn) => A): A {}\nuse() { return this.#new(1, async () => 1); }",
      ],
      ["objects/user-authority/sessions.ts", "class Sessions { async open() {} }"],
    ],
    allows: [
      ["objects/ip-guard.ts", "await before(); storage.transactionSync(() => f(g(1))); await after();"],
      [
        "objects/ip-guard.ts",
        "async alarm() { const n = this.#turn((now) => decide(now)); await deliver(n); }",
      ],
      ["objects/sinks/audit.ts", "export async function writeEvents() { await 1; }"],
    ],
  },
  {
    name: "KV denies where it is asked to, and nowhere else",
    applies: (path) =>
      isProduct(path) && !["worker/auth/tiers.ts", "worker/era.ts", "worker/health.ts"].includes(path),
    find: ({ code }) =>
      matches(code, /\bREVOCATIONS\s*\??\.\s*(?:get|list)\w*\b/, "a check of worker/auth/tiers.ts"),
    catches: [
      ["worker/routes/user.ts", "await c.env.REVOCATIONS.get(key);"],
      ["objects/sinks/revocations.ts", "kv.REVOCATIONS.getWithMetadata(key);"],
    ],
    allows: [
      ["worker/auth/tiers.ts", "await env.REVOCATIONS.get(key);"],
      ["objects/user-authority.ts", "await writeDenial(this.env.REVOCATIONS, id);"],
    ],
  },
  {
    name: "a route that checks a password or a code says that it is guessed at",
    applies: (path) => isIn(path, "worker/routes"),
    find: (source) => {
      const gate = importsOf(source).find(({ target }) => GATES.includes(target));
      if (gate === undefined || /\bguesses:\s*true\b/.test(source.code)) return [];
      return [{ index: gate.index, message: banned("a guess that no rule names", "guesses: true") }];
    },
    catches: [
      ["worker/routes/a.ts", 'import { guess } from "../guess.ts";\nconst rules = { limits: ["auth"] };'],
      ["worker/routes/a.ts", 'import { provePassword } from "../prove-password.ts"; // guesses: true'],
    ],
    allows: [
      ["worker/routes/a.ts", 'import { guess } from "../guess.ts";\nconst rules = { guesses: true };'],
      ["worker/routes/b.ts", 'import { defineRoute } from "../http/route.ts";'],
    ],
  },
  {
    name: "types are neither switched off nor forced",
    applies: isProduct,
    find: ({ code, comments }) => [
      ...matches(
        code,
        /(?<=[:<,|&(=[]\s*|=>\s*|\b(?:as|extends|is|keyof)\s+)any\b(?!\s*[(:.])/,
        "unknown, then narrow",
      ),
      ...matches(code, /\bas\s+unknown\s+as\b/, "a check that narrows"),
      ...matches(comments, /@ts-(?:ignore|nocheck)\b/, "the type that is meant"),
    ],
    catches: [
      ["worker/app.ts", "const x: any = 1;"],
      ["worker/app.ts", "const x = y as any;"],
      ["worker/app.ts", "const x: Record<string, any> = {};"],
      ["worker/app.ts", "const x: any[] = [];"],
      ["worker/app.ts", "function f(...rest: (string | any)[]): void {}"],
      ["worker/app.ts", "type F = () => any;"],
      ["worker/app.ts", "const x = y as unknown as string;"],
      ["worker/app.ts", "const x = y as unknown\n  as string;"],
      ["worker/app.ts", `// @ts-${"ignore"}: later\nconst x = 1;`],
      ["worker/app.ts", `/* @ts-${"nocheck"} */`],
    ],
    allows: [
      [
        "worker/app.ts",
        'const x: unknown = 1; // any\nawait Promise.any([x]); const y = "x as any"; use(schema.any());',
      ],
      ["worker/app.ts", "const company: Company = many; type A = { any: string };"],
      ["tests/support/client.ts", "const x: any = 1;"],
    ],
  },
  {
    name: "every test is run",
    applies: (path) => isTypeScript(path) && isIn(path, "tests"),
    find: ({ code }) =>
      matches(
        code,
        /\b(?:it|test|describe|suite|bench)\s*(?:\.\s*\w+\s*)*\.\s*(?:only|skip|todo)\b/,
        "a test that runs, or none",
      ),
    catches: [
      ["tests/x.test.ts", 'it.only("works", () => {});'],
      ["tests/x.test.ts", 'test.skip("works", () => {});'],
      ["tests/x.test.ts", 'test.todo("works");'],
      ["tests/x.test.ts", 'describe.concurrent.only("works", () => {});'],
      ["tests/x.test.ts", 'test\n  .skip.for([1])("works", () => {});'],
    ],
    allows: [
      ["tests/x.test.ts", 'test.for([1])("the only one, skip it", () => {}); iterator.only; // it.skip'],
      ["tests/x.test.ts", 'test("works", () => { context.skip; });'],
    ],
  },
  {
    name: "what is to be done is done",
    applies: () => true,
    find: ({ text }) => matches(text, /\b(?:TO[D]O|FI[X]ME)\b/, "the thing itself"),
    catches: [
      ["worker/app.ts", `// ${"TO"}DO: later`],
      ["README.md", `${"FIX"}ME`],
      ["schema/migrations/0009_x.sql", `-- ${"TO"}DO`],
    ],
    allows: [["worker/app.ts", "const todo = 1; // mastodon"]],
  },
  {
    name: `a source file has at most ${LINES_MAX} lines`,
    applies: isProduct,
    find: ({ text }) => {
      const lines = text.trimEnd().split("\n").length;
      return lines <= LINES_MAX
        ? []
        : [{ index: 0, message: banned(`a file of ${lines} lines`, "two files") }];
    },
    catches: [["worker/app.ts", `${"a;\n".repeat(LINES_MAX)}b;`]],
    allows: [
      ["worker/app.ts", "a;\n".repeat(LINES_MAX)],
      ["tests/x.test.ts", "a;\n".repeat(LINES_MAX + 1)],
    ],
  },
  {
    name: "nothing tells on whose machine, or in whose workplace, it was written",
    applies: () => true,
    find: ({ text }) => [
      ...matches(
        text,
        /(?<![\w.:/$}-])\/(?:wor[k]|hom[e]|Use[r]s|roo[t])(?=\/\w|["'`\s)]|$)|\b[A-Z]:\\\w/,
        "a path from the project's root",
      ),
      ...matches(
        text,
        /\bshared\/(?:spec|reference|fixtures|hooks)\b|\b(?:sub-?agen[t]|Claud[e]|Anthropi[c]|ChatGP[T]|Copilo[t])s?\b/i,
        "the words of the project",
      ),
    ],
    catches: [
      ["worker/app.ts", `const root = "/${"work"}/main";`],
      ["README.md", `see /${"home"}/ada/notes`],
      ["scripts/start.ts", `const root = \`/${"home"}\`;`],
      ["README.md", `C${":"}\\Users\\ada`],
      ["worker/app.ts", `// as in ${"shared"}/spec/contract.md`],
      ["README.md", `written by ${"Clau"}de`],
    ],
    allows: [
      ["worker/app.ts", 'import { x } from "./worker/home.ts"; const path = "/api/homes/work";'],
      ["README.md", "https://example.com/home/ and workers/home/ at work"],
    ],
  },
];

/** True if the `new Date` at this place is given something to convert: then it reads no clock. */
function hasArgument({ bare }: Source, index: number): boolean {
  return /^new Date\s*\(\s*[^\s)]/.test(bare.slice(index));
}

// --- the tree --------------------------------------------------------------------------------

const FOLDERS = ["worker", "objects", "schema", "scripts", "tests", "console"];
const KINDS = [".ts", ".tsx", ".sql", ".md", ".toml", ".json", ".html", ".css"];
/** Another language in TypeScript's clothes; foreign data; what a tool writes. */
const NOT_OURS = [
  "worker/passwords/bcrypt/assembly",
  "worker/passwords/memory-hard/assembly",
  "worker/passwords/pbkdf2/assembly",
  "tests/vectors",
  "package-lock.json",
  "node_modules",
];

function tree(): Source[] {
  const inRoot = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isFile());
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(ROOT).includes(folder)
      ? readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true }).filter((entry) =>
          entry.isFile(),
        )
      : [],
  );
  return [...inRoot, ...inFolders]
    .map((entry) => posix.relative(ROOT, posix.join(entry.parentPath, entry.name)))
    .filter((path) => KINDS.some((kind) => path.endsWith(kind)) && !path.endsWith(".d.ts"))
    .filter((path) => !NOT_OURS.some((other) => path === other || path.startsWith(`${other}/`)))
    .map((path) => sourceOf(path, readFileSync(join(ROOT, path), "utf8")));
}

function problemsOf(rule: Rule, source: Source): string[] {
  if (!rule.applies(source.path)) return [];
  return rule.find(source).map(({ index, message }) => {
    const line = source.text.slice(0, index).split("\n").length;
    return `${source.path}:${line} ${message}`;
  });
}

const SOURCES = tree();

describe("the tree", () => {
  test("it was read: a check of nothing would always pass", () => {
    const paths = SOURCES.map(({ path }) => path);
    for (const path of [
      "worker/index.ts",
      "worker/context.ts",
      "worker/routes/login.ts",
      "objects/user-authority.ts",
      "objects/user-authority/refresh.ts",
      "schema/config.ts",
      "schema/migrations/0001_accounts.sql",
      "scripts/start.ts",
      "tests/tidy.test.ts",
      "README.md",
      "wrangler.toml",
    ]) {
      expect(paths).toContain(path);
    }
    expect(paths.filter((path) => path.includes("node_modules") || path.includes("/assembly/"))).toEqual([]);
  });

  test("decisions are where they are looked for", () => {
    const decisions = SOURCES.filter(isDecision).map(({ path }) => path);
    for (const path of [
      "objects/rate-limit.ts",
      ...["family", "open-session", "refresh", "revoke", "expiry"].map(
        (name) => `objects/user-authority/${name}.ts`,
      ),
      ...["claims", "config", "identity", "ip-address", "revocation", "time"].map(
        (name) => `schema/${name}.ts`,
      ),
      "worker/http/problems.ts",
      "worker/tokens/compact.ts",
    ]) {
      expect(decisions).toContain(path);
    }
    expect(decisions).not.toContain("objects/user-authority/state.ts");
  });

  test("some file reads the clock and some file imports the objects: the exceptions are still needed", () => {
    const named = (path: string) => SOURCES.find((source) => source.path === path);
    expect(named("worker/context.ts")?.code).toContain("Date.now()");
    expect(named("objects/user-authority.ts")?.code).toContain("Date.now()");
    expect(importsOf(named("worker/index.ts") ?? sourceOf("", "")).map(({ target }) => target)).toContain(
      "objects/user-authority.ts",
    );
  });

  test.for(RULES)("$name", (rule) => {
    expect(SOURCES.flatMap((source) => problemsOf(rule, source))).toEqual([]);
  });
});

describe("the rules themselves", () => {
  const samples = (kind: "catches" | "allows") =>
    RULES.flatMap((rule) =>
      rule[kind].map(([path, text]) => ({ rule, path, text, shown: JSON.stringify(text).slice(0, 60) })),
    );

  test.for(samples("catches"))("$rule.name: it catches, in $path, $shown", ({ rule, path, text }) => {
    const problems = problemsOf(rule, sourceOf(path, text));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^\S+:\d+ .+ is banned here, use .+/);
  });

  test.for(samples("allows"))("$rule.name: it allows, in $path, $shown", ({ rule, path, text }) => {
    expect(problemsOf(rule, sourceOf(path, text))).toEqual([]);
  });

  test("a finding names its line", () => {
    const [clock] = RULES.filter(({ name }) => name.startsWith("the clock"));
    if (clock === undefined) throw new Error("the rule is gone");
    const source = sourceOf("worker/app.ts", "/* Date.now()\n */\nconst a = 1;\nconst b = Date.now();\n");
    expect(problemsOf(clock, source)).toEqual([
      "worker/app.ts:4 Date.now is banned here, use the now that was passed in",
    ]);
  });
});

describe("how code is told from strings and comments", () => {
  test.for<{ text: string; code: string; strings?: string; comments?: string }>([
    { text: 'a("b"); // c', code: 'a(" ");', strings: "b", comments: "// c" },
    { text: "a('it\\'s'); /* c */ d", code: "a(' '); d", strings: "it\\'s", comments: "/* c */" },
    { text: '"// no comment" // one', code: '" "', strings: "// no comment", comments: "// one" },
    { text: "/** a\n * 'b' */ c", code: "c", comments: "/** a * 'b' */" },
    { text: "`a@{b(`c@{d}`)}e` f", code: "` @{b(` @{d}`)} ` f", strings: "a c e" },
    { text: "`a\\`b` c", code: "` ` c", strings: "a\\`b" },
    { text: "`@{{ a: {} }}` b", code: "`@{{ a: {} }}` b" },
    { text: "a / b / c // d", code: "a / b / c", comments: "// d" },
    { text: "(a) / b / c; // 'd'", code: "(a) / b / c;", comments: "// 'd'" },
    { text: "x = /[\"'/]/g; // d", code: "x = / /g;", comments: "// d" },
    { text: "(/a\\/b'/.test(c))", code: "(/ /.test(c))" },
    { text: "return /'/.test(a) // b", code: "return / /.test(a)", comments: "// b" },
    { text: "a('b\nc", code: "a(' c" },
  ])("$text", ({ text, code, strings, comments }) => {
    const source = sourceOf("worker/app.ts", text.replaceAll("@{", "${"));
    expect(words(source.code)).toBe(code.replaceAll("@{", "${"));
    if (strings !== undefined) expect(words(source.strings)).toBe(strings);
    expect(words(source.comments)).toBe(comments ?? "");
  });

  test("each view keeps every character that it shows in its place, and every line end", () => {
    for (const { text, ...views } of SOURCES) {
      for (const view of [views.code, views.strings, views.comments, views.bare]) {
        expect(view).toHaveLength(text.length);
        expect(view.split("\n")).toHaveLength(text.split("\n").length);
      }
    }
  });

  const words = (view: string) => view.trim().replace(/\s+/g, " ");
});

// --- reading TypeScript as far as the rules need it --------------------------------------------

function sourceOf(path: string, text: string): Source {
  if (!path.endsWith(".ts")) return { path, text, code: text, strings: text, comments: text, bare: text };
  return { path, text, ...viewsOf(text) };
}

/** Splits a text by what each character belongs to. */
function viewsOf(text: string): Pick<Source, "code" | "strings" | "comments" | "bare"> {
  const blank = text.replace(/[^\n]/g, " ");
  const views = { code: [...blank], strings: [...blank], comments: [...blank], bare: [...blank] };
  let at = 0;

  const put = (view: "code" | "strings" | "comments" | "bare", length: number): void => {
    for (let i = at; i < at + length; i += 1) {
      views[view][i] = text.charAt(i);
      if (view !== "comments") views.bare[i] = text.charAt(i);
    }
    at += length;
  };
  const through = (pattern: RegExp): number => {
    const sticky = new RegExp(pattern, "y");
    sticky.lastIndex = at;
    return sticky.exec(text)?.[0].length ?? 0;
  };
  const quoted = (quote: string): void => {
    put("code", 1);
    while (at < text.length && text.charAt(at) !== quote && text.charAt(at) !== "\n") {
      put("strings", text.charAt(at) === "\\" ? 2 : 1);
    }
    put("code", 1);
  };
  const template = (): void => {
    put("code", 1);
    while (at < text.length && text.charAt(at) !== "`") {
      if (text.startsWith("${", at)) {
        put("code", 2);
        plain(true);
        put("code", 1);
      } else put("strings", text.charAt(at) === "\\" ? 2 : 1);
    }
    put("code", 1);
  };
  /** A slash begins a regular expression where a value may begin, and else divides. */
  const isRegexNext = (): boolean => {
    const before = views.code
      .slice(Math.max(0, at - 200), at)
      .join("")
      .trimEnd();
    return before === "" || /(?:[(,=:[!&|?{};+*%<>~^-]|\b(?:return|typeof|case|in|of|do|else))$/.test(before);
  };
  const plain = (isInTemplate: boolean): void => {
    let depth = 0;
    while (at < text.length) {
      const character = text.charAt(at);
      if (isInTemplate && character === "}" && depth === 0) return;
      if (text.startsWith("//", at)) put("comments", through(/[^\n]*/));
      else if (text.startsWith("/*", at)) put("comments", through(/\/\*[\s\S]*?(?:\*\/|$)/));
      else if (character === '"' || character === "'") quoted(character);
      else if (character === "`") template();
      else if (character === "/" && isRegexNext()) {
        put("code", 1);
        put("bare", through(/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*/));
        put("code", 1);
      } else {
        depth += { "{": 1, "}": -1 }[character] ?? 0;
        put("code", 1);
      }
    }
  };
  plain(false);
  return {
    code: views.code.join(""),
    strings: views.strings.join(""),
    comments: views.comments.join(""),
    bare: views.bare.join(""),
  };
}
