import { Button, Stack, Text, TextInput } from "@mantine/core";
import { modals } from "@mantine/modals";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { number } from "../../format";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";

/** Takes out the records of calls from before a day. */
export function Cut({ id }: { id: string }) {
  const { t } = useTranslation("logs");
  const [day, setDay] = useState("");
  const cut = useAct(
    (target: number) => ask(() => api.DELETE("/log", { params: { query: { target_timestamp: target } } })),
    { renews: [["log"]], done: (gone) => t("cut.done", { count: gone as number, formatted: number(gone as number) }) },
  );
  async function submit(event: FormEvent) {
    event.preventDefault();
    modals.close(id);
    if (await confirmed({ title: t("cut.title"), says: t("cut.sure", { day }), yes: t("cut.yes") })) {
      cut.mutate(Math.floor(new Date(`${day}T00:00`).getTime() / 1000));
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack>
        <Text size="sm">{t("cut.says")}</Text>
        <TextInput
          type="date"
          label={t("cut.before")}
          value={day}
          onChange={(event) => setDay(event.currentTarget.value)}
          data-autofocus
          required
        />
        <Button type="submit" color="red">
          {t("cut.go")}
        </Button>
      </Stack>
    </form>
  );
}
