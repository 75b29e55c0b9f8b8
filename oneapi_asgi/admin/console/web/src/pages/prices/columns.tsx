import { ActionIcon, Anchor, Avatar, Badge, Group, Text, Tooltip } from "@mantine/core";
import { IconArrowBackUp, IconEdit } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { exactMoney, number } from "../../format";
import { useAct } from "../../parts/act";
import { confirmed } from "../../parts/confirm";
import type { Column } from "../../parts/table";
import { hasPrice, isFree, type Part, PARTS, type Price, vendorOf } from "./parts";

const SHOWN: readonly Part[] = ["input", "output", "cache_read", "cache_write"];

/** `open` shows all of a price; `edit` is for who may set prices. */
export function useColumns(open: (price: Price) => void, edit?: (price: Price) => void): Column<Price>[] {
  const { t } = useTranslation("prices");
  const columns: Column<Price>[] = [
    { key: "model", title: t("model"), cell: (price) => <Model price={price} open={open} /> },
    ...SHOWN.map((part): Column<Price> => ({
      key: part,
      title: t(`part.${part}`),
      align: "right",
      cell: (price) => <Amount price={price} part={part} />,
    })),
    { key: "more", title: t("more"), cell: (price) => <More price={price} /> },
    { key: "source", title: t("source"), cell: (price) => <Source price={price} /> },
  ];
  if (!edit) return columns;
  return [
    ...columns,
    { key: "actions", title: "", tight: true, cell: (price) => <Actions price={price} edit={edit} /> },
  ];
}

function Model({ price, open }: { price: Price; open: (price: Price) => void }) {
  const { model } = price;
  const vendor = vendorOf(model);
  return (
    <Group gap="xs" wrap="nowrap">
      <Tooltip label={vendor?.name} disabled={!vendor}>
        <Avatar size={24} radius="sm" color={vendor?.color ?? "gray"} aria-hidden>
          {vendor?.name[0] ?? "·"}
        </Avatar>
      </Tooltip>
      <Anchor
        component="button"
        type="button"
        inherit
        fw={500}
        ta="left"
        c="inherit"
        miw={0}
        className="anywhere"
        onClick={() => open(price)}
      >
        {model}
      </Anchor>
    </Group>
  );
}

function Amount({ price, part }: { price: Price; part: Part }) {
  const { t } = useTranslation("prices");
  if (!hasPrice(price)) {
    if (part !== "input") return <Dimmed text="–" />;
    return (
      <Tooltip label={t("refusedSays")} multiline maw={320}>
        <Badge color="red" tabIndex={0}>
          {t("refused")}
        </Badge>
      </Tooltip>
    );
  }
  if (part === "input" && isFree(price)) return <Badge color="teal">{t("free")}</Badge>;
  const amount = price[part];
  return amount === null ? <Dimmed text="–" /> : <span className="figure">{exactMoney(Number(amount))}</span>;
}

function Dimmed({ text }: { text: string }) {
  return (
    <Text span inherit c="dimmed">
      {text}
    </Text>
  );
}

/** What has a price of its own and no column. */
function More({ price }: { price: Price }) {
  const { t } = useTranslation("prices");
  const parts = PARTS.filter(([part]) => !SHOWN.includes(part) && price[part] !== null && Number(price[part]) !== 0);
  const lines = [
    ...parts.map(([part, per]) => `${t(`part.${part}`)}: ${exactMoney(Number(price[part]))} / ${t(`per.${per}`)}`),
    ...price.tiers.map(({ above, input, output }) =>
      [t("tier", { above: number(above) }), exactMoney(Number(input ?? 0)), exactMoney(Number(output ?? 0))].join(
        " · ",
      ),
    ),
  ];
  if (lines.length === 0) return <Dimmed text="–" />;
  return (
    <Tooltip
      label={lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    >
      <Badge color="gray" tabIndex={0}>
        + {number(lines.length)}
      </Badge>
    </Tooltip>
  );
}

const COLORS = { set: "blue", settings: "grape", catalog: "gray", policy: "orange" } as const;

export function Source({ price: { source, matched, model } }: { price: Price }) {
  const { t } = useTranslation("prices");
  const glob = matched && matched !== model ? matched : "";
  return (
    <Tooltip label={`${t(`sources.${source}Says`)}${glob ? ` (${t("glob", { glob })})` : ""}`} multiline maw={320}>
      <Badge color={COLORS[source]} tabIndex={0}>
        {t(`sources.${source}`)}
      </Badge>
    </Tooltip>
  );
}

function Actions({ price, edit }: { price: Price; edit: (price: Price) => void }) {
  const { t } = useTranslation("prices");
  const { matched, model, source } = price;
  const remove = useAct(() => ask(() => api.DELETE("/price/{model}", { params: { path: { model: matched } } })), {
    renews: [["prices"], ["pricing"]],
  });
  async function reset() {
    if (await confirmed({ title: t("resetTitle", { name: matched }), says: t("resetSays"), yes: t("remove") }))
      remove.mutate();
  }
  if (source === "settings") return null;
  return (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label={t("edit")}>
        <ActionIcon onClick={() => edit(price)} aria-label={`${t("edit")} ${t("of", { model })}`}>
          <IconEdit size={16} />
        </ActionIcon>
      </Tooltip>
      {source === "set" ? (
        <Tooltip label={t("reset")}>
          <ActionIcon onClick={reset} aria-label={`${t("reset")} ${t("of", { model })}`}>
            <IconArrowBackUp size={16} />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </Group>
  );
}
