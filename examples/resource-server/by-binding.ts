/**
 * A resource server that asks the authority over a service binding, stating for each request how
 * soon it must feel a revocation: reading within five seconds, anything else at once.
 */
import type {
  SessionVerifierContract,
  Verification,
  VerificationTier,
} from "../../schema/session-verifier.ts";

type Bindings = { AUTHORITY: SessionVerifierContract };

const RETRY_SECONDS = 5;
const BEARER = /^bearer ([^ ]+)$/i;

export default {
  async fetch(request, env): Promise<Response> {
    const [, token = ""] = BEARER.exec(request.headers.get("Authorization") ?? "") ?? [];
    const tier = request.method === "GET" ? "leased" : "confirmed";
    const answer = await verify(env, token, tier);
    switch (answer.kind) {
      case "valid":
        return Response.json({ username: answer.claims.username, role: answer.claims.role, tier });
      case "api_key": // no session: what it may do is its scope
        return Response.json({ user_id: answer.key.user_id, scope: answer.key.scope ?? "", tier });
      case "refused":
        return Response.json(
          { error: "invalid_token" },
          { status: 401, headers: { "WWW-Authenticate": 'Bearer error="invalid_token"' } },
        );
      case "unavailable": // undecided: a 401 would make clients throw good sessions away
        return Response.json(
          { error: "temporarily_unavailable" },
          { status: 503, headers: { "Retry-After": String(RETRY_SECONDS) } },
        );
    }
  },
} satisfies ExportedHandler<Bindings>;

/** The authority answers with values; a throw means that it could not be reached at all. */
async function verify({ AUTHORITY }: Bindings, token: string, tier: VerificationTier): Promise<Verification> {
  try {
    return await AUTHORITY.verify(token, { tier });
  } catch {
    return { kind: "unavailable", part: "authority" };
  }
}
