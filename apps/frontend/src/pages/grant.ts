/** A person grants access in a window of the provider's; the server hears of it when they come back. */
import { type CredentialJson, integrations } from "~/api/contract";
import { call } from "~/api/transport";
import type { Translate } from "~/i18n";

const LOOK_AGAIN = 1000;
const PATIENCE = 5 * 60_000;
/** A provider may cut the window off from us, and then it looks closed although somebody types into it. */
const AFTER_CLOSING = 20_000;

/** Whether there is something to grant, and whether it was. */
export function grantOf(
  credential: Pick<CredentialJson, "fields" | "secretFields">,
  isOauth: boolean | undefined,
): "none" | "open" | "granted" {
  const fields = (credential.fields ?? {}) as Record<string, unknown>;
  if (!isOauth || fields.grant === "client_credentials") return "none";
  return credential.secretFields?.includes("access_token") ? "granted" : "open";
}

/** To be called in the click itself: later on browsers take the window for a pop-up and refuse it. */
export function openWindow(): Window | null {
  return window.open("about:blank", "_blank", "popup,width=560,height=720");
}

/** Sends the person to the provider and waits until access is granted. Throws when it is not. */
export async function connect(credentialId: string, opened: Window | null, t: Translate): Promise<void> {
  if (!opened)
    throw new Error(t("The browser has refused to open the provider's window. Allow pop-ups for this page."));
  let isAway = false;
  try {
    const before = await call(integrations.getCredential, { credentialId });
    const started = await call(integrations.startOAuth, {
      credentialId,
      redirectUri: `${location.origin}/oauth/callback`,
    });
    // What the provider shows must have no hold of this page.
    opened.opener = null;
    opened.location.replace(started.authorizationUrl ?? "about:blank");
    isAway = true;
    for (let deadline = Date.now() + PATIENCE, closed = false; Date.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
      const now = await call(integrations.getCredential, { credentialId });
      if (now.credential?.updatedAt !== before.credential?.updatedAt) return;
      if (opened.closed && !closed) {
        closed = true;
        deadline = Math.min(deadline, Date.now() + AFTER_CLOSING);
      }
    }
    throw new Error(t("Access was not granted."));
  } finally {
    // Once it shows something of others, the window is the person's to close.
    if (!isAway) opened.close();
  }
}
