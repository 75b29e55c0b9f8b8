import { Group, Pill, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Asked } from "./asked";
import { dayOf, isRange, RANGES } from "./range";

const FILTERS = ["model", "user", "token", "channel"] as const;

/** Which days, by what, and of which model, user, token or channel alone. */
export function Controls({ asked, names }: { asked: Asked; names: Readonly<Record<string, string>> }) {
  const { t } = useTranslation("dashboard");
  const { values, set, name, split, splits, span } = asked;
  const chosen = FILTERS.filter((filter) => values[filter]);
  return (
    <Group gap="sm" align="flex-end">
      <div className="scroller">
        <SegmentedControl
          aria-label={t("range.label")}
          data={RANGES.map((value) => ({ value, label: t(`range.${value}`) }))}
          value={name}
          onChange={(value) =>
            isRange(value) &&
            set({
              range: value,
              from: value === "own" ? dayOf(span.since) : "",
              to: value === "own" ? dayOf(span.until - 1) : "",
            })
          }
        />
      </div>
      {name === "own" ? <Days asked={asked} /> : null}
      <Select
        aria-label={t("by.label")}
        w={170}
        data={[...splits, "all" as const].map((value) => ({ value, label: t(`by.${value}`) }))}
        value={split ?? "all"}
        allowDeselect={false}
        onChange={(value) => set({ by: value ?? "" })}
      />
      {chosen.map((filter) => (
        <Pill
          key={filter}
          size="md"
          withRemoveButton
          removeButtonProps={{ "aria-label": t("only.remove"), "aria-hidden": false, tabIndex: 0 }}
          onRemove={() => set({ [filter]: "" })}
        >
          {t(`only.${filter}`, { name: names[filter] ?? values[filter] })}
        </Pill>
      ))}
    </Group>
  );
}

function Days({ asked: { set, span } }: { asked: Asked }) {
  const { t } = useTranslation("dashboard");
  const [today] = useState(() => dayOf(Date.now() / 1000));
  return (
    <Group gap="xs" wrap="nowrap">
      <TextInput
        type="date"
        aria-label={t("range.from")}
        value={dayOf(span.since)}
        max={dayOf(span.until - 1)}
        onChange={(event) => event.currentTarget.value && set({ from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        aria-label={t("range.to")}
        value={dayOf(span.until - 1)}
        max={today}
        onChange={(event) => event.currentTarget.value && set({ to: event.currentTarget.value })}
      />
    </Group>
  );
}
