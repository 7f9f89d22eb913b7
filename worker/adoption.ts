/** Opening a session for what Django gave its user: decided, once and for all, in the user's object. */
import { base64url } from "jose";
import type { TokenId } from "../schema/ids.ts";
import { AMR_PASSWORD } from "../schema/mfa.ts";
import type { AdoptAnswer, DjangoCredential, SessionGrant } from "../schema/user-authority.ts";
import { type UserRow, userState } from "../schema/users.ts";
import { reach, userAuthority } from "./authorities.ts";
import { type AppContext, serviceOf } from "./context.ts";
import { revokedBefore } from "./era.ts";
import { Outage } from "./http/problems.ts";
import { findTokenUser, legacyOf } from "./legacy.ts";
import { openingOf } from "./sessions.ts";
import { verifyDjangoToken } from "./tokens/django-token.ts";
import { keyedHash } from "./tokens/refresh-key.ts";
import { noteDenial } from "./user-cache.ts";
import { recordLogin } from "./users.ts";

/** As long as a `TokenId`, so that the object can treat it as one. */
const NAME_BYTES = 16;

type Credential = Pick<DjangoCredential, "kind" | "issuedAt" | "expiresAt"> & { id: string };
export type Adoption = { kind: "adopted"; grant: SessionGrant } | Extract<AdoptAnswer, { kind: "denied" }>;

/** One object call. A user who changed meanwhile is an `Outage`: the next try sees it. */
export async function adopt(c: AppContext, row: UserRow, credential: Credential): Promise<Adoption> {
  const { config } = serviceOf(c);
  const { id, ...rest } = credential;
  const hash = await keyedHash(config, `django ${credential.kind}`, id);
  const name = base64url.encode(hash.slice(0, NAME_BYTES)) as TokenId;
  const { now } = c.get("facts");
  const user = userState(row);
  const opening = await openingOf(c, user, {
    amr: AMR_PASSWORD,
    deviceName: null,
    attempt: null,
    code: null,
  });
  const command = { ...opening, credential: { ...rest, name } };
  const answer = await reach("user_authority", () => userAuthority(c.env, user.id).adopt(command));
  noteDenial(user.id, answer.denial);
  if (answer.kind === "denied") {
    if (answer.reason === "stale") throw new Outage("user_authority", answer.reason);
    return answer;
  }
  // Everyone may have been revoked while the object was being asked: see era.ts.
  if (answer.grant.authTime < (await revokedBefore(c.env, c.executionCtx)))
    return { kind: "denied", reason: "revoked", denial: null };
  c.executionCtx.waitUntil(recordLogin(c.env.DB, user.id, now).catch(() => undefined));
  return { kind: "adopted", grant: answer.grant };
}

/** Presents a refresh token that Django signed. `invalid`, as for any other text, while none is accepted. */
export async function presentDjangoToken(
  c: AppContext,
  token: string,
): Promise<Adoption | { kind: "invalid" }> {
  const legacy = legacyOf(c);
  const said = legacy === null ? null : await verifyDjangoToken(legacy, token, "refresh", c.get("facts").now);
  if (said === null) return { kind: "invalid" };
  const row = await findTokenUser(c.env.DB, said);
  if (row === null) return { kind: "denied", reason: "revoked", denial: null };
  return adopt(c, row, { kind: "token", id: said.jti, issuedAt: said.iat, expiresAt: said.exp });
}
