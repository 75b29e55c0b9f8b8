import { Center, Loader } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Switch, useLocation } from "wouter";

import { listen } from "./api";
import { Unknown } from "./pages/unknown";
import { Boundary } from "./parts/boundary";
import { Failed } from "./parts/failed";
import { ChangeFirst, Login, PAGES, PUBLIC } from "./routes";
import { Present, useMe } from "./session";
import { askAgain } from "./shell/again";
import { Shell } from "./shell/shell";

export function App() {
  useTranslation(); // drawn anew in another language
  const queries = useQueryClient();
  const me = useMe();
  const [at] = useLocation();
  useEffect(
    () => listen({ confirm: askAgain, over: () => queries.getQueryData(["me"]) && location.reload() }),
    [queries],
  );
  if (me.isPending) return <Waiting />;
  if (me.data === undefined) {
    return (
      <Center mih="60vh" p="lg">
        <Failed error={me.error} again={me.refetch} />
      </Center>
    );
  }
  const user = me.data;
  const resets = at === "/user/reset"; // where a letter leads, which may be to another than who is signed in
  if (!user || user.must_change_password || resets) {
    return (
      <Boundary at={at}>
        <Suspense fallback={<Waiting />}>
          <Switch>
            {user && !resets
              ? null
              : PUBLIC.map(({ path, page: Shown }) => <Route key={path} path={path} component={Shown} />)}
            <Route component={user ? ChangeFirst : Login} />
          </Switch>
        </Suspense>
      </Boundary>
    );
  }
  return (
    <Present value={user}>
      <Shell>
        <Boundary at={at}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              {PAGES.filter(({ role }) => user.role >= role).map(({ path, page: Shown }) => (
                <Route key={path} path={path} component={Shown} />
              ))}
              {LEFT.map((path) => (
                <Route key={path} path={path} component={Home} />
              ))}
              <Route component={Unknown} />
            </Switch>
          </Suspense>
        </Boundary>
      </Shell>
    </Present>
  );
}

/** Pages that who has signed in is done with. */
const LEFT = ["/login", "/register", "/reset"];

function Home() {
  return <Redirect to="/" replace />;
}

function Waiting() {
  const { t } = useTranslation();
  return (
    <Center mih="40vh">
      <Loader aria-label={t("loading")} />
    </Center>
  );
}
