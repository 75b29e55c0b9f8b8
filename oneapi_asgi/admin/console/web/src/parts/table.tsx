import { Checkbox, Group, Pagination, Select, Skeleton, Table, Text, UnstyledButton } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconArrowsSort } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { number } from "../format";
import { Failed } from "./failed";

export interface Column<T> {
  /** Of the column among its siblings, and the name of its order for the administration if it is `sorted`. */
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  align?: "left" | "right";
  /** Which way the administration orders rows by it, which it does one way alone. */
  sorted?: "ascending" | "descending";
  /** Takes no more room than it needs. */
  tight?: boolean;
}

/** Which page of how many rows, in which order; "" is the usual one. */
export interface Paging {
  page: number;
  size: number;
  order: string;
  set: (change: Partial<{ page: number; size: number; order: string }>) => void;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[] | undefined;
  id: (row: T) => string | number;
  empty: ReactNode;
  total?: number;
  paging?: Paging;
  error?: unknown;
  again?: () => unknown;
  chosen?: { ids: ReadonlySet<string | number>; set: (ids: Set<string | number>) => void };
  onOpen?: (row: T) => void;
}

const SIZES = ["10", "20", "50", "100"];

/** A table of rows, which on a narrow screen is a list of cards. */
export function DataTable<T>(props: Props<T>) {
  const { label, columns, rows, id, empty, total, paging, error, again } = props;
  if (error && !rows) return <Failed error={error} {...(again ? { again } : {})} />;
  if (rows?.length === 0 && (!paging || paging.page === 0)) return <div className="panel">{empty}</div>;
  return (
    <div className="panel">
      {error ? <Failed error={error} {...(again ? { again } : {})} /> : null}
      <section className="scroller" tabIndex={0} aria-label={label}>
        <Table highlightOnHover verticalSpacing="xs" horizontalSpacing="sm" className="cards" aria-busy={!rows}>
          <Head {...props} />
          <Table.Tbody>
            {rows
              ? rows.map((row) => <Row key={id(row)} row={row} {...props} />)
              : [0, 1, 2, 3].map((line) => (
                  <Table.Tr key={line}>
                    <Table.Td colSpan={columns.length + (props.chosen ? 1 : 0)}>
                      <Skeleton height={18} my={4} />
                    </Table.Td>
                  </Table.Tr>
                ))}
          </Table.Tbody>
        </Table>
      </section>
      {paging && total !== undefined ? <Pages paging={paging} total={total} /> : null}
    </div>
  );
}

function Head<T>({ columns, rows, id, paging, chosen }: Props<T>) {
  const { t } = useTranslation();
  const ids = rows?.map(id) ?? [];
  const all = ids.length > 0 && ids.every((one) => chosen?.ids.has(one));
  return (
    <Table.Thead>
      <Table.Tr>
        {chosen ? (
          <Table.Th w={40}>
            <Checkbox
              aria-label={t("chooseAll")}
              checked={all}
              indeterminate={!all && ids.some((one) => chosen.ids.has(one))}
              onChange={() => chosen.set(all ? new Set() : new Set(ids))}
            />
          </Table.Th>
        ) : null}
        {columns.map((column) => (
          <HeadCell key={column.key} column={column} {...(paging ? { paging } : {})} />
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}

function HeadCell<T>({ column, paging }: { column: Column<T>; paging?: Paging }) {
  const { key, title, align, sorted, tight } = column;
  if (!sorted || !paging) {
    return (
      <Table.Th ta={align ?? "left"} className={tight ? "tight" : undefined}>
        {title}
      </Table.Th>
    );
  }
  const on = paging.order === key;
  const Icon = on ? (sorted === "ascending" ? IconArrowUp : IconArrowDown) : IconArrowsSort;
  return (
    <Table.Th ta={align ?? "left"} className={tight ? "tight" : undefined} aria-sort={on ? sorted : "none"}>
      <UnstyledButton fz="inherit" fw="inherit" onClick={() => paging.set({ order: on ? "" : key, page: 0 })}>
        <Group gap={4} wrap="nowrap" display="inline-flex">
          {title}
          <Icon size={14} aria-hidden opacity={on ? 1 : 0.4} />
        </Group>
      </UnstyledButton>
    </Table.Th>
  );
}

function Row<T>({ row, columns, id, chosen, onOpen }: Props<T> & { row: T }) {
  const { t } = useTranslation();
  const key = id(row);
  const picked = chosen?.ids.has(key) ?? false;
  function pick() {
    const next = new Set(chosen?.ids);
    if (!next.delete(key)) next.add(key);
    chosen?.set(next);
  }
  return (
    <Table.Tr
      data-openable={onOpen ? true : undefined}
      bg={picked ? "var(--mantine-primary-color-light)" : undefined}
      onClick={(event) => {
        if (onOpen && !(event.target as Element).closest("button,a,input,label,[role=switch]")) onOpen(row);
      }}
    >
      {chosen ? (
        <Table.Td>
          <Checkbox aria-label={t("choose")} checked={picked} onChange={pick} />
        </Table.Td>
      ) : null}
      {columns.map((column) => (
        <Table.Td
          key={column.key}
          {...(column.align ? { ta: column.align } : {})}
          data-label={column.title}
          className={column.tight ? "tight" : undefined}
        >
          {column.cell(row)}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}

function Pages({ paging, total }: { paging: Paging; total: number }) {
  const { t } = useTranslation();
  const pages = Math.max(1, Math.ceil(total / paging.size));
  return (
    <Group justify="space-between" p="sm" gap="xs">
      <Text size="sm" c="dimmed">
        {t("rows", { count: total, formatted: number(total) })}
      </Text>
      <Group gap="xs">
        <Select
          aria-label={t("pageSize")}
          size="xs"
          w={72}
          data={SIZES}
          value={String(paging.size)}
          allowDeselect={false}
          onChange={(value) => paging.set({ size: Number(value), page: 0 })}
        />
        <Pagination
          size="sm"
          total={pages}
          value={paging.page + 1}
          onChange={(page) => paging.set({ page: page - 1 })}
          getControlProps={(control) => ({ "aria-label": t(`page.${control}`) })}
          getItemProps={(page) => ({ "aria-label": t("page.number", { page }) })}
        />
      </Group>
    </Group>
  );
}
