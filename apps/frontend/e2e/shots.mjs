// Pictures of every view and dialog, in both themes and both languages, of a shop that has used the engine for a while.
//
//     SHOTS=/tmp/shots node e2e/shots.mjs [part of a view's name …]
//
// THEMES, LANGUAGES and SIZES narrow it down, as in THEMES=dark LANGUAGES=zh SIZES=phone. It is for looking at: it
// asserts nothing and is no part of the stories.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { browser, engine, model, page, peer, SHOTS } from "./world.mjs";

const ADMIN = { email: "ada@example.com", password: "correct horse battery" };
const TEMPLATES = resolve(import.meta.dirname, "../../backend/workflow_engine/examples/templates");
const LONG =
  "Quarterly reconciliation of supplier invoices against purchase orders and goods receipts (EMEA, all legal entities)";

/** A workflow from rows of nodes: [id, type, name, parameters, more], and links such as "a > b", "a.true > b.tools". */
function workflow(name, rows, links, more = {}) {
  return {
    name,
    ...(more.description ? { description: more.description } : {}),
    workflow: {
      ...more,
      nodes: rows.map(([id, type, title, parameters, rest], index) => ({
        id,
        type,
        name: title,
        position: rest?.at ? { x: rest.at[0], y: rest.at[1] } : { x: index * 300, y: 60 },
        ...(parameters ? { parameters } : {}),
        ...rest?.fields,
      })),
      connections: links.map((link) => {
        const [from, to] = link.split(" > ").map((end) => end.split("."));
        return {
          fromNode: from[0],
          toNode: to[0],
          ...(from[1] ? { fromPort: from[1] } : {}),
          ...(to[1] ? { toPort: to[1] } : {}),
        };
      }),
    },
  };
}

const ORDERS = [
  { id: "A-1041", customer: "Ada Lovelace", country: "GB", total: 1249.5, paid: true, lines: 3 },
  { id: "A-1042", customer: "Grace Hopper", country: "US", total: 89, paid: true, lines: 1 },
  {
    id: "A-1043",
    customer: "Käthe Müller-Lüdenscheidt",
    country: "DE",
    total: 412.95,
    paid: false,
    lines: 2,
  },
  { id: "A-1044", customer: "王小明", country: "CN", total: 2300, paid: true, lines: 7 },
];

