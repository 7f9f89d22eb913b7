/** A mail provider of Resend's shape, over real HTTP: it can fail, hang and recover. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Sent = {
  key: string;
  authorization: string;
  body: { from: string; to: string[]; subject: string; text: string; html: string };
};
/** A status to answer with, or to take what is sent and never answer. */
export type Mood = number | "hang";

export type Provider = {
  url: string;
  /** What it will do from now on. */
  mood: Mood;
  /** Every attempt. */
  attempts: Sent[];
  /** What it has taken, once a key, as a provider does that honours `Idempotency-Key`. */
  taken: Map<string, Sent>;
  close: () => Promise<void>;
};

/** Starts one on a free port. */
export async function startProvider(): Promise<Provider> {
  const hanging = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const sent: Sent = {
        key: String(request.headers["idempotency-key"]),
        authorization: String(request.headers.authorization),
        body: JSON.parse(Buffer.concat(chunks).toString("utf8")),
      };
      provider.attempts.push(sent);
      if (provider.mood === "hang") {
        hanging.add(response);
        return;
      }
      if (provider.mood === 200) provider.taken.set(sent.key, provider.taken.get(sent.key) ?? sent);
      response.writeHead(provider.mood, { "Content-Type": "application/json", Location: "/elsewhere" });
      response.end(JSON.stringify({ id: sent.key }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const provider: Provider = {
    url: `http://127.0.0.1:${port}/emails`,
    mood: 200,
    attempts: [],
    taken: new Map(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}
