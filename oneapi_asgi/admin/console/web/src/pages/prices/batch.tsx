import { Alert, Button, Modal, Stack, Text, Textarea } from "@mantine/core";
import type { TFunction } from "i18next";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { Failed, tellDone } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { type Read, readTable, type Wrong } from "./table";

function told(wrong: Wrong, t: TFunction<"prices">): string {
  const { line, why, value = "" } = wrong;
  if (why === "head") return t("batchHead");
  return t("batchLine", { line, what: why === "long" ? t("batchLong") : t("batchNumber", { value }) });
}

/** Sets many prices, from a table that was written or pasted. */
export function BatchForm({ close }: { close: () => void }) {
  useFocusBack();
  const { t } = useTranslation("prices");
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<Wrong[]>([]);
  const set = useAct(
    (prices: Read["prices"]) =>
      ask(() =>
        // What is not named is not sent: the administration knows what it is then.
        api.POST("/price/batch", { body: { prices: prices as Record<string, Schemas["PriceEdit"] | null> } }),
      ),
    {
      renews: [["prices"], ["pricing"]],
      after: (count) => {
        tellDone(t("batchDone", { count }));
        close();
      },
      quiet: true,
    },
  );
  function submit(event: FormEvent) {
    event.preventDefault();
    const read = readTable(text.trim());
    setWrong(read.wrong);
    if (read.wrong.length === 0 && Object.keys(read.prices).length > 0) set.mutate(read.prices);
  }
  return (
    <Modal opened onClose={close} size="lg" title={t("batchTitle")}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t("batchSays")}</Text>
          {set.error ? <Failed error={set.error} /> : null}
          {wrong.length > 0 ? (
            <Alert color="red" role="alert">
              {wrong.slice(0, 8).map((each) => (
                <div key={each.line}>{told(each, t)}</div>
              ))}
            </Alert>
          ) : null}
          <Textarea
            aria-label={t("batchTitle")}
            placeholder={t("batchExample")}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autosize
            minRows={8}
            maxRows={18}
            ff="monospace"
            spellCheck={false}
            data-autofocus
          />
          <Button type="submit" loading={set.isPending} disabled={!text.trim()}>
            {t("batch")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
