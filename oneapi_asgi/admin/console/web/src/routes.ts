/** Every page: where it is, who may open it, and where it stands in the menu. */
import {
  IconAdjustments,
  IconBolt,
  IconCoin,
  IconGauge,
  IconGift,
  IconHistory,
  IconKey,
  IconList,
  IconMessage,
  IconPlugConnected,
  IconReportMoney,
  IconUsers,
  IconUsersGroup,
} from "@tabler/icons-react";
import { type ComponentType, lazy } from "react";

import { ADMIN, COMMON, ROOT } from "./session";

export interface PageRoute {
  path: string;
  page: ComponentType;
  role: number;
}

const Dashboard = lazy(() => import("./pages/dashboard"));
const Channels = lazy(() => import("./pages/channels"));
const ChannelForm = lazy(() => import("./pages/channels/form"));
const Tokens = lazy(() => import("./pages/tokens"));
const Logs = lazy(() => import("./pages/logs"));
const Live = lazy(() => import("./pages/live"));
const Playground = lazy(() => import("./pages/playground"));
const TopUp = lazy(() => import("./pages/topup"));
const Users = lazy(() => import("./pages/users"));
const Groups = lazy(() => import("./pages/groups"));
const Prices = lazy(() => import("./pages/prices"));
const Redemptions = lazy(() => import("./pages/redemptions"));
const Settings = lazy(() => import("./pages/settings"));
const Audit = lazy(() => import("./pages/audit"));
const Account = lazy(() => import("./pages/account"));
const Setup = lazy(() => import("./pages/setup"));
const About = lazy(() => import("./pages/about"));
const Register = lazy(() => import("./pages/sign-in/register"));
const Returned = lazy(() => import("./pages/sign-in/returned"));
const Reset = lazy(() => import("./pages/sign-in/reset"));

export const Login = lazy(() => import("./pages/sign-in"));
export const ChangeFirst = lazy(() => import("./pages/sign-in/change"));

export const PAGES: readonly PageRoute[] = [
  { path: "/", page: Dashboard, role: COMMON },
  { path: "/channels", page: Channels, role: ADMIN },
  { path: "/channels/new", page: ChannelForm, role: ADMIN },
  { path: "/channels/:id", page: ChannelForm, role: ADMIN },
  { path: "/tokens", page: Tokens, role: COMMON },
  { path: "/logs", page: Logs, role: COMMON },
  { path: "/live", page: Live, role: COMMON },
  { path: "/playground", page: Playground, role: COMMON },
  { path: "/topup", page: TopUp, role: COMMON },
  { path: "/users", page: Users, role: ADMIN },
  { path: "/groups", page: Groups, role: ADMIN },
  { path: "/prices", page: Prices, role: COMMON },
  { path: "/redemptions", page: Redemptions, role: ADMIN },
  { path: "/settings", page: Settings, role: ROOT },
  { path: "/audit", page: Audit, role: ADMIN },
  { path: "/account", page: Account, role: COMMON },
  { path: "/setup", page: Setup, role: ADMIN },
  { path: "/about", page: About, role: COMMON },
  { path: "/oauth/:provider", page: Returned, role: COMMON },
];

/** Open to who has not signed in. */
export const PUBLIC: readonly Omit<PageRoute, "role">[] = [
  { path: "/register", page: Register },
  { path: "/reset", page: Reset },
  { path: "/user/reset", page: Reset },
  { path: "/oauth/:provider", page: Returned },
  { path: "/about", page: About },
];

export const MENU = [
  {
    key: "use",
    items: [
      { key: "dashboard", path: "/", icon: IconGauge, role: COMMON },
      { key: "playground", path: "/playground", icon: IconMessage, role: COMMON },
      { key: "tokens", path: "/tokens", icon: IconKey, role: COMMON },
      { key: "logs", path: "/logs", icon: IconList, role: COMMON },
      { key: "live", path: "/live", icon: IconBolt, role: COMMON },
      { key: "prices", path: "/prices", icon: IconReportMoney, role: COMMON },
      { key: "topup", path: "/topup", icon: IconCoin, role: COMMON },
    ],
  },
  {
    key: "manage",
    items: [
      { key: "channels", path: "/channels", icon: IconPlugConnected, role: ADMIN },
      { key: "users", path: "/users", icon: IconUsers, role: ADMIN },
      { key: "groups", path: "/groups", icon: IconUsersGroup, role: ADMIN },
      { key: "redemptions", path: "/redemptions", icon: IconGift, role: ADMIN },
      { key: "audit", path: "/audit", icon: IconHistory, role: ADMIN },
      { key: "settings", path: "/settings", icon: IconAdjustments, role: ROOT },
    ],
  },
] as const;
