/** What a field is for: the first sentence; the rest when it is asked for. */
import { useState } from "react";
import { useT } from "~/i18n";

const SENTENCE = /\.\s|。/;
/** As wide as this many letters, a text may stay whole; a Chinese character is as wide as two. */
const SHORT = 110;

export function Help({ text }: { text: string }) {
  const t = useT();
  const [open, setOpen] = useState(false);
  const flat = text.replace(/\s*\n\s*/g, " ").replace(/`/g, "");
  const end = flat.search(SENTENCE);
  const width = flat.length + (flat.match(/[\u3000-\u9fff]/g)?.length ?? 0);
  if (!flat) return null;
  if (end < 0 || width < SHORT) return <>{flat}</>;
  return (
    <>
      {open ? flat : flat.slice(0, end + 1)}{" "}
      <button
        type="button"
        className="moreless"
        style={{ display: "inline" }}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {open ? t("less") : t("more")}
      </button>
    </>
  );
}
