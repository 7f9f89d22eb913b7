/** What is written to people. */
import { describe, expect, test } from "vitest";
import type { MailedPurpose, NoticeKind } from "../../../schema/mail.ts";
import { writeLink, writeNotice } from "../../../worker/mail/messages.ts";

const TOKEN = "t".repeat(43);
const facts = { username: "ada", appOrigin: "https://app.example.com", token: TOKEN, ttlSeconds: 3600 };
const PURPOSES: MailedPurpose[] = ["password_reset", "account_unlock", "email_verify", "email_change"];
const NOTICES: NoticeKind[] = [
  "password_was_reset",
  "password_changed",
  "email_change_asked",
  "email_changed",
  "mfa_enabled",
  "mfa_disabled",
  "recovery_code_used",
  "api_key_created",
];

describe("links", () => {
  test.for(PURPOSES)(
    "RST-04: %s: the token is in the fragment, once in the text, and nowhere in the subject",
    (purpose) => {
      const { subject, text, html } = writeLink(purpose, facts);
      const [link] = /https:\/\/\S+/.exec(text) ?? [];
      const url = new URL(link ?? "");
      expect(url.origin).toBe(facts.appOrigin);
      expect(url.hash).toBe(`#token=${TOKEN}`);
      expect(url.pathname + url.search).not.toContain(TOKEN);
      expect(text.split(TOKEN)).toHaveLength(2);
      expect(html).toContain(`<a href="${link}">${link}</a>`);
      expect(subject).not.toContain(TOKEN);
      expect(text).toContain("Hello ada,");
      expect(text).toContain("once, for at most 1 hour.");
    },
  );

  test.for([
    [60, "1 minute"],
    [90, "90 seconds"],
    [7200, "2 hours"],
    [86_400, "1 day"],
    [5400, "90 minutes"],
  ] as const)("a life of %d seconds is told as %s", ([ttlSeconds, words]) => {
    expect(writeLink("password_reset", { ...facts, ttlSeconds }).text).toContain(`for at most ${words}.`);
  });
});

describe("notices", () => {
  test.for(NOTICES)("%s: says when, and has no link", (kind) => {
    const { text, html } = writeNotice(kind, { username: "ada", at: 1_800_000_000 });
    expect(text).toContain("2027-01-15T08:00:00.000Z");
    expect(text + html).not.toMatch(/https?:|href/);
  });
});

test("a name that reads like markup is shown and not obeyed", () => {
  const username = `<img src=x onerror="a&b('c')">`;
  const { subject, html } = writeNotice("password_changed", { username, at: 0 });
  expect(html).not.toContain("<img");
  expect(html).toContain("&lt;img src=x onerror=&quot;a&amp;b(&#39;c&#39;)&quot;&gt;");
  expect(subject).toBe("Your password was changed");
});
