import { ADMIN, COMMON, ROOT } from "../../session";

export const ROLES = [
  { role: COMMON, key: "common", color: "gray" },
  { role: ADMIN, key: "admin", color: "blue" },
  { role: ROOT, key: "root", color: "grape" },
] as const;
