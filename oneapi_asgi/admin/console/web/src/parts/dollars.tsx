import { NumberInput, type NumberInputProps } from "@mantine/core";

/** Of a quota in dollars: the smallest step is a 500,000th. */
const DIGITS = 6;

/** An amount in dollars, not below nothing unless it may be: what is out of bounds is changed as the field is left. */
export function DollarsInput({ allowNegative = false, ...props }: NumberInputProps) {
  return (
    <NumberInput
      prefix="$"
      thousandSeparator=","
      decimalScale={DIGITS}
      {...(allowNegative ? {} : { min: 0 })}
      allowNegative={allowNegative}
      hideControls
      inputMode="decimal"
      {...props}
    />
  );
}
