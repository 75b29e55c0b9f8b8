import { Table } from "@mantine/core";
import type { ReactNode } from "react";

export type Fact = readonly [name: string, value: ReactNode];

/** Facts by name, one below the other; what there is nothing to say of is left out. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <Table verticalSpacing={5} horizontalSpacing={0} className="facts">
      <Table.Tbody>
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
      </Table.Tbody>
    </Table>
  );
}
