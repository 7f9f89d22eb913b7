/** Telling a user's object of a change that D1 has made: at once and durably, or 503 and again. */
import type { HearOfUser, HearOfUserAnswer } from "../schema/user-authority.ts";
import { type UserRow, userState } from "../schema/users.ts";
import { reach, userAuthority } from "./authorities.ts";
import { noteDenial } from "./user-cache.ts";

/**
 * Tells the object of `row`, as D1 has just written it (`RETURNING`), and what its sessions are to
 * do. One object call. Tokens that it ended are refused here from now on.
 */
export async function tellOf(
  env: Env,
  row: UserRow,
  news: Omit<HearOfUser, "user">,
): Promise<HearOfUserAnswer> {
  const user = userState(row);
  const command = { ...news, user };
  const answer = await reach("user_authority", () => userAuthority(env, user.id).hearOfUser(command));
  noteDenial(user.id, answer.denial);
  return answer;
}
