import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";
import { TEST_SECRETS } from "./tests/support/secrets.ts";

/**
 * A second Worker, bound to the entrypoint of the one under test as in production, that answers
 * what it was answered. The plugin runs the Worker under test by a name of its own, after the project's.
 */
const resourceServer = (project: string) => ({
  name: "resource-server",
  compatibilityDate: "2026-11-01",
  modules: true as const,
  script: `export default {
    async fetch(request, { AUTHORITY }) {
      const { token, tier } = await request.json();
      return Response.json(await AUTHORITY.verify(token, { tier }));
    },
  };`,
  serviceBindings: {
    AUTHORITY: { name: `vitest-plugin-runner-${project}`, entrypoint: "SessionVerifier" },
  },
});

/** Files at once. Projects that run together must agree on it, and the default differs from machine to machine. */
const MAX_WORKERS = 2;

/** No assertion: a test that hangs ends, and a slow machine fails none. */
const PATIENCE_MS = 300_000;

/** It ends everybody's sessions and every older token, so it has a world of its own. */
const REVOKE_ALL = "tests/http/revoke-all.workers.test.ts";

const inWorkerd = async (name: string, files: { include: string[]; exclude: string[] }) => ({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: { ...TEST_SECRETS, TEST_MIGRATIONS: await readD1Migrations("schema/migrations") },
        // For users who must keep the ids that Django's tokens say.
        d1Databases: ["DJANGO_DB"],
        serviceBindings: { RESOURCE_SERVER: "resource-server" },
        workers: [resourceServer(name)],
        // No test reaches the network.
        outboundService: (request: Request) => new Response(`unexpected ${request.url}`, { status: 599 }),
      },
    }),
  ],
  test: {
    name,
    ...files,
    setupFiles: ["./tests/support/setup.ts"],
    // One workerd for many files: unique names keep them apart, and 0.85 s a file are saved.
    isolate: false,
    maxWorkers: MAX_WORKERS,
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
  },
});

/** Decisions and scripts in plain node, everything that needs the platform in workerd. */
export default defineConfig(async () => ({
  test: {
    silent: "passed-only" as const,
    projects: [
      {
        test: {
          name: "node",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/**/*.workers.test.ts"],
          maxWorkers: MAX_WORKERS,
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
      await inWorkerd("workers", { include: ["tests/**/*.workers.test.ts"], exclude: [REVOKE_ALL] }),
      await inWorkerd("revoke-all", { include: [REVOKE_ALL], exclude: [] }),
    ],
  },
}));
