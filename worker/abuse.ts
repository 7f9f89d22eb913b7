/**
 * The edge's part about abuse: which addresses are blocked, as far as this isolate has heard, and
 * telling the guard of failures. A request that fails in nothing tells nobody anything.
 */
import { base64url } from "jose";
import type { Block, BlockAfter, GuessView, OpenGuess } from "../schema/abuse.ts";
import { loginKey } from "../schema/identity.ts";
import { hourOf } from "../schema/security-hours.ts";
import { isFresh } from "../schema/time.ts";
import { eventOf, recordEvents } from "./audit.ts";
import { ipGuard, reach } from "./authorities.ts";
import { BoundedMap } from "./bounded-map.ts";
import { type AppContext, readClockMs, routeOf, serviceOf } from "./context.ts";
import { Refusal } from "./http/problems.ts";
import { isAuthentic } from "./tokens/authentic.ts";
import { isSignedByDjango } from "./tokens/django-token.ts";
import { keyedHash } from "./tokens/refresh-key.ts";

const ADDRESSES_MAX = 10_000;
/** How long a block is believed without asking again: a lifted one is felt elsewhere within it. */
const BLOCK_LEASE_MS = 30_000;
const ENDED_MAX = 50;

const blocks = new BoundedMap<string, { block: Block | null; askedAtMs: number }>(ADDRESSES_MAX);
/** In which hour it was last told that an address guesses an admin's credential. */
const guessedAt = new BoundedMap<string, { hour: number }>(ADDRESSES_MAX);
/** Guesses that ended well, to be told with the address's next question, which costs nothing. */
const ended = new BoundedMap<string, string[]>(ADDRESSES_MAX);

/** A guess that the guard has opened, until it is told how it ended. */
export type GuessInHand = GuessView & { id: string; proven: string | null; isTold: boolean };

/** Remembers what the guard has just said about the address. */
export function noteBlock(address: string, block: Block | null): void {
  if (block === null && blocks.get(address) === undefined) return;
  const entry = blocks.touch(address, () => ({ block, askedAtMs: 0 }));
  entry.block = block;
  entry.askedAtMs = readClockMs();
}

/** Refuses a request of a blocked address: any if it is banned, guesses if it is not. Asks nobody. */
export function refuseBlocked(c: AppContext, isGuess: boolean): void {
  const address = judgedAddress(c);
  const known = address === null ? undefined : blocks.get(address);
  const nowMs = readClockMs();
  if (known === undefined || known.block === null || !isFresh(known.askedAtMs, nowMs, BLOCK_LEASE_MS)) return;
  if (known.block.untilMs > nowMs && (isGuess || known.block.scope === "everything"))
    throw blocked(known.block);
}

/**
 * Refuses a banned address that had come as far as its credential, which is wrong. One object call
 * where this isolate knows of no ban; while the guard is down, the credential's own refusal stands.
 */
export async function refuseBanned(c: AppContext): Promise<void> {
  refuseBlocked(c, false);
  const address = judgedAddress(c);
  if (address === null) return;
  const answer = await reach("ip_guard", () => ipGuard(c.env, address).charge([], null)).catch(() => null);
  if (answer?.kind !== "blocked") return;
  noteBlock(address, answer.block);
  throw blocked(answer.block);
}

/** The answer to a blocked address, with the seconds until the block ends. */
export function blocked(block: Block): Refusal {
  const retryAfterSeconds = Math.max(1, Math.ceil((block.untilMs - readClockMs()) / 1000));
  return new Refusal("address_blocked", { retryAfterSeconds });
}

/** What a charge says of the guess that it pays for; null where the platform told no address. */
export function openGuess(c: AppContext): OpenGuess | null {
  const address = judgedAddress(c);
  if (address === null) return null;
  const { abuse: policy } = serviceOf(c).config;
  const finished = ended.get(address) ?? [];
  const told = finished.splice(0, ENDED_MAX);
  return { id: c.get("facts").requestId, ended: told, policy };
}

export function noteGuess(c: AppContext, view: GuessView): void {
  c.set("guess", { ...view, id: c.get("facts").requestId, proven: null, isTold: false });
}

/** Before a guess at this account is looked at: 403 where the address may not. */
export async function requireMayGuess(c: AppContext, account: string): Promise<void> {
  refuseBlocked(c, true);
  const only = c.get("guess")?.onlyAccount ?? null;
  if (only === null || only === account) return;
  const block = await report(c, { kind: "elsewhere", guess: c.get("facts").requestId, account });
  if (block !== null) throw blocked(block);
}

/** Tells of a wrong guess before it is answered, so that the next one meets what follows from it. */
export async function tellFailedGuess(c: AppContext, account: string): Promise<void> {
  const guess = c.get("guess");
  const { rapid_login, password_spray } = serviceOf(c).config.abuse;
  if (rapid_login === null && password_spray === null) return;
  if (guess !== null) guess.isTold = true;
  await report(c, { kind: "failed", guess: c.get("facts").requestId, account }).catch(() => null);
}

