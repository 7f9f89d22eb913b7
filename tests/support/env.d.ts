declare namespace Cloudflare {
  interface Env {
    DJANGO_DB: D1Database;
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    JWT_SIGNING_KEYS: string;
    REFRESH_TOKEN_SECRET: string;
    DATA_ENCRYPTION_KEY: string;
    ADMIN_TOKEN: string;
  }
}

declare module "*.md?raw" {
  const text: string;
  export default text;
}
