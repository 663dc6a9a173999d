// Ways to begin: a template, a description in one's own words, access that a person grants, a schedule that is caught up.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { authority } from "./authority.mjs";
import { choose, create, idOf, leave, node, saved, write } from "./hands.mjs";
import { accessibility, browser, engine, model, page, peer, shot } from "./world.mjs";

let chromium;
let server;
let world;
let writer;
let calendar;
let context;
let on;

before(async () => {
  world = await peer({
    "GET /forecast": () => ({
      body: { daily: { precipitation_probability_max: [80], temperature_2m_max: [19.5] } },
    }),
    "POST /team": (call) => ({ body: { told: call.body } }),
  });
  writer = await model();
  calendar = await authority();
  server = await engine(writer.environment);
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
  on = await page(context, server.url);
});

after(async () => {
  await chromium?.close();
  await server?.close();
  for (const each of [world, writer, calendar]) each?.close();
});

afterEach((test) => shot(context, test.name));

describe("a new server", () => {
  it("shows the ways to begin, and each open end shows how to go on", async () => {
    await on.getByRole("button", { name: /Start from a template/ }).waitFor();
    assert.deepEqual(await accessibility(on), []);
    await on.getByRole("button", { name: /Build it step by step/ }).click();
    await on.getByLabel("Name").fill("Forecast");
    await on.getByRole("button", { name: "Create" }).click();
    await on.getByRole("button", { name: "Add after Start" }).click();
    await on
      .getByRole("option", { name: /^HTTP request/ })
      .first()
      .click();
    await write(on, "URL", `${world.url}/forecast`);
    assert.equal(await on.locator(".react-flow__edge").count(), 1);
    await on.getByRole("button", { name: "Add after HTTP request" }).click();
    await on.getByRole("option", { name: /^If/ }).first().click();
    await node(on, "If").waitFor();
    assert.equal(await on.locator(".react-flow__edge").count(), 2);
    await on.getByRole("button", { name: "Add after If, false" }).waitFor();
    assert.equal(await on.getByRole("button", { name: "Add after HTTP request" }).count(), 0);
    await leave(on);
    await saved(on);
  });
});

describe("the gallery", () => {
  it("is searched; a template is looked at, taken, given its addresses, and runs", async () => {
    await on.getByRole("link", { name: "Templates" }).click();
    await on.locator(".template").nth(11).waitFor();
    await on.getByLabel("Search templates…").fill("forecast");
    assert.equal(await on.locator(".template").count(), 1);
    await on.getByRole("button", { name: /Weather alert/ }).click();
    const dialog = on.getByRole("dialog");
    await dialog.getByText("Tell the team").waitFor();
    await dialog.getByText("weather_url").waitFor();
    await dialog.getByLabel("Rain percent").fill("70");
    await dialog.getByRole("button", { name: "Use this template" }).click();
    await on.locator('.node[data-node="rainy"]').waitFor();
    assert.equal(await on.locator(".node").count(), 7);

    await on.getByRole("button", { name: "More" }).click();
    await on.getByRole("menuitem", { name: "Workflow settings" }).click();
    await on.getByRole("dialog").getByText('"rain_percent": 70').waitFor();
    await on.getByRole("dialog").getByLabel("Constants").click();
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText(
      JSON.stringify({
        weather_url: `${world.url}/forecast`,
        latitude: 52.52,
        longitude: 13.41,
        rain_percent: 60,
        notify_url: `${world.url}/team`,
      }),
    );
    await on.getByRole("dialog").getByRole("button", { name: "Apply" }).click();
    await saved(on);
    await on.getByRole("button", { name: "Run with data…" }).click();
    await on.getByRole("dialog").getByLabel("Start at").selectOption({ label: "By hand" });
    await on.getByRole("dialog").getByRole("button", { name: "Run" }).click();
    await on.locator('.node[data-node="tell"][data-look="succeeded"]').waitFor();
    assert.equal(await on.locator('.node[data-node="dry"]').getAttribute("data-look"), "skipped");
    const told = world.seen.find((call) => call.path === "/team");
    assert.match(told.body.text, /Take an umbrella: rain is 80 % likely/);
  });
});