/** At the end of a request that may guess: what is no failure is told at once only if it is watched. */
export function endGuess(c: AppContext): void {
  const guess = c.get("guess");
  const address = judgedAddress(c);
  if (guess === null || guess.isTold || address === null) return;
  guess.isTold = true;
  if (!guess.isWatched) {
    ended.touch(address, () => []).push(guess.id);
    return;
  }
  const told = report(c, { kind: "ended", guess: guess.id, proven: guess.proven });
  c.executionCtx.waitUntil(told.catch(() => null));
}

/**
 * Tells, before the answer, of a token that was presented as a credential and is none of ours. What we
 * once signed and is expired, revoked or of another kind is no guess. Returns where the answer may say
 * that it is bad; 403 where the address had used up its limit of them, by the guard's own order.
 */
export function tellBadToken(c: AppContext, token: string): Promise<void> {
  return tellForged(c, async () => {
    const { config } = serviceOf(c);
    if (config.legacy !== null && (await isSignedByDjango(config.legacy, token))) return false;
    return !(await isAuthentic(config, token, c.get("facts").now));
  });
}

/**
 * The same for what is no JWT: an API key that has not the form of one, or not the secret of the one that it
 * names; a mailed token that was never made, or for something else.
 */
export function tellUnknown(c: AppContext): Promise<void> {
  return tellForged(c, async () => true);
}

async function tellForged(c: AppContext, isForged: () => Promise<boolean>): Promise<void> {
  const access = c.get("access");
  const isForAdmins = access === "admin" || access === "operator";
  const isCounted = serviceOf(c).config.abuse.token_brute_force !== null;
  if ((!isCounted && !isForAdmins) || judgedAddress(c) === null || isForeignForm(c)) return;
  if (!(await isForged().catch(() => false))) return;
  if (isForAdmins) c.executionCtx.waitUntil(recordWrongCredential(c));
  if (!isCounted) return;
  const block = await report(c, { kind: "bad_token" }).catch(() => null); // nobody to ask: it is only a bad token
  if (block?.scope === "everything" && !block.isNew) throw blocked(block);
}

/**
 * A page of a foreign origin can make a visitor's browser send a form, and nothing else that carries
 * a token, without asking us first (Fetch, CORS-safelisted requests): that counts against nobody.
 */
function isForeignForm(c: AppContext): boolean {
  const origin = c.req.header("Origin");
  if (origin === undefined || serviceOf(c).config.allowedOrigins.includes(origin)) return false;
  return c.req.path.startsWith("/oauth/") && c.req.header("Authorization") === undefined; // which take forms alone
}

/** Records that somebody guesses an admin's or the operator's credential: one event an address and hour. */
async function recordWrongCredential(c: AppContext): Promise<void> {
  const { now, address } = c.get("facts");
  const hour = hourOf(now);
  const last = guessedAt.touch(address ?? "", () => ({ hour: 0 }));
  if (last.hour === hour) return;
  last.hour = hour;
  const event = eventOf(c, {
    id: `${address}.admin_action_refused.${hour}`,
    type: "admin_action_refused",
    reason: "wrong_credential",
    details: { action: `${c.req.method} ${routeOf(c)}` },
  });
  await recordEvents(c.env, [event]).catch(() => {
    last.hour = 0;
  });
}

/** The account that a guess is aimed at, unreadable: one user's, or a name that nobody has. */
export async function accountKey(c: AppContext, userId: number | null, typed: string): Promise<string> {
  const target = userId === null ? `name:${typedKey(c, typed)}` : `id:${userId}`;
  const hash = await keyedHash(serviceOf(c).config, "abuse", target);
  return base64url.encode(hash.subarray(0, 12));
}

/** A name that nobody has, as a login that trims or does not trim it would find whoever had it. */
export function typedKey(c: AppContext, typed: string): string {
  return loginKey(serviceOf(c).config.compatSimplejwt ? typed.trim() : typed);
}

type Told =
  | { kind: "failed" | "elsewhere"; guess: string; account: string }
  | { kind: "ended"; guess: string; proven: string | null }
  | { kind: "bad_token" };

async function report(c: AppContext, told: Told): Promise<BlockAfter | null> {
  const address = judgedAddress(c);
  if (address === null) return null;
  const { client, requestId } = c.get("facts");
  const command = { ...told, address, client, requestId, policy: serviceOf(c).config.abuse };
  const block = await reach("ip_guard", () => ipGuard(c.env, address).report(command));
  noteBlock(address, block);
  return block;
}

/** Null where the platform told none: a block must never fall on everybody who has no address. */
function judgedAddress(c: AppContext): string | null {
  const { address, isAddressTold } = c.get("facts");
  return isAddressTold ? address : null;
}
