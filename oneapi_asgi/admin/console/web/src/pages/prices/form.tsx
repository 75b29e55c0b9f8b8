import {
  ActionIcon,
  Alert,
  Button,
  Drawer,
  Fieldset,
  Group,
  NumberInput,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Tooltip,
} from "@mantine/core";
import { useForm, type UseFormReturnType } from "@mantine/form";
import { randomId } from "@mantine/hooks";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { atField } from "../../parts/at-field";
import { Failed } from "../../parts/failed";
import { useFocusBack } from "../../parts/focus-back";
import { Preview } from "./details";
import { type Part, type Parts, PARTS, type Price } from "./parts";

/** Amounts are text: decimals as they were written. */
type Amounts = Record<Part, string>;
interface Tier extends Amounts {
  key: string;
  above: number | string;
}
interface Values extends Amounts {
  model: string;
  max_output: number | string;
  tiers: Tier[];
}
type Form = UseFormReturnType<Values>;

function amountsOf(parts: Parts | null): Amounts {
  return Object.fromEntries(PARTS.map(([part]) => [part, parts?.[part] ?? ""])) as Amounts;
}

function partsOf(amounts: Amounts): Parts {
  return Object.fromEntries(PARTS.map(([part]) => [part, String(amounts[part]) || null])) as Parts;
}

function valuesOf(price: Price | null): Values {
  return {
    ...amountsOf(price),
    model: price?.model ?? "",
    max_output: price?.max_output ?? "",
    tiers: (price?.tiers ?? []).map((tier) =>
      Object.assign(amountsOf(tier), { key: String(tier.above), above: tier.above }),
    ),
  };
}

/** The whole price that is asked for. */
function bodyOf(values: Values) {
  return {
    ...partsOf(values),
    max_output: values.max_output === "" ? null : Number(values.max_output),
    tiers: values.tiers.map((tier) => Object.assign(partsOf(tier), { above: Number(tier.above) })),
  };
}

/** A tier takes the place of the whole price: it has each part that the price has. */
function missing(values: Values, says: string): Record<string, string> {
  const found = values.tiers.flatMap((tier, index) =>
    PARTS.filter(([part]) => values[part] !== "" && tier[part] === "").map(([part]) => [
      `tiers.${index}.${part}`,
      says,
    ]),
  );
  return Object.fromEntries(found);
}

/** Sets the price of a model, or of all that a glob names. */
export function PriceForm({ price, close }: { price: Price | null; close: () => void }) {
  useFocusBack();
  const { t } = useTranslation(["prices", "common"]);
  const form = useForm<Values>({
    initialValues: valuesOf(price),
    validate: (values) => missing(values, t("tierNeeds")),
  });
  const save = useAct(
    (values: Values) =>
      ask(() => api.PUT("/price/{model}", { params: { path: { model: values.model.trim() } }, body: bodyOf(values) })),
    { renews: [["prices"], ["pricing"]], done: t("common:saved"), after: close, quiet: true },
  );
  const asked: Price = { ...bodyOf(form.values), model: form.values.model, source: "set", matched: "", ratio: "1" };
  const glob = price?.source === "set" && price.matched !== price.model ? price.matched : "";
  return (
    <Drawer
      opened
      closeOnClickOutside={false}
      onClose={close}
      position="right"
      size="lg"
      title={price ? t("setTitle", { model: price.model }) : t("set")}
    >
      <form
        onSubmit={form.onSubmit((values) =>
          save.mutate(values, { onError: (error) => atField(error, form) && save.reset() }),
        )}
      >
        <Stack>
          {save.error ? <Failed error={save.error} /> : null}
          {glob ? <Alert variant="light">{t("fromGlob", { glob, model: price?.model ?? "" })}</Alert> : null}
          {price ? null : (
            <TextInput
              label={t("model")}
              description={t("modelSays")}
              required
              maxLength={255}
              data-autofocus
              {...form.getInputProps("model")}
            />
          )}
          <Text size="sm" c="dimmed">
            {t("perMillion")} {t("plain")}
          </Text>
          <AmountInputs form={form} path="" />
          <NumberInput
            label={t("maxOutput")}
            description={t("maxOutputSays")}
            min={1}
            allowDecimal={false}
            hideControls
            thousandSeparator=","
            {...form.getInputProps("max_output")}
          />
          <Tiers form={form} />
          <Preview price={asked} />
          <Button type="submit" loading={save.isPending}>
            {t("common:save")}
          </Button>
        </Stack>
      </form>
    </Drawer>
  );
}

function AmountInputs({ form, path }: { form: Form; path: string }) {
  const { t } = useTranslation("prices");
  return (
    <SimpleGrid cols={{ base: 2, xs: 3 }} spacing="sm" verticalSpacing="sm">
      {PARTS.map(([part, per]) => (
        <NumberInput
          key={part}
          label={t(`part.${part}`)}
          prefix="$"
          suffix={per === "million" ? "" : ` / ${t(`per.${per}`)}`}
          decimalScale={9}
          allowNegative={false}
          hideControls
          inputMode="decimal"
          {...form.getInputProps(path + part)}
        />
      ))}
    </SimpleGrid>
  );
}

function Tiers({ form }: { form: Form }) {
  const { t } = useTranslation("prices");
  const { tiers } = form.values;
  return (
    <Stack gap="sm">
      {tiers.length ? (
        <Text size="sm" c="dimmed">
          {t("tiersSays")}
        </Text>
      ) : null}
      {tiers.map((tier, index) => (
        <Fieldset key={tier.key} legend={t("tiers")}>
          <Group align="flex-end" mb="sm">
            <NumberInput
              label={t("above")}
              required
              min={0}
              allowDecimal={false}
              hideControls
              thousandSeparator=","
              flex={1}
              {...form.getInputProps(`tiers.${index}.above`)}
            />
            <Tooltip label={t("remove")}>
              <ActionIcon size="lg" onClick={() => form.removeListItem("tiers", index)} aria-label={t("remove")}>
                <IconTrash size={16} />
              </ActionIcon>
            </Tooltip>
          </Group>
          <AmountInputs form={form} path={`tiers.${index}.`} />
        </Fieldset>
      ))}
      <Button
        variant="default"
        size="xs"
        w="fit-content"
        leftSection={<IconPlus size={14} />}
        onClick={() =>
          form.insertListItem("tiers", {
            ...amountsOf(partsOf(form.values)),
            key: randomId(),
            above: "",
          } satisfies Tier)
        }
      >
        {t("addTier")}
      </Button>
    </Stack>
  );
}
