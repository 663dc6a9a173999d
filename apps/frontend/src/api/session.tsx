/** Who uses the editor. */
import { createContext, use } from "react";

export interface Session {
  /** Shown, and written into what this person does. */
  user: string;
  /** The server asks people to sign in. */
  secured: boolean;
}

export const SessionContext = createContext<Session>({ user: "", secured: false });

export function useSession(): Session {
  return use(SessionContext);
}
