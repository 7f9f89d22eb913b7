/**
 * `POST /api/accounts/password/reset`: asks for a link by mail. One object call, of the address's
 * own object, whoever the address belongs to; everything else happens after the answer (ENU-03).
 */
import { z } from "@hono/zod-openapi";
import { base64url } from "jose";
import { canBeLogin, emailKey } from "../../schema/identity.ts";
import { tell } from "../audit.ts";
import { addressAuthority, reach } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { keyedHash } from "../tokens/refresh-key.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    cost: "1 UserAuthority call of the address's object (3 rows written, 1 alarm, the object's tables; none past 3 an hour); after the answer, for each account: 2 D1 queries, 2 D1 rows written, 1 call (3 rows written, 1 alarm)",
    missing: "Email is required",
  },
  {
    method: "post",
    path: "/api/accounts/password/reset",
    summary: "Ask for a password reset link by mail",
    request: jsonBody(
      z.object({ email: z.string().min(1).refine(canBeLogin, "must be text of at most 254 characters") }),
    ),
    responses: {
      200: jsonAnswer("The same for every address", z.object({ message: z.string() })),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountPasswordReset(app: App): void {
  serve(app, route, async (c) => {
    const { email } = c.req.valid("json");
    const key = await addressKey(c, email);
    const order = { id: newTokenId(), mail: { kind: "reset_asked" as const, email } };
    // Whether it is one too many for this address is not told either.
    await reach("user_authority", () => addressAuthority(c.env, key).orderMail(order));
    tell(c, { type: "password_reset_asked" });
    return c.json({ message: "If an account has this email address, a reset link is on its way" }, 200);
  });
}

async function addressKey(c: AppContext, email: string): Promise<string> {
  return base64url.encode(await keyedHash(serviceOf(c).config, "address", emailKey(email)));
}
