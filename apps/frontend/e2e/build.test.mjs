// A person builds the weather workflow, by mouse and by keyboard, runs it, pins, edits, publishes and retries.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { create, drag, idOf, leave, node, saved, showAll, write } from "./hands.mjs";
import { browser, engine, page, peer, shot } from "./world.mjs";

let chromium;
let server;
let world;
let context;
let broken = true;
const WEATHER = { daily: { precipitation_probability_max: [80], temperature_2m_max: [19.5] } };

before(async () => {
  world = await peer({
    "GET /forecast": async () => {
      // Slow enough to be seen at work.
      await new Promise((done) => setTimeout(done, 600));
      return { body: WEATHER };
    },
    "POST /notify": (call) => ({ body: { told: call.body } }),
    "GET /moody": () => (broken ? { status: 500, body: {} } : { body: { mood: "good" } }),
  });
  server = await engine();
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
});

after(async () => {
  await chromium?.close();
  await server?.close();
  world?.close();
});

afterEach((test) => shot(context, test.name));

describe("building with the mouse", () => {
  let on;
  before(async () => {
    on = await page(context, server.url);
  });

  it("draws the workflow: from a port into the void, from the button, from port to port", async () => {
    await create(on, "Weather by mouse");
    // From the trigger's port into the void: the palette opens, and what is chosen is connected.
    const start = node(on, "Start");
    const box = await start.boundingBox();
    await drag(on, start.locator(".react-flow__handle-right"), { x: box.x + 420, y: box.y + 90 });
    await on.getByPlaceholder("Search nodes…").fill("http");
    await on
      .getByRole("option", { name: /HTTP request/ })
      .first()
      .click();
    await write(on, "URL", `${world.url}/forecast`);
    // From the button, after the chosen node.
    await node(on, "HTTP request").click();
    await on.getByRole("button", { name: "Add a node" }).click();
    await on.getByPlaceholder("Search nodes…").fill("if");
    await on.getByRole("option", { name: /^If/ }).click();
    await write(on, "Condition", "{{ json.daily.precipitation_probability_max[0] > 60 }}");
    await node(on, "If").click();
    await on.getByRole("button", { name: "Add a node" }).click();
    await on.getByPlaceholder("Search nodes…").fill("set");
    await on.getByRole("option", { name: /^Set/ }).first().click();
    const inspector = on.locator(".inspector");
    await inspector.getByRole("button", { name: "Add to Assignments" }).click();
    await write(on, "Name", "text");
    await write(on, "Value", "Rain, up to {{ json.daily.temperature_2m_max[0] }}");
    // From port to port: the error way leads nowhere yet, so the other way of the If goes to a node that stands alone.
    await on.locator(".react-flow__pane").click({ position: { x: 60, y: 500 } });
    await on.keyboard.press("a");
    await on.getByPlaceholder("Search nodes…").fill("no operation");
    await on.getByRole("option", { name: /No operation/ }).click();
    await on.keyboard.press("Escape");
    await on.keyboard.press("l");
    await on.waitForTimeout(500);
    await showAll(on);
    await drag(
      on,
      node(on, "If").locator('[data-handleid="false"]'),
      node(on, "No operation").locator(".react-flow__handle-left"),
    );
    await on.locator(".react-flow__edge").nth(3).waitFor();
    await saved(on);
    const { workflow } = await server.api("GET", `/v1/workflows/${idOf(on)}`);
    assert.deepEqual(
      workflow.connections.map((link) => `${link.fromNode}.${link.fromPort}>${link.toNode}`).sort(),
      ["http_request.main>if", "if.false>no_op", "if.true>set", "start.main>http_request"],
    );
  });

  it("refuses a circle while it is drawn, and says why", async () => {
    await drag(
      on,
      node(on, "Set").locator(".react-flow__handle-right"),
      node(on, "HTTP request").locator(".react-flow__handle-left"),
    );
    await on.getByText("That would be a circle").first().waitFor();
    assert.equal(await on.locator(".react-flow__edge").count(), 4);
  });

  it("runs it, and every node lights up as it happens", async () => {
    await on.getByRole("button", { name: "Run", exact: true }).click();
    await on.locator('.node[data-node="http_request"][data-look="running"]').waitFor();
    assert.equal(await on.locator('.node[data-node="start"]').getAttribute("data-look"), "succeeded");
    await on.locator('.node[data-node="set"][data-look="succeeded"]').waitFor();
    assert.equal(await on.locator('.node[data-node="no_op"]').getAttribute("data-look"), "skipped");
    await on.getByText("1 item").first().waitFor();
  });

  it("shows what went in and came out, and what an expression gives with it", async () => {
    await node(on, "Set").click();
    await on.getByRole("tab", { name: "Data" }).click();
    const output = on.getByRole("region", { name: "Output" });
    await output.getByRole("cell", { name: "Rain, up to 19.5" }).waitFor();
    await output.getByRole("radio", { name: "JSON" }).click();
    await output.getByText('"Rain, up to 19.5"').waitFor();
    await output.getByRole("radio", { name: "Schema" }).click();
    await output.getByText("string").first().waitFor();
    await on.locator(".preview code", { hasText: "Rain, up to 19.5" }).waitFor();
    // Completion knows the data that came.
    const value = on.locator(".inspector").getByLabel("Value", { exact: true });
    await value.click();
    await on.keyboard.press("Control+End");
    await on.keyboard.type(" {{json.da");
    await on
      .locator(".cm-completionLabel", { hasText: /^daily$/ })
      .first()
      .waitFor();
    await on.keyboard.press("Escape");
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText("Rain, up to {{ json.daily.temperature_2m_max[0] }}");
  });

  it("pins the forecast, so that it is not fetched again", async () => {
    await node(on, "HTTP request").click();
    await on.getByRole("button", { name: "Pin the output" }).click();
    await saved(on);
    const asked = world.seen.filter((call) => call.path === "/forecast").length;
    await on.getByRole("button", { name: "Run", exact: true }).click();
    await on.locator('.node[data-node="set"][data-look="succeeded"]').waitFor();
    await on.getByText("Succeeded").first().waitFor();
    assert.equal(world.seen.filter((call) => call.path === "/forecast").length, asked);
  });

  it("runs one node by itself on that data", async () => {
    await node(on, "If").click();
    await on.getByRole("button", { name: "Run this node" }).click();
    await on.getByText("If succeeded").first().waitFor();
  });

  it("takes edits back and makes them again", async () => {
    // Panels have come and gone, and the view has followed them.
    await showAll(on);
    await node(on, "No operation").click();
    await on.keyboard.press("Delete");
    assert.equal(await on.locator(".node").count(), 4);
    await on.keyboard.press("Control+z");
    await node(on, "No operation").waitFor();
    await on.keyboard.press("Control+Shift+z");
    await node(on, "No operation").waitFor({ state: "detached" });
    await on.keyboard.press("Control+z");
    await node(on, "No operation").waitFor();
  });

  it("publishes, changes, sees the difference and goes back", async () => {
    await showAll(on);
    await on.getByRole("button", { name: "Publish" }).click();
    await on.getByLabel("What changed").fill("The first one");
    await on.getByRole("dialog").getByRole("button", { name: "Publish" }).click();
    await on.getByText("Version 1 is live").first().waitFor();
    await node(on, "If").click();
    await write(on, "Condition", "{{ json.daily.precipitation_probability_max[0] > 90 }}");
    await saved(on);
    await on.getByRole("button", { name: "Versions" }).click();
    await on.locator(".diffline .is", { hasText: "> 90" }).waitFor();
    await on.getByRole("button", { name: "Roll back" }).click();
    await on.getByText("The draft is the old version again").first().waitFor();
    const { workflow } = await server.api("GET", `/v1/workflows/${idOf(on)}`);
    const condition = workflow.nodes.find((each) => each.id === "if").parameters.condition;
    assert.match(condition, /> 60/);
    assert.deepEqual(on.mistakes, []);
  });
});

