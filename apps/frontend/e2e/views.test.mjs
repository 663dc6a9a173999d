// Every view in both themes and both languages: nothing that axe finds wrong, nothing that breaks, also on a phone.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { accessibility, browser, engine, page, shot } from "./world.mjs";

let chromium;
let server;
const ids = {};

before(async () => {
  server = await engine();
  chromium = await browser();
  const { workflow } = await server.api("POST", "/v1/workflows", {
    name: "Orders and shipping",
    description: "Looks at each order and says how it is shipped.",
    workflow: {
      tags: ["shop"],
      nodes: [
        { id: "start", name: "Start", type: "trigger.manual", position: { x: 0, y: 60 } },
        {
          id: "orders",
          name: "Orders",
          type: "flow.set",
          position: { x: 300, y: 60 },
          parameters: {
            assignments: [
              { name: "total", value: 120 },
              { name: "customer", value: { name: "Ada" } },
            ],
          },
        },
        {
          id: "large",
          name: "Large?",
          type: "flow.if",
          position: { x: 600, y: 60 },
          parameters: { condition: "{{ json.total > 100 }}" },
        },
        {
          id: "free",
          name: "Free shipping",
          type: "flow.set",
          position: { x: 900, y: 0 },
          parameters: { assignments: [{ name: "shipping", value: "free for {{ json.customer.name }}" }] },
        },
        {
          id: "broken",
          name: "Broken",
          type: "flow.stop_and_error",
          position: { x: 1200, y: 0 },
          parameters: { message: "out of paper" },
        },
      ],
      connections: [
        { fromNode: "start", toNode: "orders" },
        { fromNode: "orders", toNode: "large" },
        { fromNode: "large", fromPort: "true", toNode: "free" },
        { fromNode: "free", toNode: "broken" },
      ],
    },
  });
  ids.workflow = workflow.id;
  await server.api("POST", `/v1/workflows/${workflow.id}/publish`, { message: "The first one" });
  const runs = [];
  for (let count = 0; count < 2; count++)
    runs.push(
      (await server.api("POST", `/v1/workflows/${workflow.id}/executions`, { mode: "MANUAL", wait: "10s" }))
        .executionId,
    );
  [ids.a, ids.b] = runs;
  const asking = await server.api("POST", "/v1/workflows", {
    name: "Refund",
    workflow: {
      nodes: [
        { id: "start", name: "Start", type: "trigger.manual" },
        {
          id: "ask",
          name: "Ask",
          type: "human.approval",
          parameters: { title: "Refund of 120 €?", text: "The parcel **never arrived**.\n\n- carrier: DHL" },
        },
      ],
      connections: [{ fromNode: "start", toNode: "ask" }],
    },
  });
  await server.api("POST", `/v1/workflows/${asking.workflow.id}/executions`, { mode: "MANUAL" });
  for (let turn = 0; turn < 50 && !ids.task; turn++) {
    ids.task = (await server.api("GET", "/v1/tasks")).tasks?.[0]?.id;
    await new Promise((done) => setTimeout(done, 50));
  }
  const nightly = await server.api("POST", "/v1/workflows", {
    name: "Nightly",
    workflow: {
      nodes: [
        { id: "cron", name: "Every night", type: "trigger.cron", parameters: { expression: "0 2 * * *" } },
        { id: "work", name: "Work", type: "flow.no_op" },
      ],
      connections: [{ fromNode: "cron", toNode: "work" }],
    },
  });
  await server.api("POST", `/v1/workflows/${nightly.workflow.id}/publish`, {});
  await server.api("POST", "/v1/credentials", {
    name: "Shop API",
    type: "http_bearer",
    fields: { token: "t" },
  });
});

after(async () => {
  await chromium?.close();
  await server?.close();
});

