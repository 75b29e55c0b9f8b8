import { Button, NumberInput, PasswordInput, Switch, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { QUOTA_PER_DOLLAR, quotaOfDollars } from "../../format";
import { DollarsInput } from "../../parts/dollars";
import { IN_QUOTA, type Option } from "./options";
import { Text } from "./text";

interface Props {
  option: Option;
  label: string;
  description?: string | undefined;
  /** The text that is kept, or null for a secret that stays as it is. */
  value: string | null;
  error: string | undefined;
  set: (value: string | null) => void;
}

/** What an option is changed with, by what it may be. */
export function Control(props: Props) {
  const { option, value, set, label, description, error } = props;
  const common = { label, description, error };
  if (IN_QUOTA.has(option.key)) {
    return (
      <DollarsInput
        {...common}
        value={value ? Number(value) / QUOTA_PER_DOLLAR : ""}
        onChange={(dollars) => set(String(quotaOfDollars(Number(dollars) || 0)))}
      />
    );
  }
  switch (option.kind) {
    case "flag":
      return (
        <Switch
          {...common}
          checked={value === "true"}
          onChange={(event) => set(event.currentTarget.checked ? "true" : "false")}
        />
      );
    case "number":
      return (
        <NumberInput
          {...common}
          min={0}
          allowDecimal={false}
          allowNegative={false}
          hideControls
          value={value ?? ""}
          onChange={(number) => set(String(number))}
        />
      );
    case "secret":
      return <SecretInput {...props} />;
    case "page":
      return <Text {...common} value={value ?? ""} set={set} />;
    case "ratios":
      return (
        <Textarea
          {...common}
          value={value ?? ""}
          onChange={(event) => set(event.currentTarget.value)}
          autosize
          minRows={4}
          maxRows={20}
          ff="monospace"
          spellCheck={false}
        />
      );
    default:
      return (
        <TextInput
          {...common}
          type={option.kind === "url" ? "url" : "text"}
          value={value ?? ""}
          onChange={(event) => set(event.currentTarget.value)}
        />
      );
  }
}

function SecretInput({ option, label, description, value, error, set }: Props) {
  const { t } = useTranslation("settings");
  const cleared = value === "";
  return (
    <PasswordInput
      label={label}
      description={cleared ? t("cleared") : description}
      error={error}
      placeholder={t(option.kept ? "kept" : "unset")}
      autoComplete="new-password"
      value={value ?? ""}
      onChange={(event) => set(event.currentTarget.value || null)}
      {...(option.kept && value === null
        ? {
            rightSection: (
              <Button
                size="compact-xs"
                variant="subtle"
                onClick={() => set("")}
                aria-label={`${t("forget")}: ${label}`}
              >
                {t("forget")}
              </Button>
            ),
            rightSectionWidth: 90,
          }
        : {})}
    />
  );
}
