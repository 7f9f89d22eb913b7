/** What docs/operations.md says can be done: its links, commands, events and secrets are there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { EVENT_RISKS } from "../../schema/audit-events.ts";
import { ROOT } from "../../scripts/wrangler.ts";

const text = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const scripts: Record<string, string> = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts;
const anchorsOf = (markdown: string) =>
  [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );

test("every link inside the documents leads somewhere", () => {
  const links = [...readme.matchAll(/\]\(([^):\s]+)\)/g)].map(([, link = ""]) => link);
  expect(links).toContain("docs/operations.md#what-to-watch");
  for (const link of links) {
    const [file = "", anchor] = link.split("#");
    if (file !== "") expect(existsSync(join(ROOT, file)), link).toBe(true);
    const target = file === "" ? readme : readFileSync(join(ROOT, file), "utf8");
    if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
  }
});

test("every `npm run` of it exists", () => {
  const named = [...text.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});

test("every event that an incident is read from is in the catalogue", () => {
  const incidents = text.slice(text.indexOf("## Incidents"), text.indexOf("## Growing"));
  const names = incidents.match(/`(?:user|role|email|account|api_key|mfa|password)_[a-z_]+`/g) ?? [];
  expect(names.length).toBeGreaterThan(8);
  for (const name of names) {
    const word = name.replaceAll("`", "");
    const isColumn = ["user_id", "email_key", "password_hash", "password_version"].includes(word);
    if (!isColumn) expect(Object.keys(EVENT_RISKS)).toContain(word);
  }
});

test("each secret that a deployment requires is in its table", () => {
  const { secrets } = unstable_readConfig({ config: join(ROOT, "wrangler.toml"), env: "production" });
  expect(secrets?.required).toHaveLength(3);
  for (const name of secrets?.required ?? []) expect(text).toContain(`| \`${name}\``);
});
