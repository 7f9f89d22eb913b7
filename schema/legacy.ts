/**
 * Running beside the Django that this service replaces: what of Django's is believed, and until
 * when. Off unless both a key and a date are set, since whoever knows the key can make tokens and
 * sessions of anybody.
 */
import type { NumericDate } from "./time.ts";

export type Legacy = {
  /** Django's `SECRET_KEY`: it signs sessions and, unless told otherwise, simplejwt's tokens. */
  secretKey: string;
  /** From then on nothing of Django's is accepted. */
  endsAt: NumericDate;
  /** The key is one that strangers know, and the operator accepts what follows. */
  isKeyPublic: boolean;
  /** `accept`: a Django session is good on routes for access tokens, beside being exchanged. */
  sessions: "exchange" | "accept";
};

/** RFC 7518 §3.2, and the contract for every symmetric secret. */
const SECRET_BYTES_MIN = 32;
/** How Django's own `startproject` begins a key that is not for production. */
const PUBLIC_KEY = /^django-insecure-|change.?me|placeholder|your.?secret|example/i;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;
const DAY_SECONDS = 86_400;

type Vars = {
  DJANGO_SECRET_KEY: string;
  LEGACY_UNTIL: string;
  LEGACY_KEY_IS_PUBLIC: string;
  DJANGO_SESSIONS: string;
};

/** Reads the settings; `wrong` is called for each that is. Null: nothing of Django's is accepted. */
export function readLegacy(vars: Vars, wrong: (setting: keyof Vars, problem: string) => void): Legacy | null {
  const { DJANGO_SECRET_KEY: secretKey, LEGACY_UNTIL: until } = vars;
  const sessions = vars.DJANGO_SESSIONS === "" ? "exchange" : vars.DJANGO_SESSIONS;
  const isAccepted = vars.LEGACY_KEY_IS_PUBLIC === "accept-forgeries";
  if (vars.LEGACY_KEY_IS_PUBLIC !== "" && !isAccepted)
    wrong("LEGACY_KEY_IS_PUBLIC", "must be accept-forgeries, or empty");
  const isKnownMode = sessions === "exchange" || sessions === "accept";
  if (!isKnownMode) wrong("DJANGO_SESSIONS", "must be one of exchange, accept");
  if (secretKey === "" && until === "") return null;

  const endsAt = endOf(until);
  if (until === "") wrong("LEGACY_UNTIL", "is required with DJANGO_SECRET_KEY");
  else if (endsAt === null) wrong("LEGACY_UNTIL", "must be a date like 2026-12-31, or a moment in UTC");
  const isKeyPublic = PUBLIC_KEY.test(secretKey);
  if (secretKey === "") wrong("DJANGO_SECRET_KEY", "is required with LEGACY_UNTIL");
  else if (new TextEncoder().encode(secretKey).length < SECRET_BYTES_MIN)
    wrong("DJANGO_SECRET_KEY", `must have at least ${SECRET_BYTES_MIN} bytes`);
  else if (isKeyPublic && !isAccepted)
    wrong("DJANGO_SECRET_KEY", "is one that strangers know; see LEGACY_KEY_IS_PUBLIC");
  if (secretKey === "" || endsAt === null || !isKnownMode) return null;
  return { secretKey, endsAt, isKeyPublic, sessions };
}

/** True while something of Django's may still be accepted. */
export function isLegacyOpen(legacy: Legacy | null, now: NumericDate): legacy is Legacy {
  return legacy !== null && now < legacy.endsAt;
}

/** The end of that day, or that moment; null for anything else, also for a day that there is not. */
function endOf(until: string): NumericDate | null {
  const isDay = DAY.test(until);
  if (!isDay && !MOMENT.test(until)) return null;
  const at = Date.parse(isDay ? `${until}T00:00:00Z` : until);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== until.slice(0, 10)) return null;
  return at / 1000 + (isDay ? DAY_SECONDS : 0);
}
