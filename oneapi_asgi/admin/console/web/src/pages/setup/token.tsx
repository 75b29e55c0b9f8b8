import { Button, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Snippet } from "../../parts/copy";
import { Failed } from "../../parts/failed";

/** The first token. Its key is shown here, and never again. */
export function TokenStep({ onDone }: { onDone: (key: string) => void }) {
  const { t } = useTranslation("setup");
  const [name, setName] = useState("first");
  const make = useAct(() => ask(() => api.POST("/token", { body: { name, unlimited_quota: true } })), {
    quiet: true,
    renews: [["token"]],
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    make.mutate();
  }
  return (
    <form className="panel padded" onSubmit={submit} aria-label={t("token.label")}>
      <Stack maw={640}>
        {make.data ? (
          <>
            <Text size="sm">{t("token.once")}</Text>
            <Snippet value={make.data.key} what={t("token.key")} />
            <Button onClick={() => onDone(make.data.key)} w="fit-content">
              {t("next")}
            </Button>
          </>
        ) : (
          <>
            <TextInput
              label={t("token.name")}
              description={t("token.nameSays")}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              required
            />
            {make.error ? <Failed error={make.error} /> : null}
            <Button type="submit" loading={make.isPending} w="fit-content">
              {t("token.make")}
            </Button>
          </>
        )}
      </Stack>
    </form>
  );
}