/** Address, what shows that it is there, and what is done before it is looked at. */
const VIEWS = {
  workflows: () => ["/", "Orders and shipping"],
  editor: () => [`/workflows/${ids.workflow}`, "Free shipping"],
  inspector: () => [
    `/workflows/${ids.workflow}?execution=${ids.a}`,
    "Free shipping",
    async (on) => {
      await on.locator('.node[data-node="free"]').click();
      await on.locator(".inspector .cm-content").first().waitFor();
      await on.locator('[role="tab"]').first().click();
      await on.waitForTimeout(700);
    },
  ],
  palette: () => [
    `/workflows/${ids.workflow}`,
    "Free shipping",
    async (on) => {
      await on.keyboard.press("a");
      await on.locator("[cmdk-item]").first().waitFor();
    },
  ],
  versions: () => [
    `/workflows/${ids.workflow}`,
    "Free shipping",
    async (on) => {
      await on.locator(".topbar button:has(.lucide-history)").click();
      await on.locator(".version").waitFor();
    },
  ],
  assistant: () => [
    `/workflows/${ids.workflow}`,
    "Free shipping",
    async (on) => {
      await on.keyboard.press("Control+j");
      await on.locator(".chatbox").waitFor();
    },
  ],
  executions: () => ["/executions", "out of paper"],
  execution: () => [`/executions/${ids.a}`, "Broken"],
  "run-again": () => [
    `/executions/${ids.a}`,
    "Broken",
    async (on) => {
      await on.getByRole("button", { name: "Run again" }).click();
      await on.locator(".dialog select").waitFor();
    },
  ],
  fork: () => [
    `/executions/${ids.a}`,
    "Broken",
    async (on) => {
      await on.getByRole("tab", { name: "Journal" }).click();
      await on.getByRole("button", { name: "Fork after this" }).last().click();
      await on.locator(".dialog select").selectOption({ label: "Free shipping" });
      await on.locator(".dialog .cm-content").waitFor();
    },
  ],
  describe: () => [
    "/",
    "Orders and shipping",
    async (on) => {
      await on.getByRole("button", { name: "Describe" }).click();
      await on.locator(".dialog textarea").waitFor();
    },
  ],
  "no-execution": () => ["/executions/none", ".empty h1"],
  "no-workflow": () => ["/workflows/none", ".empty h1"],
  nowhere: () => ["/nowhere", ".empty h1"],
  compare: () => [`/compare?a=${ids.a}&b=${ids.b}`, "Broken"],
  inbox: () => ["/inbox", "Refund of 120 €?"],
  task: () => [`/inbox/${ids.task}`, ".markdown"],
  triggers: () => [
    "/triggers",
    "Nightly",
    async (on) => {
      await on.locator("tbody button").first().click();
      await on.locator(".ticks li").first().waitFor();
    },
  ],
  credentials: () => ["/credentials", "Shop API"],
  credential: () => [
    "/credentials",
    "Shop API",
    async (on) => {
      await on.locator(".pagehead .button.primary").click();
      await on.locator(".dialog .input").first().waitFor();
    },
  ],
  templates: () => ["/templates", ".template"],
  settings: () => ["/settings", "Ctrl K"],
  users: () => ["/settings/users", ".notice"],
};

async function open(on, view) {
  const [address, sign, act] = VIEWS[view]();
  await on.goto(server.url + address);
  await (sign.startsWith(".") ? on.locator(sign) : on.getByText(sign)).first().waitFor();
  await act?.(on);
  await on.waitForTimeout(350);
}

for (const theme of ["light", "dark"])
  describe(`in the ${theme} theme`, () => {
    let context;
    let on;
    before(async () => {
      context = await chromium.newContext({
        viewport: { width: 1280, height: 800 },
        reducedMotion: "reduce",
      });
      await context.addInitScript((chosen) => localStorage.setItem("theme", chosen), theme);
      on = await page(context, server.url);
    });
    for (const view of Object.keys(VIEWS))
      it(`${view} is clean`, async () => {
        await open(on, view);
        await shot(context, `${theme}-${view}`);
        assert.deepEqual(await accessibility(on), []);
        assert.deepEqual(on.mistakes, []);
      });
  });

describe("on a phone", () => {
  for (const view of ["inbox", "task", "executions", "execution"])
    it(`${view} fits`, async () => {
      const context = await chromium.newContext({
        viewport: { width: 390, height: 780 },
        isMobile: true,
        hasTouch: true,
      });
      const on = await page(context, server.url);
      await open(on, view);
      await shot(context, `phone-${view}`);
      const width = await on.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 390, `${width} pixels wide`);
      assert.deepEqual(on.mistakes, []);
      await context.close();
    });

  it("a task is answered", async () => {
    const context = await chromium.newContext({
      viewport: { width: 390, height: 780 },
      isMobile: true,
      hasTouch: true,
    });
    const on = await page(context, `${server.url}/inbox`);
    await on.getByText("Refund of 120 €?").first().tap();
    await on.getByRole("button", { name: "Approve" }).tap();
    await on.locator(".task .badge", { hasText: "Answered" }).waitFor();
    await on.getByRole("button", { name: "Back to the list" }).tap();
    await on.getByText("Nothing waits for you").waitFor();
    await context.close();
  });
});

describe("in Chinese", () => {
  it("is Chinese", async () => {
    const context = await chromium.newContext({ viewport: { width: 1280, height: 800 }, locale: "zh-CN" });
    const on = await page(context, server.url);
    await on.getByRole("heading", { name: "工作流" }).waitFor();
    await shot(context, "chinese");
    await on.getByRole("link", { name: "执行记录" }).click();
    await on.getByRole("heading", { name: "执行记录" }).waitFor();
    assert.equal(await on.evaluate(() => document.documentElement.lang), "zh-CN");
    // What the engine says, too: that something is missing, what is wrong with a workflow, why an execution waits.
    await on.goto(`${server.url}/executions/none`);
    await on.getByText("没有执行 'none'").waitFor();
    const { workflow } = await server.api("POST", "/v1/workflows", {
      name: "Half",
      workflow: {
        nodes: [
          { id: "start", name: "Start", type: "trigger.manual" },
          { id: "lonely", name: "Alone", type: "flow.no_op", position: { x: 300, y: 0 } },
        ],
      },
    });
    await on.goto(`${server.url}/workflows/${workflow.id}`);
    await on.getByRole("tab", { name: "问题" }).click();
    await on.getByText("没有触发器通向 'Alone'，因此它永远不会运行").waitFor();
    assert.deepEqual(on.mistakes, []);
    await context.close();
  });
});
