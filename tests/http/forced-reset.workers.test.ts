/** After a leak: the statement of docs/operations.md makes old passwords worthless, and their owners get a new one by mail. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import operations from "../../docs/operations.md?raw";
import { scheduled } from "../../worker/scheduled.ts";
import { askAs } from "../support/admin.ts";
import { login, PASSWORD, refresh, register, signIn, uniqueAddress } from "../support/client.ts";
import { confirmReset, resetToken } from "../support/mail.ts";

const MD5 = "md5$salt$0123456789abcdef0123456789abcdef";

/** The two statements, as a shell would hand them over. */
function statements(): string[] {
  const [, whom = ""] = /WHOM="([^"]+)"/.exec(operations) ?? [];
  const [, command = ""] = /--command "\s*(INSERT INTO user_changes[^"]+)"/.exec(operations) ?? [];
  return command.replaceAll("$WHOM", whom).split(";");
}

it("PWD-08: whose hash is weak must reset; everybody else goes on", async () => {
  const [weak, other] = [await register(), await register()];
  const session = await login(weak);
  const linkFromBefore = await resetToken(weak.email);
  await env.DB.prepare("UPDATE users SET password_hash = ? WHERE id = ?").bind(MD5, weak.id).run();
  const [note, replace, ...more] = statements();
  if (note === undefined || replace === undefined || more.length > 0) throw new Error("two statements");
  await env.DB.batch([env.DB.prepare(note), env.DB.prepare(replace)]);

  expect((await signIn(weak.username)).body.code).toBe("invalid_credentials");
  expect((await confirmReset(linkFromBefore, PASSWORD)).body.code).toBe("invalid_reset_token");
  await scheduled({ scheduledTime: Date.now(), cron: "* * * * *", noRetry: () => undefined }, env);
  expect((await askAs(session, "/api/accounts/user")).body.code).toBe("access_token_revoked");
  expect((await refresh(session.refresh, { address: uniqueAddress() })).status).toBe(200);
  expect((await askAs(other, "/api/accounts/user")).status).toBe(200);
  expect((await signIn(other.username)).status).toBe(200);

  const renewed = "another quiet harbour 28";
  expect((await confirmReset(await resetToken(weak.email), renewed)).status).toBe(200);
  expect((await signIn(weak.username, renewed)).status).toBe(200);
});
