import { Drawer, Stack, Text, Title } from "@mantine/core";
import { useTranslation } from "react-i18next";

import { Facts } from "../../parts/facts";
import { Moment } from "../../parts/moment";
import { Money } from "../../parts/money";
import { actorOf, type Event, said } from "./columns";

/** One thing that was done, with the facts that go along. */
export function EventDrawer({ event, close }: { event: Event | null; close: () => void }) {
  const { t } = useTranslation("audit");
  return (
    <Drawer
      opened={event !== null}
      onClose={close}
      position="right"
      size="md"
      title={t("detail")}
      closeButtonProps={{ "aria-label": t("close", { ns: "common" }) }}
    >
      {event ? <Detail event={event} /> : null}
    </Drawer>
  );
}

function Detail({ event }: { event: Event }) {
  const { t } = useTranslation("audit");
  const detail: Record<string, unknown> = event.detail;
  return (
    <Stack gap="lg">
      <Text fw={600} className="anywhere">
        {said(event)}
      </Text>
      <Facts
        facts={[
          [t("at"), <Moment key="at" at={event.at} />],
          [t("kind.label"), t(`kind.${event.kind}`)],
          [t("actor"), actorOf(event, t)],
          [t("action"), event.action],
          [t("target"), event.target],
          [t("user"), event.user],
          [t("amount"), event.quota === null ? "" : <Money key="amount" quota={event.quota} />],
          [t("address"), event.address],
          [t("request"), event.request_id],
        ]}
      />
      {Object.keys(detail).length > 0 ? (
        <section>
          <Title order={3} size="h5" mb={6}>
            {t("facts")}
          </Title>
          <Facts facts={Object.entries(detail).map(([name, value]) => [name, written(value)])} />
        </section>
      ) : null}
    </Stack>
  );
}

function written(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
