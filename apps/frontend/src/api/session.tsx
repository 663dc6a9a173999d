/** Who uses the editor, and the door for those who have not signed in. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, lazy, type ReactNode, Suspense, use, useEffect } from "react";
import { Loading, Problem } from "~/ui";
import { auth, type PermissionJson, type UserJson, type WhoAmIResponseJson } from "./contract";
import { ApiError, call, onSignedOut, setCsrf } from "./transport";

const LoginPage = lazy(() => import("~/pages/LoginPage"));

export interface Session {
  /** Absent on a server without users. */
  user: UserJson | undefined;
  /** The server has users, and lets nobody in without. */
  secured: boolean;
  may(permission: PermissionJson): boolean;
  signOut(): Promise<void>;
}

const Context = createContext<Session>({
  user: undefined,
  secured: false,
  may: () => true,
  signOut: async () => undefined,
});

export function useSession(): Session {
  return use(Context);
}

export function SessionGate({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const me = useQuery({
    queryKey: ["WhoAmI"],
    queryFn: async (): Promise<WhoAmIResponseJson> => {
      try {
        const answer = await call(auth.whoAmI, {});
        setCsrf(answer.csrfToken);
        return answer;
      } catch (error) {
        // A server of before there were users knows nobody.
        if (error instanceof ApiError && (error.status === 404 || error.status === 501))
          return { success: true };
        throw error;
      }
    },
    staleTime: 60_000,
  });
  useEffect(() => {
    const again = () => void client.invalidateQueries({ queryKey: ["WhoAmI"] });
    onSignedOut.add(again);
    return () => {
      onSignedOut.delete(again);
    };
  }, [client]);
  if (me.isPending) return <Loading />;
  if (me.error)
    return (
      <div className="page">
        <Problem error={me.error} retry={() => void me.refetch()} />
      </div>
    );
  const { user, signInRequired: secured = false, permissions = [], oidcSignInPath } = me.data;
  if (secured && !user)
    return (
      <Suspense fallback={<Loading />}>
        <LoginPage oidc={oidcSignInPath ?? ""} onDone={() => void me.refetch()} />
      </Suspense>
    );
  const session: Session = {
    user,
    secured,
    may: (permission) =>
      !secured || permissions.includes(permission) || permissions.includes("PERMISSION_ADMIN"),
    signOut: async () => {
      await call(auth.signOut, {});
      setCsrf("");
      client.clear();
      await me.refetch();
    },
  };
  return <Context value={session}>{children}</Context>;
}