describe("building with the keyboard alone", () => {
  it("draws, connects, edits and runs without touching the mouse", async () => {
    const on = await page(context, server.url);
    await on.getByRole("heading", { name: "Workflows" }).waitFor();
    await on.keyboard.press("Control+k");
    await on.getByPlaceholder("Search workflows and commands…").waitFor();
    await on.keyboard.type("New workflow");
    await on.keyboard.press("Enter");
    await on.locator(".node").first().waitFor();
    await on.keyboard.press("n");
    await on.locator(".node.selected").waitFor();
    await on.keyboard.press("a");
    await on.keyboard.type("http request");
    await on.keyboard.press("Enter");
    await on.locator('.node[data-node="http_request"].selected').waitFor();
    await on.keyboard.press("e");
    await on.locator(".inspector .titleinput:focus").waitFor();
    await on.keyboard.press("Control+a");
    await on.keyboard.type("Forecast");
    await on.keyboard.press("Enter");
    const field = on.locator(".inspector").getByLabel("URL", { exact: true });
    for (
      let turn = 0;
      turn < 30 && !(await field.evaluate((each) => each === document.activeElement));
      turn++
    )
      await on.keyboard.press("Tab");
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText(`${world.url}/forecast`);
    await leave(on);
    await on.keyboard.press("n");
    await on.keyboard.press("n");
    await on.locator('.node[data-node="http_request"].selected').waitFor();
    await on.keyboard.press("a");
    await on.keyboard.type("respond");
    await on.keyboard.press("Enter");
    await on.locator('.node[data-node="respond"]').waitFor();
    await leave(on);
    // A second way to the end, drawn by its name.
    await on.keyboard.press("n");
    await on.locator('.node[data-node="start"].selected').waitFor();
    await on.keyboard.press("c");
    await on.keyboard.type("respond");
    await on.keyboard.press("Enter");
    await on.locator(".react-flow__edge").nth(2).waitFor();
    await on.keyboard.press("Control+z");
    await saved(on);
    await on.keyboard.press("Control+Enter");
    await on.locator('.node[data-node="respond"][data-look="succeeded"]').waitFor();
    // Copy and paste, and all at once away again.
    await on.keyboard.press("Control+a");
    await on.keyboard.press("Control+d");
    await on.locator(".node").nth(5).waitFor();
    await on.keyboard.press("Delete");
    assert.equal(await on.locator(".node").count(), 3);
    assert.deepEqual(on.mistakes, []);
    await on.close();
  });
});

