// A provider that people grant access at: OAuth 2.0 with PKCE, one person, and an API that its tokens open.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const CLIENT = { id: "engine", secret: "the-clients-own-secret" };

export function authority() {
  const codes = new Map();
  const tokens = new Set();
  const came = [];
  const answers = {
    /** What the person sees. */
    "GET /authorize": (url) => {
      const asked = Object.fromEntries(url.searchParams);
      if (asked.client_id !== CLIENT.id || asked.response_type !== "code")
        return [400, "text/plain", "who are you?"];
      if (asked.code_challenge_method !== "S256" || !asked.code_challenge)
        return [400, "text/plain", "PKCE is required"];
      const code = randomBytes(12).toString("hex");
      const back = (more) => `${asked.redirect_uri}?${new URLSearchParams({ state: asked.state, ...more })}`;
      codes.set(code, { challenge: asked.code_challenge, redirect: asked.redirect_uri });
      return [
        200,
        "text/html",
        `<!doctype html><title>Calendar</title><h1>Calendar</h1><p>The engine wants: ${asked.scope ?? ""}</p>
         <a href="${back({ code })}">Allow</a> <a href="${back({ error: "access_denied" })}">Deny</a>`,
      ];
    },
    "POST /token": (_, form) => {
      const grant = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const challenge = createHash("sha256")
        .update(form.get("code_verifier") ?? "")
        .digest("base64url");
      const isGood =
        grant &&
        grant.challenge === challenge &&
        grant.redirect === form.get("redirect_uri") &&
        form.get("client_id") === CLIENT.id &&
        form.get("client_secret") === CLIENT.secret;
      if (!isGood) return [400, "application/json", JSON.stringify({ error: "invalid_grant" })];
      const token = `access-${randomBytes(12).toString("hex")}`;
      tokens.add(`Bearer ${token}`);
      const answer = {
        access_token: token,
        refresh_token: "refresh-1",
        token_type: "Bearer",
        expires_in: 3600,
      };
      return [200, "application/json", JSON.stringify(answer)];
    },
    "GET /events": (_, __, headers) =>
      tokens.has(headers.authorization)
        ? [200, "application/json", JSON.stringify({ events: ["Lunch with Ada"] })]
        : [401, "application/json", JSON.stringify({ error: "invalid_token" })],
  };
  return new Promise((done) => {
    const server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const url = new URL(request.url, "http://peer");
      const what = `${request.method} ${url.pathname}`;
      came.push(what);
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const [status, type, body] = answers[what]?.(url, form, request.headers) ?? [404, "text/plain", ""];
      response.writeHead(status, { "content-type": type });
      response.end(body);
    }).listen(0, "127.0.0.1", () =>
      done({
        ...CLIENT,
        url: `http://127.0.0.1:${server.address().port}`,
        came,
        close: () => server.close(),
      }),
    );
  });
}
