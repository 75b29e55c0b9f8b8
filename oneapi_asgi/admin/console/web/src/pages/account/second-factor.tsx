import { Badge, Button, Center, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { QRCodeSVG } from "qrcode.react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { api, ask, type Schemas } from "../../api";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import { Snippet } from "../../parts/copy";
import { download } from "../../parts/download";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { Part } from "./part";

const RENEWS = [["me"], ["2fa"]];

/** Codes of an authenticator app beside the password. */
export function SecondFactor() {
  const { t } = useTranslation(["account", "common"]);
  const state = useQuery({ queryKey: ["2fa"], queryFn: () => ask(() => api.GET("/user/2fa/status")) });
  const [begun, setBegun] = useState<Schemas["Setup"] | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const setup = useAct(() => ask(() => api.POST("/user/2fa/setup")), { after: setBegun });
  const renew = useAct(() => ask(() => api.POST("/user/2fa/backup_codes")), { renews: RENEWS, after: setCodes });
  const disable = useAct(() => ask(() => api.POST("/user/2fa/disable")), { renews: RENEWS, done: t("factorIsOff") });
  async function disableIfSure() {
    const sure = await confirmed({ title: t("factorOffTitle"), says: t("factorOffSays"), yes: t("factorOff") });
    if (sure) disable.mutate();
  }
  async function renewIfSure() {
    const sure = await confirmed({ title: t("codesNewTitle"), says: t("codesNewSays"), yes: t("codesNew") });
    if (sure) renew.mutate();
  }
  const on = state.data?.enabled ?? false;
  return (
    <Part title={t("factor")} says={t("factorSays")}>
      {state.error ? <Failed error={state.error} again={state.refetch} /> : null}
      {state.data ? (
        <Group justify="space-between">
          <Group gap="xs">
            <Badge variant="light" color={on ? "teal" : "gray"}>
              {on ? t("common:enabled") : t("common:disabled")}
            </Badge>
            {on ? <Text size="sm">{t("codesLeft", { count: state.data.recovery_codes_left })}</Text> : null}
          </Group>
          <Group gap="xs">
            {on ? (
              <>
                <Button variant="default" loading={renew.isPending} onClick={() => void renewIfSure()}>
                  {t("codesNew")}
                </Button>
                <Button variant="light" color="red" loading={disable.isPending} onClick={() => void disableIfSure()}>
                  {t("factorOff")}
                </Button>
              </>
            ) : (
              <Button loading={setup.isPending} onClick={() => setup.mutate()}>
                {t("factorOn")}
              </Button>
            )}
          </Group>
        </Group>
      ) : null}
      {begun ? (
        <Begin
          setup={begun}
          onClose={() => setBegun(null)}
          onDone={(made) => {
            setBegun(null);
            setCodes(made);
          }}
        />
      ) : null}
      {codes ? <Codes codes={codes} onClose={() => setCodes(null)} /> : null}
    </Part>
  );
}

interface BeginProps {
  setup: Schemas["Setup"];
  onClose: () => void;
  onDone: (codes: string[]) => void;
}

function Begin({ setup, onClose, onDone }: BeginProps) {
  useFocusBack();
  const { t } = useTranslation(["account", "common"]);
  const [code, setCode] = useState("");
  const enable = useAct(() => ask(() => api.POST("/user/2fa/enable", { body: { secret: setup.secret, code } })), {
    quiet: true,
    renews: RENEWS,
    after: onDone,
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    enable.mutate();
  }
  return (
    <Modal opened onClose={onClose} title={t("factor")}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t("factorScan")}</Text>
          <Center>
            <QRCodeSVG value={setup.uri} size={200} marginSize={4} title={t("factorQr")} />
          </Center>
          <Snippet value={setup.secret} what={t("factorSecret")} />
          {enable.error ? <Failed error={enable.error} /> : null}
          <TextInput
            label={t("factorCode")}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            inputMode="numeric"
            autoComplete="one-time-code"
            data-autofocus
            required
          />
          <Button type="submit" loading={enable.isPending}>
            {t("factorOn")}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["account", "common"]);
  const text = codes.join("\n");
  return (
    <Modal opened onClose={onClose} title={t("codes")} closeOnEscape={false} withCloseButton={false}>
      <Stack>
        <Text size="sm">{t("codesSay")}</Text>
        <Snippet value={text} what={t("codes")} />
        <Group justify="flex-end">
          <Button variant="default" onClick={() => download(`${text}\n`, "recovery-codes.txt")}>
            {t("download")}
          </Button>
          <Button onClick={onClose}>{t("kept")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