describe("a run that failed", () => {
  it("is retried from the node that failed, and compared with the first", async () => {
    const { workflow } = await server.api("POST", "/v1/workflows", {
      name: "Moody",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual", position: { x: 0, y: 0 } },
          {
            id: "once",
            name: "Only once",
            type: "action.http_request",
            parameters: { url: `${world.url}/forecast` },
            position: { x: 300, y: 0 },
          },
          {
            id: "moody",
            name: "Moody",
            type: "action.http_request",
            parameters: { url: `${world.url}/moody` },
            position: { x: 600, y: 0 },
          },
        ],
        connections: [
          { fromNode: "start", toNode: "once" },
          { fromNode: "once", toNode: "moody" },
        ],
      },
    });
    const { executionId } = await server.api("POST", `/v1/workflows/${workflow.id}/executions`, {
      mode: "MANUAL",
    });
    const on = await page(context, `${server.url}/executions`);
    await on.getByRole("link", { name: "Moody" }).first().waitFor();
    await on.getByLabel("Status").selectOption("ERROR");
    await on.getByRole("link", { name: "Moody" }).first().click();
    await on.waitForURL(`**/executions/${executionId}`);
    await on.getByText("HTTP_5XX").first().waitFor();
    const asked = world.seen.filter((call) => call.path === "/forecast").length;
    broken = false;
    await on.getByRole("button", { name: "Retry" }).click();
    await on.waitForURL((url) => url.pathname !== `/executions/${executionId}`);
    await on.locator(".topbar .badge", { hasText: "Succeeded" }).waitFor();
    assert.equal(
      world.seen.filter((call) => call.path === "/forecast").length,
      asked,
      "what had succeeded was taken over",
    );
    await on.getByRole("link", { name: "Compare with the first" }).click();
    await on.getByRole("heading", { name: "Compare executions" }).waitFor();
    await on.getByText("1 steps differ").waitFor();
    assert.deepEqual(on.mistakes, []);
    await on.close();
  });
});

describe("a file that a run made", () => {
  it("is downloaded as it was written", async () => {
    const { workflow } = await server.api("POST", "/v1/workflows", {
      name: "Names",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual" },
          {
            id: "file",
            name: "File",
            type: "action.convert_to_file",
            parameters: { format: { type: "csv" }, file_name: "names.csv" },
          },
        ],
        connections: [{ fromNode: "start", toNode: "file" }],
      },
    });
    const { executionId } = await server.api("POST", `/v1/workflows/${workflow.id}/executions`, {
      mode: "MANUAL",
      input: [{ json: { name: "Ada" } }, { json: { name: "Bob" } }],
      wait: "10s",
    });
    const on = await page(context, `${server.url}/executions/${executionId}`);
    await on.getByRole("tab", { name: "Result" }).click();
    await on.getByRole("radio", { name: "Files" }).click();
    const coming = on.waitForEvent("download");
    await on.getByRole("button", { name: "Download" }).click();
    const download = await coming;
    assert.equal(download.suggestedFilename(), "names.csv");
    assert.deepEqual(
      readFileSync(await download.path(), "utf8")
        .trim()
        .split(/\r?\n/),
      ["name", "Ada", "Bob"],
    );
    assert.deepEqual(on.mistakes, []);
    await on.close();
  });
});
