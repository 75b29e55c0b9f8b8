import { Badge, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";

const REASONS = [
  "aborted",
  "client_gone",
  "client_slow",
  "done",
  "drained",
  "refused",
  "revoked",
  "upstream_cut",
  "upstream_failed",
] as const;

export function reasonOf(reason: string): (typeof REASONS)[number] | undefined {
  return REASONS.find((one) => one === reason);
}

/** How a call ended: the status that the caller got, and why on hover. */
export function Outcome({ status, reason }: { status: number; reason: string }) {
  const { t } = useTranslation("logs");
  const known = reasonOf(reason);
  const well = reason === "done" && status > 0 && status < 400;
  return (
    <Tooltip label={known ? t(`reason.${known}`) : reason}>
      <Badge color={well ? "teal" : reason.startsWith("client") ? "orange" : "red"} size="sm">
        {status || t("noStatus")}
      </Badge>
    </Tooltip>
  );
}
