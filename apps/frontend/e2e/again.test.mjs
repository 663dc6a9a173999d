// Going back: a run is repeated from its node or from any other, forked with other data, and compared; two people
// edit one workflow.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { idOf, node, saved } from "./hands.mjs";
import { browser, engine, page, peer, shot } from "./world.mjs";

let chromium;
let server;
let world;
let context;
let on;
let broken = true;
const asked = (path) => world.seen.filter((call) => call.path === path).length;

before(async () => {
  let orders = 0;
  world = await peer({
    "GET /orders": () => ({ body: { number: ++orders } }),
    "GET /stock": () => (broken ? { status: 503, body: {} } : { body: { left: 7 } }),
  });
  server = await engine();
  chromium = await browser();
  context = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
  on = await page(context, server.url);
});

after(async () => {
  await chromium?.close();
  await server?.close();
  world?.close();
});

afterEach((test) => shot(context, test.name));

const ended = (how) => on.locator(".topbar .badge", { hasText: how }).waitFor();
const details = () => on.getByRole("region", { name: "Details" });

/** Waits for the page of another execution than this one. */
async function another(than) {
  await on.waitForURL((url) => /^\/executions\/./.test(url.pathname) && !url.pathname.endsWith(than));
  return idOf(on);
}

/** What a step of an execution gave, and whether it was taken over. */
async function step(execution, id) {
  const { execution: found } = await server.api("GET", `/v1/executions/${execution}`);
  const run = found.nodeRuns.find((each) => each.nodeId === id);
  return { json: run?.outputs?.main?.items?.[0]?.json, source: run?.source ?? "" };
}

describe("a run that failed in the middle", () => {
  const ids = {};
  let workflow;

  it("is run again from the step that failed, and keeps what came before it", async () => {
    const made = await server.api("POST", "/v1/workflows", {
      name: "Stock",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual", position: { x: 0, y: 0 } },
          {
            id: "orders",
            name: "Orders",
            type: "action.http_request",
            parameters: { url: `${world.url}/orders` },
            position: { x: 300, y: 0 },
          },
          {
            id: "stock",
            name: "Stock",
            type: "action.http_request",
            parameters: { url: `${world.url}/stock` },
            position: { x: 600, y: 0 },
          },
          {
            id: "say",
            name: "Say",
            type: "flow.set",
            parameters: {
              assignments: [{ name: "text", value: '{{ node["Orders"].json.number }} of {{ json.left }}' }],
            },
            position: { x: 900, y: 0 },
          },
        ],
        connections: [
          { fromNode: "start", toNode: "orders" },
          { fromNode: "orders", toNode: "stock" },
          { fromNode: "stock", toNode: "say" },
        ],
      },
    });
    workflow = made.workflow.id;
    await on.goto(`${server.url}/workflows/${workflow}`);
    await on.getByRole("button", { name: "Run", exact: true }).click();
    await on.locator('.node[data-node="stock"][data-look="failed"]').waitFor();
    await on.getByRole("link", { name: "Open the execution" }).click();
    await on.getByText("HTTP_5XX").first().waitFor();
    ids.first = idOf(on);
    assert.equal(asked("/orders"), 1);
    broken = false;
    // The drawing says where it failed; the step itself is where it goes on.
    await on.locator('.node[data-node="stock"]').click();
    await details().getByRole("tab", { name: "Output" }).click();
    await details().getByRole("button", { name: "Run from here" }).click();
    const dialog = on.getByRole("dialog");
    assert.equal(await dialog.getByLabel("From node").inputValue(), "stock");
    await dialog.getByRole("button", { name: "Run from here" }).click();
    ids.second = await another(ids.first);
    await ended("Succeeded");
    assert.equal(asked("/orders"), 1, "what came before was taken over");
    assert.deepEqual((await step(ids.second, "say")).json.text, "1 of 7");
    assert.notEqual((await step(ids.second, "orders")).source, "");
  });

  it("is run again from any other step, with the definition of now", async () => {
    await server.api("GET", `/v1/workflows/${workflow}`).then(({ workflow: now }) => {
      now.nodes.find((each) => each.id === "say").parameters.assignments[0].value =
        'Order {{ node["Orders"].json.number }}';
      return server.api("PATCH", `/v1/workflows/${workflow}`, { workflow: now, updateMask: "nodes" });
    });
    await on.getByRole("button", { name: "Run again" }).click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("From node").selectOption({ label: "Orders" });
    await dialog.getByRole("switch").click();
    await dialog.getByRole("button", { name: "Run from here" }).click();
    ids.third = await another(ids.second);
    await ended("Succeeded");
    assert.equal(asked("/orders"), 2);
    assert.equal((await step(ids.third, "say")).json.text, "Order 2");
  });

  it("is forked from a fact of its journal, with other data for one step", async () => {
    await on.goto(`${server.url}/executions/${ids.second}`);
    await ended("Succeeded");
    await details().getByRole("tab", { name: "Journal" }).click();
    await details().getByLabel("Filter by step or fact").fill("started");
    await details().getByRole("button", { name: "Fork after this" }).first().click();
    const dialog = on.getByRole("dialog");
    await dialog.getByLabel("Other input for").selectOption({ label: "Say" });
    await dialog.getByLabel("Data").click();
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText('{"left": 0');
    await dialog.getByRole("button", { name: "Fork" }).click();
    await dialog.getByText("This is no JSON").waitFor();
    await dialog.getByLabel("Data").click();
    await on.keyboard.press("Control+a");
    await on.keyboard.insertText('{"left": 0}');
    await dialog.getByRole("button", { name: "Fork" }).click();
    ids.fork = await another(ids.second);
    await ended("Succeeded");
    assert.equal((await step(ids.fork, "say")).json.text, "3 of 0");
  });

  it("is compared with another, step by step", async () => {
    await on.goto(`${server.url}/executions?workflow=${workflow}`);
    await on.getByLabel(`Choose ${ids.second} to compare`).check();
    await on.getByLabel(`Choose ${ids.fork} to compare`).check();
    await on.getByRole("button", { name: "Compare" }).click();
    await on.getByRole("heading", { name: "Compare executions" }).waitFor();
    const say = on.getByRole("row", { name: /^Say/ });
    await say.getByRole("button").click();
    await on.locator(".diffline .was", { hasText: "1 of 7" }).waitFor();
    await on.locator(".diffline .is", { hasText: "3 of 0" }).waitFor();
    await on.getByRole("switch", { name: "Only differences" }).click();
    await on.getByRole("row", { name: /^Stock/ }).waitFor({ state: "detached" });
    assert.deepEqual(on.mistakes, []);
  });

  it("is drawn as it was, whatever became of the workflow", async () => {
    const { workflow: now } = await server.api("GET", `/v1/workflows/${workflow}`);
    const nodes = now.nodes.filter((each) => ["start", "orders"].includes(each.id));
    await server.api("PATCH", `/v1/workflows/${workflow}`, {
      workflow: { ...now, nodes, connections: [{ fromNode: "start", toNode: "orders" }] },
      updateMask: "nodes,connections",
    });
    await on.goto(`${server.url}/executions/${ids.first}`);
    await on.locator('.node[data-node="stock"][data-look="failed"]').waitFor();
    assert.equal(await on.locator(".react-flow__edge").count(), 3);
  });
});

