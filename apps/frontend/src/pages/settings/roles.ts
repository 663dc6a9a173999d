/** What people may do. */
import type { RoleJson } from "~/api/contract";

export const ROLES: Partial<Record<RoleJson, string>> = {
  ROLE_VIEWER: "Viewer",
  ROLE_EDITOR: "Editor",
  ROLE_OPERATOR: "Operator",
  ROLE_ADMIN: "Admin",
};
