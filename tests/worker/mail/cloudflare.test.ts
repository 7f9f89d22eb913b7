/** Cloudflare's binding: what it is given, and what of its complaints is told. */
import { expect, test } from "vitest";
import { cloudflareMailer } from "../../../worker/mail/cloudflare.ts";

const MESSAGE = {
  id: "AAAAAAAAAAAAAAAAAAAAAA",
  to: "ada@example.com",
  userId: 7,
  subject: "S",
  text: "T",
  html: "<p>H</p>",
};
const { id: _id, userId: _user, ...FIELDS } = MESSAGE;

test.for([
  ["auth@example.com", "auth@example.com"],
  ["Session Authority <auth@example.com>", { name: "Session Authority", email: "auth@example.com" }],
] as const)("the sender %s is handed over as the binding wants it", async ([from, sender]) => {
  const sent: unknown[] = [];
  const binding = { send: async (message: unknown) => void sent.push(message) };
  await cloudflareMailer(binding as never, from).send(MESSAGE, 0);
  expect(sent).toEqual([{ from: sender, ...FIELDS }]);
});

test("LOG-01: a refusal is a failure, told by its code and without the address that its sentence names", async () => {
  const refusal = Object.assign(new Error("ada@example.com is not verified"), {
    code: "E_RECIPIENT_NOT_ALLOWED",
  });
  const binding = { send: () => Promise.reject(refusal) };
  const sending = cloudflareMailer(binding as never, "auth@example.com").send(MESSAGE, 0);
  await expect(sending).rejects.toThrow(new Error("the mail binding refused: E_RECIPIENT_NOT_ALLOWED"));
});