describe("two people at one workflow", () => {
  let other;

  it("are told, and the second takes what the first has made", async () => {
    const { workflow } = await server.api("POST", "/v1/workflows", {
      name: "Shared",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual", position: { x: 0, y: 0 } },
          { id: "a", name: "Step A", type: "flow.no_op", position: { x: 300, y: 0 } },
        ],
        connections: [{ fromNode: "start", toNode: "a" }],
      },
    });
    const elsewhere = await chromium.newContext({ viewport: { width: 1280, height: 800 } });
    await on.goto(`${server.url}/workflows/${workflow.id}`);
    await node(on, "Step A").waitFor();
    other = await page(elsewhere, `${server.url}/workflows/${workflow.id}`);
    await node(other, "Step A").click();
    await other.keyboard.press("e");
    await other.getByLabel("Name of the node").fill("Theirs");
    await other.keyboard.press("Enter");
    await saved(other);
    await node(on, "Step A").click();
    await on.keyboard.press("e");
    await on.getByLabel("Name of the node").fill("Mine");
    await on.keyboard.press("Enter");
    await on.getByText("Somebody else has changed this workflow").waitFor();
    assert.equal((await server.api("GET", `/v1/workflows/${workflow.id}`)).workflow.nodes[1].name, "Theirs");
    await on.getByRole("button", { name: "Take theirs" }).click();
    await node(on, "Theirs").waitFor();
    await on.getByText("Somebody else has changed this workflow").waitFor({ state: "detached" });
    await saved(on);
  });

  it("or keeps the own, and then it is the first who is told", async () => {
    await on.locator('.node[data-node="a"]').click();
    await on.keyboard.press("e");
    await on.getByLabel("Name of the node").fill("Mine");
    await on.keyboard.press("Enter");
    await saved(on);
    await other.locator('.node[data-node="a"]').click();
    await other.keyboard.press("e");
    await other.getByLabel("Name of the node").fill("Theirs again");
    await other.keyboard.press("Enter");
    await other.getByText("Somebody else has changed this workflow").waitFor();
    await other.getByRole("button", { name: "Keep mine" }).click();
    await saved(other);
    const { workflow } = await server.api("GET", `/v1/workflows/${idOf(on)}`);
    assert.equal(workflow.nodes[1].name, "Theirs again");
    assert.deepEqual([...on.mistakes, ...other.mistakes], []);
    await other.context().close();
  });
});
