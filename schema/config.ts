/**
 * Variables and secrets of the deployment → `Config`, in one pass that reports every problem at
 * once. Nothing falls back in silence: an unset number is its default, a wrong one stops the service.
 */

import { type AbusePolicy, abuseAction, isLockoutSooner, type PatternPolicy } from "./abuse.ts";
import { type AlertWebhook, readWebhook } from "./alert-webhook.ts";
import { type Legacy, readLegacy } from "./legacy.ts";
import type { LimitClass, Rate } from "./limits.ts";
import { type MailSettings, readMailSettings } from "./mail-settings.ts";
import { readSigningKeys, type SigningKeys } from "./signing-keys.ts";

export type Environment = "development" | "staging" | "production";
export type LogoutScope = "global" | "local" | "others";

export type Config = {
  environment: Environment;
  /** Null in development: the origin of the request. */
  issuer: string | null;
  audience: string | null;
  allowedOrigins: string[];
  /** The front end: what the links in mail lead to. */
  appOrigin: string;
  mail: MailSettings;
  passwordResetTtlSeconds: number;
  emailVerifyTtlSeconds: number;
  accessTokenTtlSeconds: number;
  refreshTokenTtlSeconds: number;
  sessionMaxAgeSeconds: number;
  refreshGraceSeconds: number;
  refreshGraceSameClientSeconds: number;
  sessionsPerUserMax: number;
  lockoutThreshold: number;
  lockoutWindowSeconds: number;
  lockoutDurationSeconds: number;
  lockoutCeiling: number;
  rates: Record<LimitClass, Rate>;
  abuse: AbusePolicy;
  logoutScope: LogoutScope;
  passwordLengthMin: number;
  /** `strict`: an access token is refused while the revocation cache cannot be read. */
  revocationMode: "available" | "strict";
  /** Clients written for Django's simplejwt are served in its words (contract §9). */
  compatSimplejwt: boolean;
  legacy: Legacy | null;
  signingKeys: SigningKeys;
  refreshTokenSecret: string;
  /** What is kept encrypted is encrypted with the first, and decrypted with whichever it names. */
  dataEncryptionKeys: string[];
  /** Admin routes refuse a session that began without a second factor. */
  requireMfaForAdmin: "off" | "on";
  /** The operator's credential for admin routes, or null: then there is none. */
  adminToken: string | null;
  auditRetentionDays: number;
  /** Where alerts go, or null: nowhere. */
  alertWebhook: AlertWebhook | null;
};

/** A setting that is wrong. Neither field ever holds a secret's value. */
export type Problem = { setting: string; problem: string };

/** `alertWebhook`: null also where its own settings are wrong. */
export type ConfigReading =
  | { kind: "ok"; config: Config }
  | { kind: "wrong"; problems: Problem[]; alertWebhook: AlertWebhook | null };

const SECRET_BYTES_MIN = 32; // RFC 7518 §3.2: HS256 needs a key of at least its hash's size
const SECRET_VARIETY_MIN = 8; // thirty-two times the same letter is not a secret
const PLACEHOLDER = /change.?me|placeholder|your.?secret|example|insecure|to.?be.?replaced/i;
const DECIMAL = /^(?:0|[1-9][0-9]{0,9})$/;
const RATE = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,5})$/;
const RATE_SECONDS_MAX = 86_400;
/** Every mark within the period is kept. */
const ABUSE_COUNT_MAX = 1000;
const YEAR_SECONDS = 31_536_000;

/** True if a symmetric secret is long and varied enough to be one (TOK-12). */
export function isStrongSecret(secret: string): boolean {
  return (
    new TextEncoder().encode(secret).length >= SECRET_BYTES_MIN &&
    new Set(secret).size >= SECRET_VARIETY_MIN &&
    !PLACEHOLDER.test(secret)
  );
}

