import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { readWebhook } from "../../schema/alert-webhook.ts";

const secret = `whsec_${randomBytes(32).toString("base64")}`;
const given = { secret, hosts: "hooks.example.com,127.0.0.1,alerts.example.com:8443", isDevelopment: false };

test("LOG-04: https to a listed host is where alerts may go", () => {
  for (const url of ["https://hooks.example.com/x?y=1", "https://alerts.example.com:8443/"]) {
    expect(readWebhook({ ...given, url })).toMatchObject({
      webhook: { url, format: "base64" },
      problems: [],
    });
  }
  expect(readWebhook({ ...given, url: "" })).toEqual({ webhook: null, problems: [] });
});

test.for([
  "http://hooks.example.com/",
  "http://127.0.0.1/",
  "https://elsewhere.example.com/",
  "https://hooks.example.com.evil.example/",
  "https://alerts.example.com/",
  "https://user:password@hooks.example.com/",
  "https://user@hooks.example.com/",
  "https://hooks.example.com/#x",
  "https://[::1]/",
  "https://2130706433.example.com/",
  "ftp://hooks.example.com/",
  "hooks.example.com",
  "//hooks.example.com",
])("LOG-04: %s is not", (url) => {
  const { webhook, problems } = readWebhook({ ...given, url });
  expect(webhook).toBeNull();
  expect(problems.map(({ setting }) => setting)).toEqual(["ALERT_WEBHOOK_URL"]);
});

test("http only to this machine, and only in development", () => {
  const local = { ...given, isDevelopment: true };
  expect(readWebhook({ ...local, url: "http://127.0.0.1:9000/hook" }).problems).toEqual([]);
  expect(readWebhook({ ...local, hosts: undefined, url: "http://localhost:9000/" }).problems).toEqual([]);
  expect(readWebhook({ ...local, url: "http://hooks.example.com/" }).problems).toHaveLength(1);
  expect(readWebhook({ ...local, url: "http://169.254.169.254/" }).problems).toHaveLength(1);
});

test.for(["", "short", "whsec_", `whsec_${randomBytes(31).toString("base64")}`, "whsec_!!!", "a".repeat(44)])(
  "%j is no secret",
  (wrong) => {
    const { problems } = readWebhook({ ...given, secret: wrong, url: "https://hooks.example.com/" });
    expect(problems.map(({ setting }) => setting)).toEqual(["ALERT_WEBHOOK_SECRET"]);
  },
);

test("hosts are names, never patterns", () => {
  const { problems } = readWebhook({ ...given, hosts: "*.example.com", url: "" });
  expect(problems.map(({ setting }) => setting)).toEqual(["ALERT_WEBHOOK_HOSTS"]);
});
