/**
 * Every message that the service sends, in plain text and in the same words as simple HTML. Pure.
 * A token is in the fragment of a link, which no browser sends to any server or referrer (RST-04).
 */
import type { MailedPurpose, NoticeKind } from "../../schema/mail.ts";
import { type NumericDate, toIso } from "../../schema/time.ts";

/** What a message says, but for whom it greets. */
type Words = { subject: string; before: string[]; after: string[] };
export type Written = { subject: string; text: string; html: string };

const LINKS: Record<MailedPurpose, Words & { path: string }> = {
  password_reset: {
    subject: "Reset your password",
    path: "/reset-password",
    before: ["A new password was asked for on your account. Choose one here:"],
    after: ["If it was not you, do nothing: your password stays as it is."],
  },
  account_unlock: {
    subject: "Your account is locked",
    path: "/unlock-account",
    before: [
      "Too many wrong passwords were tried on your account, so it is locked for clients that it does not know. Where you are signed in, you stay so. If it was you, unlock it here:",
    ],
    after: ["If it was not you, there is nothing to do: none of the passwords was let through."],
  },
  email_verify: {
    subject: "Confirm your email address",
    path: "/verify-email",
    before: ["Please confirm that this is the address of your account:"],
    after: ["If you know of no such account, do nothing."],
  },
  email_change: {
    subject: "Confirm your new email address",
    path: "/verify-email",
    before: ["This is to become the new address of your account. It does once you confirm it here:"],
    after: ["If you did not ask for it, do nothing: nothing changes."],
  },
};

const REACT = "If it was not you, reset your password at once, and see which sessions are yours.";

const NOTICES: Record<NoticeKind, Words> = {
  password_was_reset: {
    subject: "Your password was reset",
    before: [
      "The password of your account was reset by a link that was mailed to you. Every session has ended.",
    ],
    after: [REACT],
  },
  password_changed: {
    subject: "Your password was changed",
    before: ["The password of your account was changed. Every other session has ended."],
    after: [REACT],
  },
  email_change_asked: {
    subject: "Your email address is about to change",
    before: [
      "Someone who is signed in to your account and knows its password asked to change its address. It changes once the new address is confirmed.",
    ],
    after: ["If it was not you, change your password at once: then nothing comes of it."],
  },
  email_changed: {
    subject: "Your email address was changed",
    before: ["Your account has a new address, and this one is not in use any more."],
    after: ["If it was not you, tell those who run this service at once."],
  },
  mfa_enabled: {
    subject: "A second factor was added to your account",
    before: ["Signing in to your account now takes a code of an authenticator as well."],
    after: [
      "If it was not you, reset your password at once and tell those who run this service: the reset leaves the second factor on.",
    ],
  },
  mfa_disabled: {
    subject: "The second factor of your account was removed",
    before: ["Signing in to your account now takes the password alone. Its recovery codes are dead."],
    after: [REACT],
  },
  recovery_code_used: {
    subject: "A recovery code was used to sign in",
    before: [
      "Somebody signed in to your account by its password and one of its recovery codes, which is used up now.",
    ],
    after: [REACT],
  },
  api_key_created: {
    subject: "An API key was made for your account",
    before: [
      "Whoever holds it may do on your account what it is allowed to, with no password, until it is revoked.",
    ],
    after: ["If it was not you, revoke the key and reset your password at once: a reset leaves keys alive."],
  },
};

/** A message with a link. `ttlSeconds`: how long the link is good from its first attempt on. */
export function writeLink(
  purpose: MailedPurpose,
  { username, appOrigin, token, ttlSeconds }: LinkFacts,
): Written {
  const words = LINKS[purpose];
  const link = `${appOrigin}${words.path}#token=${token}`;
  const once = `The link is good once, for at most ${durationOf(ttlSeconds)}.`;
  return write({ ...words, after: [once, ...words.after] }, username, link);
}
export type LinkFacts = { username: string; appOrigin: string; token: string; ttlSeconds: number };

/** A message that tells of what has happened, at `at`. */
export function writeNotice(kind: NoticeKind, facts: { username: string; at: NumericDate }): Written {
  const words = NOTICES[kind];
  const when = `It happened at ${toIso(facts.at)}.`;
  return write({ ...words, before: [...words.before, when] }, facts.username, null);
}

function write({ subject, before, after }: Words, username: string, link: string | null): Written {
  const greeting = `Hello ${username},`;
  const lines = [greeting, ...before, ...(link === null ? [] : [link]), ...after];
  const html = [
    paragraph(escaped(greeting)),
    ...before.map((line) => paragraph(escaped(line))),
    ...(link === null ? [] : [paragraph(`<a href="${escaped(link)}">${escaped(link)}</a>`)]),
    ...after.map((line) => paragraph(escaped(line))),
  ];
  return {
    subject,
    text: `${lines.join("\n\n")}\n`,
    html: `<!doctype html>\n<html lang="en"><body>\n${html.join("\n")}\n</body></html>\n`,
  };
}

const paragraph = (html: string): string => `<p>${html}</p>`;

/** Imported user names may hold anything. */
function escaped(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

function durationOf(seconds: number): string {
  const units: [string, number][] = [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  const [name, size] = units.find(([, one]) => seconds >= one && seconds % one === 0) ?? ["second", 1];
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
