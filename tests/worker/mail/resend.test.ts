/** The HTTP transport against a real server that fails, hangs and recovers. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { resendMailer } from "../../../worker/mail/resend.ts";
import { type Provider, startProvider } from "../../support/mail-provider.ts";

const MESSAGE = {
  id: "AAAAAAAAAAAAAAAAAAAAAA",
  to: "ada@example.com",
  userId: 7,
  subject: "S",
  text: "T",
  html: "<p>H</p>",
};
const FROM = "Authority <auth@example.com>";

let provider: Provider;
beforeEach(async () => {
  provider = await startProvider();
});
afterEach(() => provider.close());

const send = () =>
  resendMailer({ transport: "resend", from: FROM, apiUrl: provider.url, apiKey: "re_test" }).send(MESSAGE, 0);

test("one POST of Resend's shape, with the key, and the mail's id to tell a repeat by", async () => {
  await send();
  const { id: key, userId: _user, to, ...rest } = MESSAGE;
  expect(provider.attempts).toEqual([
    { key, authorization: "Bearer re_test", body: { ...rest, from: FROM, to: [to] } },
  ]);
});

test.for([302, 307, 400, 401, 409, 422, 429, 500, 503])(
  "an answer of %d is a failure, named without address or text",
  async (status) => {
    provider.mood = status;
    await expect(send()).rejects.toThrow(new Error(`the mail API answered ${status}`));
    expect(provider.attempts, "and a redirect is not followed").toHaveLength(1);
  },
);

test("a provider that hangs fails in ten seconds, and the next attempt finds it recovered: one message", async () => {
  provider.mood = "hang";
  await expect(send()).rejects.toThrow();
  provider.mood = 200;
  await send();
  await send(); // as when the answer was lost
  expect(provider.attempts).toHaveLength(3);
  expect([...provider.taken.keys()]).toEqual([MESSAGE.id]);
});

test("a provider that is not there is a failure", async () => {
  await provider.close();
  await expect(send()).rejects.toThrow();
  provider = await startProvider();
});
