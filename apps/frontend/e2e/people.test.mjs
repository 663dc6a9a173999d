// A person signs in, a webhook comes, somebody approves, and the assistant adds a step.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { asked, create, idOf, leave, saved, write } from "./hands.mjs";
import { accessibility, browser, engine, model, page, shot } from "./world.mjs";

const EMAIL = "ada@example.com";
const PASSWORD = "correct horse battery";

let chromium;
let server;
let context;
let writer;
let on;

before(async () => {
  writer = await model();
  server = await engine({ ADMIN_EMAIL: EMAIL, ADMIN_PASSWORD: PASSWORD, ...writer.environment });
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
});

after(async () => {
  await chromium?.close();
  await server?.close();
  writer?.close();
});

afterEach((test) => shot(context, test.name));

describe("a server with users", () => {
  it("lets nobody in without a password", async () => {
    on = await page(context, `${server.url}/executions`);
    await on.getByRole("heading", { name: "Workflow Engine" }).waitFor();
    await on.getByLabel("E-mail").fill(EMAIL);
    await on.getByLabel("Password").fill("wrong");
    await on.getByRole("button", { name: "Sign in" }).click();
    await on.getByRole("alert").waitFor();
    await on.getByLabel("Password").fill(PASSWORD);
    await on.getByRole("button", { name: "Sign in" }).click();
    await on.getByRole("heading", { name: "Executions", level: 1 }).waitFor();
  });

  it("makes an API key that works, shows it once, and takes it back", async () => {
    await on.goto(`${server.url}/settings/keys`);
    await on.getByRole("button", { name: "New key" }).click();
    await on.getByLabel("What it is for").fill("deploys");
    await on.getByRole("button", { name: "Create" }).click();
    const key = (await on.locator(".secret span").textContent()).trim();
    const answer = await fetch(`${server.url}/v1/workflows`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(answer.status, 200);
    await on.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await on.getByRole("button", { name: "Revoke deploys" }).click();
    await on.getByText("There are none yet.").waitFor();
    const refused = await fetch(`${server.url}/v1/workflows`, {
      headers: { authorization: `Bearer ${key}` },
    });
    assert.equal(refused.status, 401);
    await on.goto(`${server.url}/settings/audit`);
    await on.getByRole("cell", { name: "RevokeApiKey" }).first().waitFor();
  });

  it("shares what belongs to a project with its members, and with nobody else", async () => {
    const grace = { email: "grace@example.com", name: "Grace Hopper", password: PASSWORD };
    await asked(on, "POST", "/v1/users", { ...grace, roles: ["ROLE_EDITOR"] });
    await on.goto(`${server.url}/settings/projects`);
    await on.getByRole("button", { name: "New project" }).click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("Name").fill("Billing");
    await dialog.getByLabel("Grace Hopper").check();
    assert.deepEqual(await accessibility(on), []);
    await dialog.getByRole("button", { name: "Save" }).click();
    await on.getByRole("cell", { name: "Grace Hopper" }).waitFor();
    assert.deepEqual(await accessibility(on), []);

    await on.goto(`${server.url}/`);
    await on.getByRole("button", { name: "New workflow" }).first().click();
    await on.getByLabel("Name").fill("Invoices");
    await on.getByLabel("Belongs to").selectOption("Billing");
    await on.getByRole("button", { name: "Create" }).click();
    await on.locator(".node").first().waitFor();

    const hers = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
    const other = await page(hers, server.url);
    await other.getByLabel("E-mail").fill(grace.email);
    await other.getByLabel("Password").fill(grace.password);
    await other.getByRole("button", { name: "Sign in" }).click();
    await other.getByRole("row", { name: /Invoices Billing/ }).waitFor();

    await on.getByRole("button", { name: "More" }).click();
    await on.getByRole("menuitem", { name: "Workflow settings" }).click();
    await on.getByLabel("Belongs to").selectOption("Me");
    await on.getByRole("button", { name: "Apply" }).click();
    await saved(on);
    await other.reload();
    await other.getByText("Your first workflow").waitFor();
    assert.deepEqual(other.mistakes, []);
    await hers.close();
  });

  it("is published with a webhook; a call starts it, and an answer in the inbox finishes it", async () => {
    await on.goto(`${server.url}/`);
    await create(on, "Refunds");
    await on.locator(".node").first().click();
    await on.keyboard.press("Delete");
    await on.keyboard.press("a");
    await on.keyboard.type("webhook");
    await on
      .getByRole("option", { name: /^Webhook/ })
      .first()
      .click();
    await write(on, "Path", "refunds");
    await leave(on);
    await on.locator('.node[data-node="webhook"]').click();
    await saved(on);
    // The draft listens once, before anything is published.
    await on.getByRole("button", { name: "Listen for a test call" }).click();
    const test = (await on.locator(".testurl").textContent()).trim();
    const tried = await fetch(test, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"order": "0"}',
    });
    assert.ok(tried.ok, String(tried.status));
    await on.locator('.node[data-node="webhook"][data-look="succeeded"]').waitFor();
    await on.keyboard.press("a");
    await on.keyboard.type("approval");
    await on
      .getByRole("option", { name: /^Approval/ })
      .first()
      .click();
    await write(on, "Title", "Refund {{ json.body.order }}?");
    await saved(on);
    await on.getByRole("button", { name: "Publish" }).click();
    await on.getByRole("dialog").getByRole("button", { name: "Publish" }).click();
    await on.getByText("Version 1 is live").first().waitFor();

    await on.goto(`${server.url}/triggers`);
    await on.locator("tbody button", { hasText: "Webhook" }).click();
    const hook = (await on.locator(".secret span").textContent()).trim();
    const called = await fetch(hook, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ order: "4711" }),
    });
    assert.equal(called.status, 202);
    await on.getByRole("tab", { name: "What it did" }).click();
    await on.getByRole("dialog").getByText("Started").waitFor();
    await on.getByRole("dialog").getByRole("button", { name: "Close" }).click();

    await on.getByRole("link", { name: /Inbox/ }).click();
    await on.getByText("Refund 4711?").first().click();
    await on.getByLabel("Comment").fill("Of course.");
    await on.getByRole("button", { name: "Approve" }).click();
    await on.locator(".task .badge", { hasText: "Answered" }).waitFor();
    await on.getByRole("link", { name: "Open the execution" }).click();
    await on.locator(".topbar .badge", { hasText: "Succeeded" }).waitFor();
  });

  it("adds the step that the assistant is asked for, once a person has looked at it", async () => {
    const { workflow } = await asked(on, "POST", "/v1/workflows", {
      name: "Orders",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual", position: { x: 0, y: 0 } },
          {
            id: "check",
            name: "Large?",
            type: "flow.if",
            position: { x: 300, y: 0 },
            parameters: { condition: "{{ json.total > 100 }}" },
          },
        ],
        connections: [{ fromNode: "start", toNode: "check" }],
      },
    });
    const set = (id, text) => ({
      id,
      name: id,
      type: "flow.set",
      parameters: { assignments: [{ name: "note", value: text }] },
    });
    writer.plays(
      { steps: ["Note it."], node_types: ["flow.set"], questions: [] },
      {
        name: "Orders",
        explanation: "Large orders are called, small ones are noted.",
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual", parameters: {} },
          {
            id: "check",
            name: "Large?",
            type: "flow.if",
            parameters: { condition: "{{ json.total > 100 }}" },
          },
          set("call", "call them"),
          set("leave", "leave them"),
        ],
        connections: [
          { from_node: "start", to_node: "check" },
          { from_node: "check", from_port: "true", to_node: "call" },
          { from_node: "check", from_port: "false", to_node: "leave" },
        ],
        sample_input: { total: 120 },
      },
    );
    await on.goto(`${server.url}/workflows/${workflow.id}`);
    await on.locator(".node").nth(1).waitFor();
    await on.keyboard.press("Control+j");
    await on.getByLabel("Message").fill("Call customers with large orders and note the others");
    await on.keyboard.press("Enter");
    await on.getByText("Large orders are called, small ones are noted.").waitFor();
    await on.locator('.node.proposed-add[data-node="call"]').waitFor();
    // One of the two is not wanted, and its connection goes with it.
    const review = on.getByRole("region", { name: "Proposed changes" });
    await review.locator("label", { hasText: "leave" }).first().getByRole("checkbox").uncheck();
    assert.equal(await on.locator('.node[data-node="leave"]').count(), 0);
    await review.getByRole("button", { name: "Accept 2" }).click();
    await saved(on);
    const stored = await asked(on, "GET", `/v1/workflows/${idOf(on)}`);
    assert.deepEqual(
      stored.workflow.nodes.map((node) => node.id),
      ["start", "check", "call"],
    );
    assert.equal(stored.workflow.connections.length, 2);
    // It is an edit like any other.
    await on.locator(".react-flow__pane").click({ position: { x: 40, y: 400 } });
    await on.keyboard.press("Control+z");
    await on.locator('.node[data-node="call"]').waitFor({ state: "detached" });
    assert.deepEqual(on.mistakes, []);
  });

  it("answers questions as the words come", async () => {
    writer.plays("A loop repeats the nodes of its body.");
    await on.getByRole("radio", { name: "Ask" }).click();
    await on.getByLabel("Message").fill("What is a loop?");
    await on.keyboard.press("Enter");
    await on.getByText("A loop repeats the nodes of its body.").waitFor();
  });

  it("lets the person out again", async () => {
    await on.goto(`${server.url}/settings/account`);
    await on.getByRole("button", { name: "Sign out" }).click();
    await on.getByLabel("Password", { exact: true }).waitFor();
    assert.deepEqual(on.mistakes, []);
  });
});