/** Reads every setting of the service from what the runtime gives (RFC 9700 §2, requirement TOK-12). */
export function readConfig(env: object): ConfigReading {
  const vars = Object.fromEntries(Object.entries(env)) as Record<string, unknown>;
  const problems: Problem[] = [];
  const wrong = (setting: string, problem: string): void => {
    problems.push({ setting, problem });
  };
  const text = (name: string): string => {
    const value = vars[name];
    if (typeof value === "string" || value === undefined) return value ?? "";
    if (!problems.some(({ setting }) => setting === name)) wrong(name, "must be text");
    return "";
  };
  const integer = (name: string, fallback: number, min: number, max: number): number => {
    if (vars[name] === undefined) return fallback;
    const value = DECIMAL.test(text(name)) ? Number(text(name)) : Number.NaN;
    if (value >= min && value <= max) return value;
    wrong(name, `must be a whole number from ${min} to ${max}`);
    return fallback;
  };
  const choice = <T extends string>(name: string, fallback: T, choices: readonly T[]): T => {
    if (vars[name] === undefined) return fallback;
    const found = choices.find((one) => one === text(name));
    if (found === undefined) wrong(name, `must be one of ${choices.join(", ")}`);
    return found ?? fallback;
  };
  const isOn = (name: string): boolean => choice(name, "off", ["off", "on"]) === "on";
  const rate = (name: string, limit: number, seconds: number): Rate => {
    if (vars[name] === undefined) return { limit, seconds };
    const [, count, period] = RATE.exec(text(name)) ?? [];
    if (count !== undefined && Number(period) <= RATE_SECONDS_MAX) {
      return { limit: Number(count), seconds: Number(period) };
    }
    wrong(name, `must be count/seconds, like ${limit}/${seconds}, with at most ${RATE_SECONDS_MAX} seconds`);
    return { limit, seconds };
  };
  const pattern = (name: string, count: number, seconds: number, steps: string): PatternPolicy | null => {
    const isOff = text(name) === "off";
    const { limit, ...period } = isOff ? { limit: count, seconds } : rate(name, count, seconds);
    if (limit > ABUSE_COUNT_MAX) wrong(name, `must count to ${ABUSE_COUNT_MAX} at most`);
    const action = `${name}_ACTION`;
    const read = (vars[action] === undefined ? steps : text(action)).split(",").map(abuseAction);
    const taken = read.filter((one) => one !== null);
    if (taken.length < read.length)
      wrong(action, `must be log, warn, block/seconds or ban/seconds, or several, like ${steps}`);
    return isOff ? null : { limit, ...period, steps: taken };
  };

  const environment = choice<Environment>("ENVIRONMENT", "development", [
    "development",
    "staging",
    "production",
  ]);
  const isDevelopment = environment === "development";
  const identifier = (name: string, mustBeUrl: boolean): string | null => {
    const value = text(name);
    if (value === "") {
      if (!isDevelopment) wrong(name, "is required outside development");
      return null;
    }
    if (mustBeUrl && !isIssuer(value, isDevelopment))
      wrong(name, "must be an https URL without path, query or fragment");
    return value;
  };
  const origins = (name: string, fallback: string): string[] => {
    const list = (vars[name] === undefined ? fallback : text(name)).split(",").map((one) => one.trim());
    const kept = list.filter((one) => one !== "");
    for (const one of kept) {
      if (!isOrigin(one, isDevelopment))
        wrong(name, "must be exact https origins, separated by commas; * is refused");
    }
    return kept;
  };
  const origin = (name: string, fallback: string): string => {
    const value = vars[name] === undefined ? fallback : text(name);
    if (value === "") wrong(name, "is required outside development");
    else if (!isOrigin(value, isDevelopment)) wrong(name, "must be one exact https origin");
    return value;
  };
  const secret = (name: string): string => {
    const value = text(name);
    if (value === "") wrong(name, "is required");
    else if (!isStrongSecret(value)) wrong(name, "must have at least 32 random bytes and be no placeholder");
    return value;
  };
  const secrets = (name: string): string[] => {
    const list = text(name)
      .split(",")
      .map((one) => one.trim());
    if (text(name) === "") wrong(name, "is required");
    else if (!list.every(isStrongSecret)) {
      wrong(
        name,
        "must have at least 32 random bytes and be no placeholder; several are separated by commas",
      );
    }
    return list;
  };
  const signingKeys = (): SigningKeys => {
    const shared = text("JWT_SECRET");
    const set = text("JWT_SIGNING_KEYS");
    if (shared !== "") secret("JWT_SECRET");
    if (shared === "" && set === "") wrong("JWT_SIGNING_KEYS", "is required, or JWT_SECRET in its place");
    const reading = readSigningKeys(set, shared === "" ? null : shared);
    for (const problem of reading.problems) wrong("JWT_SIGNING_KEYS", problem);
    return reading.keys;
  };

  const alertWebhook = (): AlertWebhook | null => {
    const reading = readWebhook({
      url: text("ALERT_WEBHOOK_URL"),
      secret: text("ALERT_WEBHOOK_SECRET"),
      hosts: vars.ALERT_WEBHOOK_HOSTS === undefined ? undefined : text("ALERT_WEBHOOK_HOSTS"),
      isDevelopment,
    });
    problems.push(...reading.problems);
    return reading.webhook;
  };

  const lockout = {
    lockoutThreshold: integer("LOCKOUT_THRESHOLD", 5, 1, 100),
    lockoutWindowSeconds: integer("LOCKOUT_WINDOW", 900, 1, 86_400),
    lockoutDurationSeconds: integer("LOCKOUT_DURATION", 1800, 1, 86_400),
  };
  const rapidLogin = pattern("ABUSE_RAPID_LOGIN", 5, 300, "block/300");
  const config: Config = {
    environment,
    issuer: identifier("ISSUER", true),
    audience: identifier("AUDIENCE", false),
    allowedOrigins: origins(
      "ALLOWED_ORIGINS",
      isDevelopment ? "http://localhost:5173,http://localhost:3000" : "",
    ),
    appOrigin: origin("APP_ORIGIN", isDevelopment ? "http://localhost:5173" : ""),
    mail: readMailSettings(
      {
        MAIL_TRANSPORT: vars.MAIL_TRANSPORT === undefined ? undefined : text("MAIL_TRANSPORT"),
        MAIL_FROM: text("MAIL_FROM"),
        MAIL_API_URL: vars.MAIL_API_URL === undefined ? undefined : text("MAIL_API_URL"),
        MAIL_API_KEY: text("MAIL_API_KEY"),
        EMAIL: vars.EMAIL,
      },
      isDevelopment,
      wrong,
    ),
    passwordResetTtlSeconds: integer("PASSWORD_RESET_TTL", 3600, 1, 3600), // RST-01: an hour at most
    emailVerifyTtlSeconds: integer("EMAIL_VERIFY_TTL", 86_400, 1, 604_800),
    accessTokenTtlSeconds: integer("ACCESS_TOKEN_TTL", 600, 1, isDevelopment ? 3600 : 600), // TOK-10: ten minutes
    refreshTokenTtlSeconds: integer("REFRESH_TOKEN_TTL", 86_400, 1, YEAR_SECONDS),
    sessionMaxAgeSeconds: integer("SESSION_MAX_AGE", 2_592_000, 1, YEAR_SECONDS),
    refreshGraceSeconds: integer("REFRESH_GRACE", 10, 0, 300),
    refreshGraceSameClientSeconds: integer("REFRESH_GRACE_SAME_CLIENT", 600, 0, 86_400),
    sessionsPerUserMax: integer("MAX_SESSIONS_PER_USER", 100, 1, 1000),
    ...lockout,
    lockoutCeiling: integer("LOCKOUT_CEILING", 100, 1, 100_000),
    rates: {
      ip: rate("RATE_LIMIT_IP", 100, 60),
      user: rate("RATE_LIMIT_USER", 60, 60),
      auth: rate("RATE_LIMIT_AUTH", 10, 300),
      refresh: rate("RATE_LIMIT_REFRESH", 60, 300),
      register: rate("RATE_LIMIT_REGISTER", 3, 3600),
      api_key: rate("RATE_LIMIT_API_KEY", 60, 60),
    },
    abuse: {
      rapid_login: rapidLogin,
      password_spray: pattern("ABUSE_PASSWORD_SPRAY", 10, 3600, "ban/86400"),
      token_brute_force: pattern("ABUSE_TOKEN_BRUTE_FORCE", 20, 1800, "ban/43200"),
      isLockoutSooner: isLockoutSooner(lockout, rapidLogin),
    },
    logoutScope: choice<LogoutScope>("LOGOUT_SCOPE", "global", ["global", "local", "others"]),
    passwordLengthMin: integer("PASSWORD_MIN_LENGTH", 8, 1, 128),
    revocationMode: choice("REVOCATION_MODE", "available", ["available", "strict"]),
    compatSimplejwt: isOn("COMPAT_SIMPLEJWT"),
    legacy: readLegacy(
      {
        DJANGO_SECRET_KEY: text("DJANGO_SECRET_KEY"),
        LEGACY_UNTIL: text("LEGACY_UNTIL"),
        LEGACY_KEY_IS_PUBLIC: text("LEGACY_KEY_IS_PUBLIC"),
        DJANGO_SESSIONS: text("DJANGO_SESSIONS"),
      },
      wrong,
    ),
    signingKeys: signingKeys(),
    refreshTokenSecret: secret("REFRESH_TOKEN_SECRET"),
    dataEncryptionKeys: secrets("DATA_ENCRYPTION_KEY"),
    requireMfaForAdmin: choice("REQUIRE_MFA_FOR_ADMIN", "off", ["off", "on"]),
    adminToken: text("ADMIN_TOKEN") === "" ? null : secret("ADMIN_TOKEN"),
    auditRetentionDays: integer("AUDIT_RETENTION_DAYS", 90, 1, 3650),
    alertWebhook: alertWebhook(),
  };
  if (problems.length === 0) return { kind: "ok", config };
  return { kind: "wrong", problems, alertWebhook: config.alertWebhook };
}

/**
 * `iss` is compared byte for byte (RFC 8414 §2), so only the plain spelling of a URL will do. Without
 * a path: the metadata of one that has it is looked for where this service answers nothing (§3.1).
 */
function isIssuer(value: string, isDevelopment: boolean): boolean {
  return /^https?:\/\/[^\s?#@/]+\/?$/.test(value) && isWeb(URL.parse(value), isDevelopment);
}

function isOrigin(value: string, isDevelopment: boolean): boolean {
  const url = URL.parse(value);
  return url?.origin === value && !value.includes("*") && isWeb(url, isDevelopment);
}

function isWeb(url: URL | null, isDevelopment: boolean): boolean {
  return url?.protocol === "https:" || (isDevelopment && url?.protocol === "http:");
}
