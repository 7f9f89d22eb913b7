/** A password that somebody wants to have from now on, wherever it is set. */
import { type AppContext, serviceOf } from "./context.ts";
import { Refusal } from "./http/problems.ts";
import { commonPasswords } from "./passwords/common.ts";
import { type PasswordOwner, passwordProblems } from "./passwords/policy.ts";

/** Throws 400 `weak_password` with every reason, unless the policy accepts the password. */
export async function requireAcceptable(
  c: AppContext,
  password: string,
  owner: PasswordOwner,
): Promise<void> {
  const policy = { minLength: serviceOf(c).config.passwordLengthMin, isCommon: await commonPasswords() };
  const weak = passwordProblems(password, policy, owner);
  if (weak.length > 0) throw new Refusal("weak_password", { details: weak });
}
