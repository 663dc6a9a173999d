import type { CredentialJson } from "~/api/contract";
export function CredentialDialog(_: {
  types?: string[];
  onClose(): void;
  onDone(credential: CredentialJson): void;
}) {
  return null;
}
