import { describe, expect, it } from "vitest";
import { saying } from "~/i18n/engine";
import zh from "~/i18n/engine.zh.json";

const say = saying(zh);

describe("what the engine says, in Chinese", () => {
  it("is said with its values in their places", () => {
    expect(say("there is no workflow 'wf_1'")).toBe("没有工作流 'wf_1'");
    expect(say("an expression names 'B', which does not run before 'a'")).toBe(
      "表达式引用了 'B'，但它并不在 'a' 之前运行",
    );
    expect(say("the code ran longer than 5 s and was stopped")).toBe("代码运行超过 5 秒，已被停止");
  });

  it("is itself, whatever else it is like", () => {
    const fill = (text: string) => text.replace(/\{(\d)\}/g, (_, place: string) => `v${place}`);
    const wrong = Object.entries(zh)
      .filter(([text]) => text.replace(/\{\d\}|\s/g, "").length >= 4)
      .map(([text, said]) => ({ text, is: say(fill(text)), shall: fill(said) }))
      .filter(({ is, shall }) => is !== shall);
    expect(wrong).toEqual([]);
  });

  it("is understood where one text stands in another, or after it", () => {
    expect(say("there is no key 'x' in null (character 3)")).toBe("null 中没有键 'x'（第 3 个字符）");
    expect(say("there is no key 'x'; the keys are a, b")).toBe("没有键 'x'；可用的键有 a, b");
    expect(say("there is no key 'x': the map is empty")).toBe("没有键 'x'：映射为空");
    expect(say("Fetch (action.http_request) has no output port 'x'")).toBe(
      "Fetch（action.http_request）没有输出端口 'x'",
    );
    expect(say("url is required; remove it")).toBe("url 必填；请删除它");
    expect(
      say("node 'a' connections: 'a' is drawn twice; give every node an id of its own (and 2 more)"),
    ).toBe("节点 'a' connections：'a' 重复连接；请给每个节点单独的 ID（还有 2 项）");
    expect(say("GET http://a.example/b: no complete answer within 30 s")).toBe(
      "GET http://a.example/b：30 秒内没有完整的响应",
    );
    expect(say("parameters.count: Input should be greater than or equal to 1")).toBe(
      "parameters.count：必须大于或等于 1",
    );
  });

  it("takes no time over what is long", () => {
    const long = ["a.b ", "x; ", "node 'a' is ", "{ }, "].map((each) => each.repeat(1990 / each.length));
    const from = performance.now();
    for (const text of long) say(text);
    expect(performance.now() - from).toBeLessThan(500);
  });

  it("leaves alone what others have said", () => {
    for (const text of [
      "",
      "ok",
      "The label printer is out of paper.",
      "Out: of order; ask Ada",
      "x".repeat(5000),
    ])
      expect(say(text)).toBe(text);
    expect(
      say('GET http://a.example/b answered 503 Service Unavailable: {"error": "out of paper; ask"}'),
    ).toBe('GET http://a.example/b 响应 503 Service Unavailable：{"error": "out of paper; ask"}');
  });
});
