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

/** What a terminal, an editor or an eye may take for the end of a line or another order of it. */
const MISLEADING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A value as JSON that is one line wherever it is shown: what JSON leaves as it is, is escaped, too. */
export function oneLine(value: unknown): string {
  return JSON.stringify(value).replace(
    MISLEADING,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Writes one line. `at` is ISO 8601. */
export function log(at: string, fields: LogFields): void {
  // biome-ignore lint/suspicious/noConsole: the only place that may
  console.log(oneLine({ at, ...fields }));
}