describe("a description", () => {
  const drawing = (limit) => ({
    name: "Large orders",
    description: "Marks large orders.",
    explanation: `Orders from ${limit} on are marked.`,
    nodes: [
      { id: "start", name: "Start", type: "trigger.manual", parameters: {} },
      {
        id: "large",
        name: "Large?",
        type: "flow.if",
        parameters: { condition: `{{ json.total >= ${limit} }}` },
      },
      {
        id: "mark",
        name: "Mark it",
        type: "flow.set",
        parameters: { assignments: [{ name: "mark", value: "large" }] },
      },
    ],
    connections: [
      { from_node: "start", to_node: "large" },
      { from_node: "large", from_port: "true", to_node: "mark" },
    ],
    sample_input: { total: 120 },
  });

  it("is asked about, drawn, drawn anew, and kept only when it is accepted", async () => {
    const count = async () => (await server.api("GET", "/v1/workflows")).workflows.length;
    const before = await count();
    await on.goto(server.url);
    await on.getByRole("button", { name: "Describe" }).click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("Description").fill("Mark large orders");
    writer.plays({
      steps: ["Mark them."],
      node_types: ["flow.if", "flow.set"],
      questions: [{ key: "limit", question: "From which total on?" }],
    });
    await dialog.getByRole("button", { name: "Draw it" }).click();
    await dialog.getByLabel("From which total on?").fill("100");
    const plan = { steps: ["Mark them."], node_types: ["flow.if", "flow.set"], questions: [] };
    writer.plays(plan, drawing(100));
    await dialog.getByRole("button", { name: "Draw it" }).click();
    const proposed = dialog.getByRole("region", { name: "Proposed workflow" });
    await proposed.getByText("Orders from 100 on are marked.").waitFor();
    await proposed.getByText("Large?").waitFor();
    assert.match(JSON.stringify(writer.asked.at(-1).messages), /limit: 100/);
    writer.plays(plan, drawing(200));
    await dialog.getByRole("button", { name: "Draw it anew" }).click();
    await proposed.getByText("Orders from 200 on are marked.").waitFor();
    assert.equal(await count(), before, "nothing is stored before it is accepted");

    await dialog.getByRole("button", { name: "Save as draft" }).click();
    await on.locator('.node[data-node="mark"]').waitFor();
    assert.equal(await count(), before + 1);
    await on.getByRole("button", { name: "Run with data…" }).click();
    await on.getByRole("dialog").getByLabel("Data").click();
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText('{"total": 250}');
    await on.getByRole("dialog").getByRole("button", { name: "Run" }).click();
    await on.locator('.node[data-node="mark"][data-look="succeeded"]').waitFor();
  });

  it("that no workflow comes of says so", async () => {
    await on.goto(server.url);
    await on.getByRole("button", { name: "Describe" }).click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("Description").fill("Do magic");
    writer.plays({ steps: ["Magic."], node_types: ["flow.if"], questions: [] });
    const nonsense = { ...drawing(1), connections: [{ from_node: "start", to_node: "nowhere" }] };
    writer.plays(...Array(5).fill(nonsense));
    await dialog.getByRole("button", { name: "Draw it" }).click();
    await dialog.getByText("no valid workflow came of it").waitFor();
    assert.equal(await dialog.getByRole("button", { name: "Save as draft" }).count(), 0);
    await on.keyboard.press("Escape");
  });
});

