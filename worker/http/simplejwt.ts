/**
 * The old names beside ours, for clients written for Django's simplejwt (`COMPAT_SIMPLEJWT=on`,
 * contract §9). What is said by ours stays as it is. Pure.
 */
import type { Refusal } from "./problems.ts";

type FieldErrors = Record<string, string[]>;

const REGISTRATION_FIELDS = ["username", "password", "password2"] as const;

/** A token pair under both names. */
export function withOldNames<Pair extends { access_token?: string; refresh_token?: string }>(pair: Pair) {
  const { access_token: access, refresh_token: refresh } = pair;
  return {
    ...pair,
    ...(access === undefined ? {} : { access }),
    ...(refresh === undefined ? {} : { refresh }),
  };
}

/** A refused registration as the Django REST framework says it: a list of sentences for each field. */
export function fieldErrors({ code, extras }: Refusal, sent: Record<string, unknown>): FieldErrors {
  switch (code) {
    case "missing_fields":
      return Object.fromEntries(
        REGISTRATION_FIELDS.flatMap((field) => {
          const sentence = absence(sent[field]);
          return sentence === null ? [] : [[field, [sentence]]];
        }),
      );
    case "password_mismatch":
      return { non_field_errors: ["Passwords do not match"] };
    case "user_exists":
      return typeof sent.email === "string" && sent.email !== ""
        ? { non_field_errors: ["User with this username or email already exists"] }
        : { username: ["A user with that username already exists."] };
    case "weak_password":
      return { password: (extras.details ?? []).filter((one) => typeof one === "string") };
    default: {
      const errors: FieldErrors = {};
      for (const one of extras.details ?? []) {
        if (typeof one !== "string") errors[one.field] = [...(errors[one.field] ?? []), one.message];
      }
      return errors;
    }
  }
}

function absence(value: unknown): string | null {
  if (value === undefined) return "This field is required.";
  if (value === null) return "This field may not be null.";
  return value === "" ? "This field may not be blank." : null;
}
