declare namespace Cloudflare {
  interface Env {
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    JWT_SIGNING_KEYS: string;
    REFRESH_TOKEN_SECRET: string;
    ADMIN_TOKEN: string;
  }
}