describe("a credential that a person grants", () => {
  it("is not connected when the person says no", async () => {
    await on.getByRole("link", { name: "Credentials" }).click();
    await on.getByRole("button", { name: "New credential" }).first().click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("Kind").selectOption("oauth2");
    await dialog.getByLabel("Name").fill("Calendar");
    await dialog.getByRole("button", { name: /more options/ }).click();
    for (const [label, text] of [
      ["Client id", calendar.id],
      ["Client secret", calendar.secret],
      ["Authorization url", `${calendar.url}/authorize`],
      ["Token url", `${calendar.url}/token`],
    ])
      await dialog.getByLabel(label).fill(text);
    const coming = context.waitForEvent("page");
    await dialog.getByRole("button", { name: "Save and connect" }).click();
    const provider = await coming;
    await provider.getByRole("heading", { name: "Calendar" }).waitFor();
    assert.equal(await provider.evaluate(() => window.opener), null, "it has no hold of the editor");
    await provider.getByRole("link", { name: "Deny" }).click();
    await provider.getByText("Access was not granted").waitFor();
    await provider.close();
    await on.reload();
    await on
      .getByRole("row", { name: /Calendar/ })
      .getByText("Not connected")
      .waitFor();
  });

  it("is connected when the person allows it, and opens what it was granted for", async () => {
    await on.getByRole("button", { name: "Actions for Calendar" }).click();
    const coming = context.waitForEvent("page");
    await on.getByRole("menuitem", { name: "Connect" }).click();
    const provider = await coming;
    await provider.getByRole("link", { name: "Allow" }).click();
    await provider.getByText("Calendar is connected").waitFor();
    await provider.close();
    await on
      .getByRole("row", { name: /Calendar/ })
      .getByText("Connected", { exact: true })
      .waitFor();
    assert.ok(calendar.came.includes("POST /token"));

    await on.getByRole("link", { name: "Workflows" }).click();
    await create(on, "Lunch");
    await on.locator(".node").first().click();
    await on.keyboard.press("a");
    await choose(on, "HTTP request");
    await write(on, "URL", `${calendar.url}/events`);
    await on
      .locator(".inspector")
      .getByLabel("Credential", { exact: true })
      .selectOption({ label: "Calendar · OAuth 2.0" });
    await saved(on);
    await on.getByRole("button", { name: "Run", exact: true }).click();
    await on.locator('.node[data-node="http_request"][data-look="succeeded"]').waitFor();
    await node(on, "HTTP request").click();
    await on.getByRole("tab", { name: "Data" }).click();
    await on.getByRole("region", { name: "Output" }).getByText("Lunch with Ada").waitFor();
  });
});

describe("a schedule", () => {
  it("is caught up for a span of the past", async () => {
    await leave(on);
    await on.getByRole("link", { name: "Workflows" }).click();
    await create(on, "Hourly");
    await on.locator(".node").first().click();
    await on.keyboard.press("Delete");
    await on.keyboard.press("a");
    await choose(on, "Cron");
    await write(on, "Expression", "0 * * * *");
    await saved(on);
    const workflow = idOf(on);
    await on.getByRole("button", { name: "Publish" }).click();
    await on.getByRole("dialog").getByRole("button", { name: "Publish" }).click();
    await on.getByText("Version 1 is live").first().waitFor();

    await on.getByRole("link", { name: "Triggers" }).click();
    await on.locator("tbody button", { hasText: "Cron" }).click();
    const dialog = on.getByRole("dialog");
    await dialog.locator(".ticks li").nth(11).waitFor();
    await dialog.getByRole("tab", { name: "Fire" }).click();
    await dialog.getByLabel("Backfill from").fill("2026-03-01T00:30");
    await dialog.getByLabel("to", { exact: true }).fill("2026-03-01T03:30");
    await dialog.getByRole("button", { name: "Backfill" }).click();
    await on.getByText("3 executions started").first().waitFor();
    await dialog.getByText("Started").nth(2).waitFor();
    await dialog.getByRole("button", { name: "Start from it again" }).first().click();
    await dialog.getByText("Started").nth(3).waitFor();
    const { executions } = await server.api("GET", `/v1/executions?workflowId=${workflow}`);
    assert.equal(executions.length, 4);
    assert.deepEqual(on.mistakes, []);
  });
});
