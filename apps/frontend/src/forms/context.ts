/** What all fields of a form know. */
import { createContext, type ReactNode } from "react";
import type { Reach } from "~/expression/complete";
import type { Schema } from "./schema";

export interface FormContext {
  root: Schema;
  readOnly: boolean;
  /** Whether fields may hold {{ }}. */
  expressions: boolean;
  reach?: () => Reach;
  /** What is wrong with the field at a path such as `headers.Accept`. */
  wrong?: (path: string) => string | undefined;
  /** What an expression gives just now. */
  preview?: (value: string) => ReactNode;
}

export const Form = createContext<FormContext>({ root: {}, readOnly: false, expressions: false });
