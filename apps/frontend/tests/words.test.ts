import { describe, expect, it } from "vitest";
import { translate } from "~/i18n";
import zh from "~/i18n/zh";
import { shownTexts } from "./words";

describe("words", () => {
  it("are all there in Chinese", () => {
    const texts = shownTexts();
    expect(texts.size).toBeGreaterThan(400);
    expect([...texts].filter((text) => !(text in zh))).toEqual([]);
  });

  it("keep their places in every language", () => {
    const places = (text: string) => [...text.matchAll(/(?<!\{)\{(\w+)\}/g)].map((found) => found[1]).sort();
    for (const [english, chinese] of Object.entries(zh))
      expect(places(chinese), english).toEqual(places(english));
  });

  it("fill their places, and are English where there is no table", () => {
    expect(translate(zh, "{name} failed", { name: "Fetch" })).toBe("Fetch 失败");
    expect(translate(undefined, "{count} items", { count: 3 })).toBe("3 items");
  });
});