/** Everything that is looked at. Returns the ids by which the views find it. */
async function furnish(server, shop) {
  const ids = {};
  const made = async (body, publish) => {
    const { workflow } = await server.api("POST", "/v1/workflows", body);
    if (publish) await server.api("POST", `/v1/workflows/${workflow.id}/publish`, { message: publish });
    return workflow.id;
  };
  const run = async (id, more = {}) =>
    (await server.api("POST", `/v1/workflows/${id}/executions`, { mode: "MANUAL", ...more })).executionId;

  ids.slow = await made(
    workflow(
      LONG,
      [
        ["start", "trigger.manual", "Start"],
        [
          "fetch",
          "action.http_request",
          "Ask the slow ERP for every open purchase order",
          { url: `${shop.url}/slow` },
        ],
        ["keep", "flow.set", "Keep", { assignments: [{ name: "seen", value: true }] }],
      ],
      ["start > fetch", "fetch > keep"],
      { description: "Runs for minutes; nobody knows why.", tags: ["finance", "quarter", "audit"] },
    ),
  );
  ids.orders = await made(
    workflow(
      "Orders and shipping",
      [
        [
          "hook",
          "trigger.webhook",
          "Order paid",
          { path: "orders/paid", methods: ["POST"] },
          { at: [0, 120] },
        ],
        ["start", "trigger.manual", "Start", undefined, { at: [0, 240] }],
        [
          "orders",
          "action.http_request",
          "Fetch orders",
          { url: `${shop.url}/orders`, records_path: "orders" },
          { at: [300, 180] },
        ],
        ["large", "flow.if", "Large?", { condition: "{{ json.total > 400 }}" }, { at: [600, 180] }],
        [
          "free",
          "flow.set",
          "Free shipping",
          {
            assignments: [
              { name: "shipping", value: 0 },
              { name: "note", value: "Free for {{ json.customer }}, {{ json.country }}" },
            ],
          },
          { at: [900, 60] },
        ],
        [
          "paid",
          "flow.set",
          "Standard shipping",
          { assignments: [{ name: "shipping", value: 4.9 }] },
          { at: [900, 300] },
        ],
        ["both", "flow.merge", "All orders", { mode: "append" }, { at: [1200, 180] }],
        [
          "label",
          "action.http_request",
          "Print a label",
          {
            method: "POST",
            url: `${shop.url}/labels`,
            body: { kind: "json", value: { order: "{{ json.id }}" } },
          },
          {
            at: [1500, 180],
            fields: { retry: { maxAttempts: 2, initialInterval: "0.2s" }, onError: "ON_ERROR_STOP" },
          },
        ],
        [
          "tell",
          "external_action.slack",
          "Tell the warehouse",
          { action: { operation: "message.send", channel: "#warehouse", text: "{{ json.id }} is ready" } },
          { at: [1800, 180], fields: { disabled: true } },
        ],
      ],
      [
        "hook > orders",
        "start > orders",
        "orders > large",
        "large.true > free",
        "large.false > paid",
        "free > both.input_1",
        "paid > both.input_2",
        "both > label",
        "label > tell",
      ],
      {
        description: "Looks at each paid order, says how it is shipped and prints its label.",
        tags: ["shop"],
      },
    ),
    "Free shipping from 400",
  );
  ids.assistant = await made(
    workflow(
      "Support assistant",
      [
        ["chat", "trigger.chat", "Customer writes", { path: "support", title: "Ask us" }, { at: [0, 60] }],
        [
          "agent",
          "ai_agent.agent",
          "Answer",
          {
            prompt: "{{ json.message }}",
            system_prompt: "You help customers of a small shop. Be brief and friendly.",
          },
          { at: [340, 60] },
        ],
        [
          "model",
          "ai_agent.model",
          "Model",
          { provider: "openai", model: "gpt-5.6-luna" },
          { at: [220, 280] },
        ],
        [
          "memory",
          "memory.window",
          "Last 10 exchanges",
          { session: "{{ json.session_id }}", exchanges: 10 },
          { at: [480, 280] },
        ],
        [
          "lookup",
          "tool.http",
          "Look up an order",
          {
            name: "get_order",
            description: "An order by its number.",
            url: `${shop.url}/orders/{{ from_ai.order }}`,
          },
          { at: [740, 280] },
        ],
        ["good", "flow.if", "Solved?", { condition: "{{ json.output != '' }}" }, { at: [720, 60] }],
        [
          "person",
          "human.chat_reply",
          "Hand over to a person",
          { text: "A colleague will answer." },
          { at: [1040, 140] },
        ],
      ],
      [
        "chat > agent",
        "model.model > agent.model",
        "memory.memory > agent.memory",
        "lookup.tool > agent.tools",
        "agent > good",
        "good.false > person",
      ],
      { description: "Answers customers by itself and hands over when it cannot.", tags: ["ai", "support"] },
    ),
  );
  ids.refund = await made(
    workflow(
      "Refund approval",
      [
        ["start", "trigger.manual", "Start"],
        [
          "ask",
          "human.approval",
          "Ask the team lead",
          {
            title: "Refund 412.95 € to Käthe Müller-Lüdenscheidt?",
            text: "The parcel **never arrived**; the carrier confirms the loss.\n\n- Order: `A-1043`\n- Carrier: DHL, lost since 14 November\n- Customer since 2019, first complaint",
            assignees: ["ada@example.com"],
            timeout: "2d",
          },
        ],
        ["pay", "flow.set", "Pay", { assignments: [{ name: "refunded", value: true }] }],
      ],
      ["start > ask", "ask.approved > pay"],
      { tags: ["finance"] },
    ),
    "First version",
  );
  ids.intake = await made(
    workflow(
      "New supplier",
      [
        ["start", "trigger.manual", "Start"],
        [
          "form",
          "human.form",
          "Ask purchasing",
          {
            title: "Details of the new supplier “Northwind Traders GmbH & Co. KG”",
            text: "Legal needs these before the first order.",
            fields: [
              {
                name: "vat",
                label: "VAT number",
                required: true,
                description: "As it is printed on invoices",
              },
              {
                name: "country",
                label: "Country",
                type: "choice",
                options: ["Austria", "Germany", "Switzerland"],
                required: true,
              },
              { name: "terms", label: "Payment terms in days", type: "integer", default: 30 },
              { name: "since", label: "First delivery", type: "date" },
              { name: "notes", label: "Notes", type: "multiline" },
              { name: "agreed", label: "The code of conduct is signed", type: "boolean" },
            ],
          },
        ],
        [
          "choice",
          "human.choice",
          "How to start",
          {
            title: "How shall we start with them?",
            options: [
              { value: "trial", label: "A trial order" },
              { value: "full", label: "The whole range" },
            ],
          },
        ],
      ],
      ["start > form", "form > choice"],
    ),
  );
  ids.check = await made(
    workflow(
      "Check what was read",
      [
        ["start", "trigger.manual", "Start"],
        [
          "read",
          "flow.set",
          "Read",
          {
            assignments: [
              { name: "number", value: "RE-2026-118" },
              { name: "total", value: 1190 },
              { name: "supplier", value: "Northwind" },
            ],
          },
        ],
        [
          "edit",
          "human.edit",
          "Check",
          { title: "Check the invoice that we read", members: ["number", "total"], timeout: "1d" },
        ],
        [
          "choice",
          "human.choice",
          "Answer",
          {
            title: "How shall we answer the customer?",
            options: [
              { value: "refund", label: "Refund" },
              { value: "replace", label: "Send a new one" },
            ],
          },
        ],
      ],
      ["start > read", "read > edit", "read > choice"],
    ),
  );
  ids.nightly = await made(
    workflow(
      "Nightly stock report",
      [
        ["cron", "trigger.cron", "Every night", { expression: "0 2 * * *", timezone: "Europe/Berlin" }],
        ["every", "trigger.interval", "Every quarter of an hour", { every: "15m" }, { at: [0, 200] }],
        ["work", "action.http_request", "Stock", { url: `${shop.url}/orders` }, { at: [300, 120] }],
      ],
      ["cron > work", "every > work"],
      { description: "What is left on the shelves." },
    ),
    "Every 15 minutes, too",
  );
  ids.contact = await made(
    workflow(
      "Contact form",
      [
        [
          "form",
          "trigger.form",
          "Contact",
          {
            path: "contact",
            title: "How can we help?",
            fields: [{ name: "email", label: "Your e-mail", type: "email", required: true }],
          },
        ],
        ["work", "flow.no_op", "Nothing yet"],
      ],
      ["form > work"],
    ),
    "Live",
  );
  ids.wrong = await made(
    workflow(
      "Half finished",
      [
        ["start", "trigger.manual", "Start", undefined, { at: [0, 120] }],
        ["lonely", "flow.set", "Not reached", { assignments: [{ name: "x", value: 1 }] }, { at: [300, 240] }],
        ["call", "action.http_request", "Call", { url: `${shop.url}/orders` }, { at: [300, 60] }],
        ["agent", "ai_agent.agent", "Think about it", { prompt: "{{ json.text }}" }, { at: [600, 60] }],
      ],
      ["start > call"],
    ),
  );
  for (const file of readdirSync(TEMPLATES).sort().slice(0, 5))
    await server
      .api("POST", "/v1/workflows/import", {
        content: readFileSync(join(TEMPLATES, file), "utf8"),
        format: "WORKFLOW_FORMAT_JSON",
      })
      .catch((error) => console.error(`${file}: ${error.message}`));

  shop.broken = false;
  ids.good = await run(ids.orders, { wait: "10s" });
  await server.api("POST", `/v1/workflows/${ids.orders}/executions`, {
    mode: "MANUAL",
    wait: "10s",
    triggeredBy: "grace@example.com",
  });
  shop.broken = true;
  ids.failed = await run(ids.orders, { wait: "15s" });
  shop.broken = false;
  ids.running = await run(ids.slow);
  const canceled = await run(ids.slow);
  await server.api("POST", `/v1/executions/${canceled}/cancel`, {});
  ids.waiting = await run(ids.refund);
  await run(ids.intake);
  await run(ids.check);
  const answered = await run(ids.refund);
  for (let turn = 0; turn < 100; turn++) {
    const { tasks = [] } = await server.api("GET", "/v1/tasks");
    const find = (kind, execution) =>
      tasks.find(
        (task) => task.kind === `TASK_KIND_${kind}` && (!execution || task.executionId === execution),
      )?.id;
    ids.approval = find("APPROVAL", ids.waiting);
    ids.form = find("FORM");
    ids.edit = find("EDIT");
    ids.choice = find("CHOICE");
    const done = find("APPROVAL", answered);
    if (ids.approval && ids.form && ids.edit && ids.choice && done) {
      await server.api("POST", `/v1/tasks/${done}/answer`, {
        data: { approved: true, comment: "Sorry for the trouble!" },
      });
      ids.answered = done;
      break;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  await fetch(`${server.url}/hooks/orders/paid`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });

  for (const [name, type, fields] of [
    ["Shop API, production", "http_bearer", { token: "t" }],
    [
      "Warehouse database (read only replica in Frankfurt)",
      "postgres",
      { host: "db.example.com", database: "stock", user: "reader", password: "p" },
    ],
    ["Team Slack", "slack", { token: "xoxb-1" }],
    ["Outgoing mail", "smtp", { host: "smtp.example.com", username: "robot", password: "p" }],
  ])
    await server
      .api("POST", "/v1/credentials", { name, type, fields })
      .catch((error) => console.error(error.message));
  for (const [name, ...permissions] of [
    ["deploys", "PERMISSION_READ", "PERMISSION_EDIT", "PERMISSION_OPERATE"],
    ["Grafana dashboard", "PERMISSION_READ"],
  ])
    await server.api("POST", "/v1/auth/keys", { name, permissions });
  for (const [email, name, role] of [
    ["grace@example.com", "Grace Hopper", "ROLE_EDITOR"],
    ["lin@example.com", "林小雨", "ROLE_VIEWER"],
  ])
    await server.api("POST", "/v1/users", { email, name, roles: [role], password: ADMIN.password });
  const { users } = await server.api("GET", "/v1/users");
  for (const [name, description, some] of [
    ["Billing", "Invoices, dunning and refunds", /grace|ada/],
    ["Warehouse", "", /lin/],
  ])
    await server.api("POST", "/v1/projects", {
      name,
      description,
      userIds: users.filter((each) => some.test(each.email)).map((each) => each.id),
    });
  return ids;
}

const press = (keys, sign) => async (on) => {
  await on.keyboard.press(keys);
  await on.locator(sign).first().waitFor();
};
const click = (target, sign) => async (on) => {
  await on.locator(target).first().click();
  if (sign) await on.locator(sign).first().waitFor();
};
const choose =
  (node, ...more) =>
  async (on) => {
    await on.locator(`.node[data-node="${node}"]`).click();
    await on.locator(".inspectorbody").first().waitFor();
    await on.waitForTimeout(500);
    for (const act of more) await act(on);
  };
const tab = (index, within = "") => click(`${within} [role="tab"] >> nth=${index}`);

/** Address, what shows that it is there, what is done before the picture. */
const VIEWS = (ids) => ({
  workflows: ["/", ".table"],
  "workflows-menu": ["/", ".table", click("tbody .button.icon", ".menu")],
  "workflows-new": ["/", ".table", click(".pagehead .primary", ".dialog")],
  "workflows-describe": ["/", ".table", click(".pagehead .button:has(.lucide-sparkles)", ".dialog")],
  "workflows-delete": [
    "/",
    ".table",
    click("tbody .button.icon", ".menu"),
    click(".menu .danger", ".dialog"),
  ],
  "workflows-none-found": [
    "/",
    ".table",
    async (on) => {
      await on.locator(".searchfield input").fill("zzz");
      await on.locator(".empty").waitFor();
    },
  ],
  command: ["/", ".table", press("Control+k", "[cmdk-item]")],
  editor: [`/workflows/${ids.orders}`, ".node"],
  "editor-ai": [`/workflows/${ids.assistant}`, ".node"],
  "editor-ai-node": [`/workflows/${ids.assistant}`, ".node", choose("agent")],
  "editor-long": [`/workflows/${ids.slow}`, ".node"],
  "editor-issues": [`/workflows/${ids.wrong}`, ".node", choose("agent")],
  "editor-run": [`/workflows/${ids.orders}?execution=${ids.good}`, ".node.is-succeeded", choose("free")],
  "editor-failed": [`/workflows/${ids.orders}?execution=${ids.failed}`, ".node.is-failed", choose("label")],
  "editor-http": [`/workflows/${ids.orders}`, ".node", choose("orders")],
  "editor-if": [`/workflows/${ids.orders}`, ".node", choose("large")],
  "editor-merge": [`/workflows/${ids.orders}`, ".node", choose("both")],
  "editor-slack": [`/workflows/${ids.orders}`, ".node", choose("tell")],
  "editor-webhook": [`/workflows/${ids.orders}`, ".node", choose("hook")],
  "editor-behaviour": [`/workflows/${ids.orders}`, ".node", choose("label", tab(1, ".inspector"))],
  "editor-help": [`/workflows/${ids.orders}`, ".node", choose("label", tab(2, ".inspector"))],
  "editor-palette": [`/workflows/${ids.orders}`, ".node", press("a", "[cmdk-item]")],
  "editor-palette-search": [
    `/workflows/${ids.orders}`,
    ".node",
    press("a", "[cmdk-item]"),
    async (on) => {
      await on.keyboard.type("http");
      await on.waitForTimeout(200);
    },
  ],
  "editor-versions": [
    `/workflows/${ids.orders}`,
    ".node",
    click(".topbar button:has(.lucide-history)", ".version"),
  ],
  "editor-assistant": [`/workflows/${ids.orders}`, ".node", press("Control+j", ".chatbox")],
  "editor-publish": [
    `/workflows/${ids.orders}`,
    ".node",
    click(".topbar .button:has(.lucide-rocket)", ".dialog"),
  ],
  "editor-run-with": [`/workflows/${ids.orders}`, ".node", click(".joined .button:last-child", ".dialog")],
  "editor-settings": [
    `/workflows/${ids.orders}`,
    ".node",
    click(".topbar button:has(.lucide-ellipsis)", ".menu"),
    click(".menu .item", ".dialog"),
  ],
  "editor-empty": [`/workflows/${ids.blank}`, ".canvasarea"],
  executions: ["/executions", ".table"],
  "executions-none": ["/executions?status=PAUSED", ".empty"],
  execution: [`/executions/${ids.good}`, ".gantt"],
  "execution-output": [`/executions/${ids.good}`, ".gantt", tab(2, ".executiondock")],
  "execution-journal": [`/executions/${ids.good}`, ".gantt", tab(4, ".executiondock")],
  "execution-failed": [`/executions/${ids.failed}`, ".gantt"],
  "execution-running": [`/executions/${ids.running}`, ".gantt"],
  "execution-waiting": [`/executions/${ids.waiting}`, ".gantt"],
  "execution-fork": [
    `/executions/${ids.failed}`,
    ".gantt",
    tab(4, ".executiondock"),
    click(".datatable .button >> nth=3", ".dialog select"),
  ],
  "execution-missing": ["/executions/exec_none", ".empty"],
  compare: [`/compare?a=${ids.good}&b=${ids.failed}`, "h1"],
  inbox: ["/inbox", ".tasks li"],
  "inbox-approval": [`/inbox/${ids.approval}`, ".task"],
  "inbox-form": [`/inbox/${ids.form}`, ".task"],
  "inbox-edit": [`/inbox/${ids.edit}`, ".task"],
  "inbox-choice": [`/inbox/${ids.choice}`, ".task"],
  "inbox-answered": [`/inbox/${ids.answered}`, ".task"],
  triggers: ["/triggers", ".table"],
  "triggers-cron": ["/triggers", ".table", click("tr:has(.lucide-calendar-clock) td button", ".dialog")],
  "triggers-hook": ["/triggers", ".table", click("tr:has(.lucide-webhook) td button", ".dialog")],
  "triggers-fire": [
    "/triggers",
    ".table",
    click("tr:has(.lucide-calendar-clock) td button", ".dialog"),
    tab(2, ".dialog"),
  ],
  credentials: ["/credentials", ".table"],
  "credentials-new": ["/credentials", ".table", click(".pagehead .primary", ".dialog .input")],
  templates: ["/templates", ".template"],
  "templates-open": ["/templates", ".template", click(".template", ".dialog")],
  settings: ["/settings", ".panel"],
  "settings-account": ["/settings/account", ".panel"],
  "settings-keys": ["/settings/keys", ".panel"],
  "settings-keys-new": ["/settings/keys", ".panel", click(".panel .primary", ".dialog")],
  "settings-users": ["/settings/users", ".panel table"],
  "settings-users-new": ["/settings/users", ".panel table", click(".panel .primary", ".dialog")],
  "settings-projects": ["/settings/projects", ".panel table"],
  "settings-projects-new": ["/settings/projects", ".panel table", click(".panel .primary", ".dialog")],
  "settings-audit": ["/settings/audit", ".panel table"],
  nowhere: ["/nowhere", ".empty"],
});
const EMPTY = {
  "empty-workflows": ["/", ".way"],
  "empty-executions": ["/executions", ".empty"],
  "empty-inbox": ["/inbox", ".empty"],
  "empty-triggers": ["/triggers", ".empty"],
  "empty-credentials": ["/credentials", ".empty"],
  "empty-users": ["/settings/users", ".panel"],
};
const PHONE = /^(executions?|inbox|empty-(executions|inbox)|login|workflows$|settings$|triggers$)/;
const SIZES = {
  wide: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
};

const asked = (name, all) => (process.env[name] ? process.env[name].split(",") : all);
const matches = (name) => {
  const wanted = process.argv.slice(2);
  return (
    wanted.length === 0 ||
    wanted.some((part) => name === part || (part.endsWith("*") && name.startsWith(part.slice(0, -1))))
  );
};

async function main() {
  if (!SHOTS) throw new Error("SHOTS says into which folder the pictures go");
  const shop = await peer({
    "GET /orders": () => ({ body: { orders: ORDERS } }),
    "POST /labels": ({ body }) =>
      shop.broken && body.order === "A-1043"
        ? {
            status: 503,
            body: { error: "The label printer in hall 3 is out of paper. Ask facility management." },
          }
        : { body: { label: `https://labels.example.com/${body.order}.pdf`, weight: 1.2 } },
    "GET /slow": () => new Promise(() => undefined),
  });
  const writer = await model();
  const environment = { ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, ...writer.environment };
  const [server, bare, chromium] = await Promise.all([engine(environment), engine(), browser()]);
  try {
    await pictures(server, bare, chromium, shop);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await chromium.close();
    await Promise.all([server.close(), bare.close()]);
    process.exit();
  }
}

async function pictures(server, bare, chromium, shop) {
  const answer = await fetch(`${server.url}/v1/auth/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(ADMIN),
  });
  const cookies = answer.headers.getSetCookie().map((line) => line.split(";")[0]);
  server.as({ cookie: cookies.join("; "), "x-csrf-token": (await answer.json()).csrfToken });
  const ids = await furnish(server, shop);
  ids.blank = (await server.api("POST", "/v1/workflows", { name: "Untitled" })).workflow.id;
  const views = { ...VIEWS(ids) };

  for (const language of asked("LANGUAGES", ["en", "zh"]))
    for (const theme of asked("THEMES", ["light", "dark"]))
      for (const size of asked("SIZES", ["wide", "phone"])) {
        const opened = async (signedIn) => {
          const context = await chromium.newContext({ ...SIZES[size], reducedMotion: "reduce" });
          await context.addInitScript(
            ([theme, language]) => {
              localStorage.setItem("theme", theme);
              localStorage.setItem("language", language);
            },
            [theme, language],
          );
          if (signedIn)
            await context.addCookies(
              cookies.map((each) => {
                const [name, value] = each.split(/=(.*)/s);
                return { name, value, url: server.url };
              }),
            );
          return context;
        };
        const look = async (context, home, all) => {
          const on = await page(context, home);
          for (const [name, [address, sign, ...acts]] of Object.entries(all)) {
            if (!matches(name) || (size === "phone" && !PHONE.test(name))) continue;
            const title = `${name}.${language}.${theme}.${size}`;
            try {
              await on.goto(home + address);
              await on.locator(sign).first().waitFor();
              await on.locator(".skeleton").first().waitFor({ state: "detached" });
              for (const act of acts) await act(on);
              await on.waitForTimeout(450);
            } catch (error) {
              console.error(`${title}: ${error.message.split("\n")[0]}`);
            }
            await on.screenshot({ path: join(SHOTS, `${title}.png`) });
            for (const mistake of on.mistakes.splice(0)) console.error(`${title}: ${mistake}`);
          }
        };
        const inside = await opened(true);
        await look(inside, server.url, views);
        await inside.close();
        const outside = await opened(false);
        await look(outside, server.url, { login: ["/", ".login"] });
        await look(outside, bare.url, EMPTY);
        await outside.close();
      }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href && SHOTS) await main();
