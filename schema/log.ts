/**
 * The logger: one JSON object a line on stdout, with these named fields and no others, so that no
 * token, password or cookie can slip in (LOG-01); JSON's own escapes keep a line one line (LOG-02).
 */
export type LogFields = {
  level: "info" | "warn" | "error";
  event: string;
  request_id?: string;
  method?: string;
  route?: string;
  status?: number;
  code?: string;
  part?: string;
  settings?: string[];
  reason?: string;
};

/** Writes one line. `at` is ISO 8601. */
export function log(at: string, fields: LogFields): void {
  // biome-ignore lint/suspicious/noConsole: the only place that may
  console.log(JSON.stringify({ at, ...fields }));
}
