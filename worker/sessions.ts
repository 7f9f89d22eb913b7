/** Opening a session for a user whose credentials were checked: the last step of login and register. */

import type { OpenSession, OpenSessionAnswer, UserState } from "../schema/user-authority.ts";
import type { UserRow } from "../schema/users.ts";
import { userState } from "../schema/users.ts";
import { reach, userAuthority } from "./authorities.ts";
import { type AppContext, serviceOf } from "./context.ts";
import { newSessionId, newTokenId } from "./entropy.ts";
import { revokedBefore } from "./era.ts";
import { signingKey } from "./tokens/keyring.ts";
import { clientKey } from "./tokens/refresh-key.ts";
import { noteDenial } from "./user-cache.ts";

type Options = Pick<OpenSession, "amr" | "deviceName" | "attempt" | "code" | "mail">;

/** What the user's object needs to hear to open a session; its ids are new. */
export async function openingOf(c: AppContext, user: UserState, options: Options): Promise<OpenSession> {
  const { client, requestId } = c.get("facts");
  const { config } = serviceOf(c);
  await signingKey(config, c.get("facts").now); // before anything begins that could not be handed over
  return {
    user,
    sid: newSessionId(),
    tokenId: newTokenId(),
    clientKey: await clientKey(config, client),
    client,
    requestId,
    revokedBefore: await revokedBefore(c.env, c.executionCtx),
    ...options,
  };
}

/**
 * One object call. `amr` as in RFC 8176. `stale`: the user changed, or everyone was revoked, while
 * the credentials were being checked; the next try sees it.
 */
export async function openSession(c: AppContext, row: UserRow, options: Options): Promise<OpenSessionAnswer> {
  const user = userState(row);
  const command = await openingOf(c, user, options);
  const answer = await reach("user_authority", () => userAuthority(c.env, user.id).openSession(command));
  if (answer.kind === "denied") return answer;
  noteDenial(user.id, answer.denial);
  const isOver = answer.grant.authTime < (await revokedBefore(c.env, c.executionCtx));
  return isOver ? { kind: "denied", reason: "stale" } : answer;
}
