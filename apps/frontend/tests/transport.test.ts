import { describe, expect, it } from "vitest";
import { triggers, workflows } from "~/api/contract";
import { route } from "~/api/transport";

describe("where a call goes", () => {
  it("fills the path and leaves the rest to the body", () => {
    expect(route(workflows.executeWorkflow, { workflowId: "wf 1", mode: "MANUAL" })).toMatchObject({
      verb: "POST",
      path: "/v1/workflows/wf%201/executions",
      body: '{"mode":"MANUAL"}',
    });
    expect(route(workflows.updateWorkflow, { workflowId: "wf", etag: "3" }).verb).toBe("PATCH");
  });

  it("writes what a GET asks into the query, lists and messages too", () => {
    const to = route(workflows.getExecutionHistory, {
      statuses: ["ERROR", "SUCCESS"],
      limit: 5,
      workflowId: "",
    });
    expect(to.path).toBe("/v1/executions");
    expect(to.query.toString()).toBe("statuses=ERROR&statuses=SUCCESS&limit=5");
    expect(to.body).toBeUndefined();
  });

  it("refuses a call that lacks what its address needs", () => {
    expect(() => route(triggers.getTask, {})).toThrow("taskId");
  });

  it("knows every method of the contract that the editor calls", () => {
    for (const method of [...Object.values(workflows), ...Object.values(triggers)]) {
      const request = Object.fromEntries(method.input.fields.map((field) => [field.jsonName, "x"]));
      expect(route(method, request).path).toMatch(/^\/v1\//);
    }
  });
});
