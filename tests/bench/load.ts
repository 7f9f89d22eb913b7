/** The client: closed loops over keep-alive connections, and what each answer took. */
import { Agent, request } from "node:http";

export type Call = {
  method: "GET" | "POST" | "DELETE";
  path: string;
  token?: string;
  address?: string;
  body?: unknown;
};
/** One request of a loop. `done` sees the answer after its time was taken. */
export type Step = { call: Call; done?: (body: string) => void };
/** A user who asks the next thing as soon as the last was answered; null when there is nothing left. */
export type Loop = () => Step | null;

export type Slice = { latenciesMs: number[]; elapsedMs: number };

const SOCKETS_MAX = 256;
const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

/** Runs all loops at once until `forMs` have passed or they have nothing left. Any refusal is an error. */
export async function drive(origin: string, loops: readonly Loop[], forMs: number): Promise<Slice> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const run = async (loop: Loop): Promise<void> => {
    for (;;) {
      const step = performance.now() - startMs < forMs ? loop() : null;
      if (step === null) return;
      const askedMs = performance.now();
      const body = await ask(origin, step.call);
      latenciesMs.push(performance.now() - askedMs);
      step.done?.(body);
    }
  };
  await Promise.all(loops.map(run));
  return { latenciesMs, elapsedMs: performance.now() - startMs };
}

/** The body of a 2xx answer; rejects on any other. */
export function ask(origin: string, call: Call): Promise<string> {
  const { method, path, token, address, body } = call;
  const content = body === undefined ? null : JSON.stringify(body);
  const { hostname, port } = new URL(origin);
  const headers = {
    ...(address === undefined ? {} : { "CF-Connecting-IP": address }),
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(content === null
      ? {}
      : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(content) }),
  };
  return new Promise((resolve, reject) => {
    const asked = request({ agent, hostname, port, method, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.once("error", reject);
      response.once("end", () => {
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) resolve(text);
        else reject(new Error(`${method} ${path} answered ${statusCode}: ${text.slice(0, 300)}`));
      });
    });
    asked.once("error", reject);
    asked.end(content);
  });
}

/** Ends the connections, so that the process can. */
export function hangUp(): void {
  agent.destroy();
}
