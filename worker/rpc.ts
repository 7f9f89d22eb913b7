/**
 * `SessionVerifier`: access tokens and API keys checked for other Workers of the same account, over a service
 * binding with `entrypoint = "SessionVerifier"`. No HTTP, no address, no public way in.
 *
 * A check charges nobody: the requests that it is made for are the resource server's own, and a
 * user's budget here must neither be used up nor refuse them. So no answer is ever "limited".
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { API_KEY_PREFIX } from "../schema/api-keys.ts";
import { assert } from "../schema/assert.ts";
import type { AccessClaims } from "../schema/claims.ts";
import type { Config } from "../schema/config.ts";
import { log } from "../schema/log.ts";
import type { SessionVerifierContract, Verification, VerificationTier } from "../schema/session-verifier.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { checkKey, keyClaims, noteUse } from "./api-keys.ts";
import { checkConfirmed, checkLeased, checkLocal, type TierVerdict } from "./auth/tiers.ts";
import { readClockMs, type Service, settingsOf } from "./context.ts";
import { Outage, Refusal } from "./http/problems.ts";
import { verifyAccessToken } from "./tokens/access-token.ts";

const INVALID: Verification = { kind: "refused", reason: "invalid" };
const REVOKED: Verification = { kind: "refused", reason: "revoked" };
const SETTINGS = "settings";

export class SessionVerifier extends WorkerEntrypoint<Env> implements SessionVerifierContract {
  /**
   * Whether this access token or API key is good, as of the tier that the caller states (contract §8). A tier
   * is never weakened: where the edge's own routes fall back from an object to the cache, this says
   * `unavailable` and the caller may ask again with `local`.
   */
  async verify(token: string, options: { tier: VerificationTier }): Promise<Verification> {
    const check = checkOf(options.tier);
    const settings = settingsOf(this.env);
    const now = toNumericDate(readClockMs());
    if (settings.kind === "wrong") {
      const names = settings.problems.map(({ setting }) => setting);
      log(toIso(now), { level: "error", event: "settings_wrong", settings: names });
      return { kind: "unavailable", part: SETTINGS };
    }
    const { config } = settings;
    if (typeof token !== "string") return INVALID; // what a caller without types passes for no token
    try {
      if (token.startsWith(API_KEY_PREFIX)) return await this.#verifyApiKey(token, now);
      const service = serviceFor(config, token);
      const claims = service === null ? null : await verifyAccessToken(service, token, now);
      if (claims === null) return INVALID;
      const verdict = await check(this.env, this.ctx, config, claims);
      if (verdict.kind === "revoked") return REVOKED;
      assert(verdict.kind === "good", "nobody is charged, so nobody is limited");
      if (verdict.isBlind) log(toIso(now), { level: "warn", event: "revocations_unavailable" });
      return { kind: "valid", claims };
    } catch (error) {
      const part = unavailablePart(error);
      if (part === null) throw error;
      log(toIso(now), { level: "error", event: "unavailable", part });
      return { kind: "unavailable", part };
    }
  }

  /** Read from D1 at each use, so that every tier is as good as `confirmed`. */
  async #verifyApiKey(presented: string, now: NumericDate): Promise<Verification> {
    const verdict = await checkKey(this.env.DB, presented, now);
    if (verdict.kind !== "good") return INVALID;
    noteUse({ env: this.env, ctx: this.ctx }, verdict.key, now);
    return { kind: "api_key", key: keyClaims(verdict.key) };
  }
}

type Check = (env: Env, ctx: ExecutionContext, config: Config, claims: AccessClaims) => Promise<TierVerdict>;

/** Other Workers may be written without types: a tier that does not exist must not become another one. */
function checkOf(tier: VerificationTier): Check {
  switch (tier) {
    case "confirmed":
      return (env, ctx, config, claims) => checkConfirmed(env, ctx, config, claims, "nobody");
    case "leased":
      return (env, ctx, config, claims) => checkLeased(env, ctx, config, claims, "nobody");
    case "local":
      return (env, ctx, config, claims) => checkLocal(env, ctx, config, claims);
    default:
      throw new TypeError("the tier must be confirmed, leased or local");
  }
}

/**
 * Issuer and audience as configured. In development they may be unset and stand for a request's
 * origin, and there is no request here: then the token's own are taken at their word. Its signature
 * still decides; outside development both settings are required.
 */
function serviceFor(config: Config, token: string): Service | null {
  const { issuer, audience } = config;
  if (issuer !== null && audience !== null) return { config, issuer, audience };
  try {
    const said = decodeJwt(token);
    if (typeof said.iss !== "string" || typeof said.aud !== "string") return null;
    return { config, issuer: issuer ?? said.iss, audience: audience ?? said.aud };
  } catch {
    return null;
  }
}

/** The part whose failure this is, or null for a mistake of ours. */
function unavailablePart(error: unknown): string | null {
  if (error instanceof Outage) return error.part;
  return error instanceof Refusal && error.code === "misconfigured" ? SETTINGS : null;
}
