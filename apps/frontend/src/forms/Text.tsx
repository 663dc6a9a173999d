/** A field for text, with the editor for code and expressions once it has come. */
import { lazy, Suspense, use } from "react";
import { Form } from "./context";
import "./forms.css";

const CodeField = lazy(() => import("~/expression/CodeField"));

export function Text({
  id,
  value,
  onChange,
  multiline,
  literal = false,
  label,
  hint = "",
  language,
}: {
  id: string;
  value: string;
  onChange(value: string): void;
  multiline: boolean;
  literal?: boolean;
  label: string;
  hint?: string;
  language?: "json";
}) {
  const { readOnly, expressions, reach } = use(Form);
  return (
    <Suspense
      fallback={
        <div className={`code${multiline ? " tall" : ""}`} style={{ minHeight: multiline ? 70 : 32 }} />
      }
    >
      <CodeField
        id={id}
        value={value}
        onChange={onChange}
        multiline={multiline}
        language={language ?? (literal ? "code" : "template")}
        label={label}
        hint={hint}
        readOnly={readOnly}
        {...(expressions && reach ? { reach } : {})}
      />
    </Suspense>
  );
}
