// What every story needs: the real engine, built editor and all, a Chromium, and systems for workflows to talk to.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const backend = resolve(import.meta.dirname, "../../backend/workflow_engine");
const bin = join(process.env.VIRTUAL_ENV ?? join(backend, ".venv"), "bin");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = process.env.SHOTS;
if (SHOTS) mkdirSync(SHOTS, { recursive: true });

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** A server that answers as `routes` say, by "VERB /path"; remembers what it was asked. */
export function peer(routes) {
  const seen = [];
  return new Promise((done) => {
    const server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const path = request.url.split("?")[0];
      const call = {
        verb: request.method,
        path,
        url: request.url,
        body: text ? JSON.parse(text) : undefined,
      };
      seen.push(call);
      const handler = routes[`${request.method} ${path}`];
      const answer = handler ? await handler(call) : { status: 404, body: { why: "no such place" } };
      response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer.body ?? {}));
    }).listen(0, "127.0.0.1", () =>
      done({ url: `http://127.0.0.1:${server.address().port}`, seen, close: () => server.close() }),
    );
  });
}

export async function engine(environment = {}) {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const said = [];
  const child = spawn(join(bin, "workflow-engine"), ["serve"], {
    cwd: folder,
    env: {
      ...process.env,
      DATA_DIR: folder,
      DATABASE_URL: "",
      GRPC_PORT: "0",
      HTTP_PORT: String(port),
      EGRESS_ALLOW: "127.0.0.0/8",
      SECRET_KEY: "0123456789abcdef0123456789abcdef0123456789abcdef",
      LOG_LEVEL: "INFO",
      ...environment,
    },
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => said.push(String(data)));
  for (let turn = 0; ; turn++) {
    const up = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (up) break;
    if (turn > 300 || child.exitCode !== null) throw new Error(`the engine did not start:\n${said.join("")}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  let headers = {};
  return {
    url,
    said,
    /** Calls the API as the story's author, not through the editor. */
    async api(verb, path, body) {
      const answer = await fetch(url + path, {
        method: verb,
        headers: { "content-type": "application/json", ...headers },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${verb} ${path}: ${answer.status} ${text}`);
      return text ? JSON.parse(text) : {};
    },
    as(more) {
      headers = more;
    },
    async close() {
      child.kill("SIGTERM");
      await new Promise((done) => child.once("exit", done));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function browser() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath))
    throw new Error(`there is no Chromium at ${executablePath}; CHROMIUM says where it is`);
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page whose mistakes fail the story. */
export async function page(context, url) {
  const made = await context.newPage();
  made.setDefaultTimeout(10_000);
  const mistakes = [];
  made.on("pageerror", (error) => mistakes.push(error.message));
  made.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      mistakes.push(message.text());
  });
  await made.goto(url);
  made.mistakes = mistakes;
  return made;
}

/** Keeps how all pages look after a story, in the folder that SHOTS names. */
export async function shot(context, name) {
  if (!SHOTS) return;
  for (const [index, each] of context.pages().entries())
    await each.screenshot({ path: join(SHOTS, `${name.replace(/\W+/g, "-").slice(0, 60)}-${index}.png`) });
}

/** What axe finds wrong, in words. */
export async function accessibility(on) {
  await on.evaluate(`if (!window.axe) { ${axe} }`);
  const { violations } = await on.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
  );
  return violations.map(
    (each) =>
      `${each.id}: ${each.help}\n  ${each.nodes
        .slice(0, 4)
        .map((node) => `${node.html.slice(0, 160)} ${node.failureSummary?.split("\n")[1] ?? ""}`)
        .join("\n  ")}`,
  );
}

/** A provider that speaks OpenAI's wire format and answers from a script: text, or arguments of the tool it shall call. */
export function model() {
  const script = [];
  const asked = [];
  return new Promise((done) => {
    const server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
      asked.push(body);
      const move = script.shift() ?? "The script is over.";
      const head = { id: `chatcmpl-${asked.length}`, created: 1_750_000_000, model: body.model };
      const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
      if (body.stream) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        const say = (delta, finish = null) =>
          response.write(
            `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
          );
        say({ role: "assistant", content: "" });
        for (const word of move.match(/\S+\s*/g)) say({ content: word });
        say({}, "stop");
        response.write(
          `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [], usage })}\n\n`,
        );
        response.end("data: [DONE]\n\n");
        return;
      }
      const message =
        typeof move === "string"
          ? { role: "assistant", content: move }
          : {
              role: "assistant",
              content: null,
              tool_calls: [
                {
                  id: `call_${asked.length}`,
                  type: "function",
                  function: { name: "final_answer", arguments: JSON.stringify(move) },
                },
              ],
            };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          ...head,
          object: "chat.completion",
          choices: [{ index: 0, message, finish_reason: typeof move === "string" ? "stop" : "tool_calls" }],
          usage,
        }),
      );
    }).listen(0, "127.0.0.1", () =>
      done({
        asked,
        plays: (...moves) => script.push(...moves),
        environment: {
          AI_MODEL: "openai:gpt-5.6-luna",
          OPENAI_API_KEY: "sk-test-0123456789",
          OPENAI_BASE_URL: `http://127.0.0.1:${server.address().port}/v1`,
        },
        close: () => server.close(),
      }),
    );
  });
}
