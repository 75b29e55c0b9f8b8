import { Box, Input, SegmentedControl, Textarea } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { Markdown } from "../../parts/markdown";

interface Props {
  label: string;
  description?: string | undefined;
  error: string | undefined;
  value: string;
  set: (value: string) => void;
}

/** A longer text, and how it looks. */
export function Text({ label, description, error, value, set }: Props) {
  const { t } = useTranslation("settings");
  const id = useId();
  const [shown, setShown] = useState<"write" | "preview">("write");
  return (
    <Input.Wrapper id={id} label={label} description={description} error={error}>
      <SegmentedControl
        size="xs"
        my={6}
        display="flex"
        w="fit-content"
        aria-label={`${label}: ${t("preview")}`}
        value={shown}
        onChange={(next) => setShown(next as "write" | "preview")}
        data={[
          { value: "write", label: t("write") },
          { value: "preview", label: t("preview") },
        ]}
      />
      {shown === "write" ? (
        <Textarea
          id={id}
          value={value}
          onChange={(event) => set(event.currentTarget.value)}
          error={Boolean(error)}
          autosize
          minRows={3}
          maxRows={16}
        />
      ) : (
        <Box className="panel padded">{value ? <Markdown text={value} /> : t("nothing")}</Box>
      )}
    </Input.Wrapper>
  );
}
