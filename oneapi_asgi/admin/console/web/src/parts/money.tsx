import { Text, Tooltip, type TextProps } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { dollarsOfNano, money, number, QUOTA_PER_DOLLAR, quotaOfNano } from "../format";

type Props = TextProps & ({ quota: number; nano?: never } | { nano: number; quota?: never });

/** An amount in dollars; quota of One API on hover. */
export function Money({ quota, nano, ...text }: Props) {
  const { t } = useTranslation();
  const dollars = nano === undefined ? quota / QUOTA_PER_DOLLAR : dollarsOfNano(nano);
  return (
    <Tooltip label={t("quota", { quota: number(nano === undefined ? quota : quotaOfNano(nano)) })}>
      <Text span inherit className="figure" {...text}>
        {money(dollars)}
      </Text>
    </Tooltip>
  );
}
