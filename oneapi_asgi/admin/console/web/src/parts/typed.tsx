import { Autocomplete, TextInput, type TextInputProps } from "@mantine/core";
import { useState } from "react";

type Props = Omit<TextInputProps, "value" | "onChange" | "defaultValue"> & {
  value: string;
  /** Told when the text is done: with Enter, or by going on. */
  onDone: (value: string) => void;
  /** What could be meant. */
  data?: readonly string[];
};

/** A text that something is looked for by, which is not done with each letter. */
export function Typed({ value, onDone, data, ...rest }: Props) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value); // changed from elsewhere, such as by going back
    setTyped(value);
  }
  const done = (text: string) => text.trim() !== value && onDone(text.trim());
  const events = {
    onBlur: () => done(typed),
    onKeyDown: (event: { key: string }) => event.key === "Enter" && done(typed),
  };
  if (data) {
    const { size, label, placeholder, disabled } = rest;
    return (
      <Autocomplete
        {...{ size, label, placeholder, disabled }}
        {...events}
        data={[...data]}
        limit={30}
        value={typed}
        onChange={setTyped}
        onOptionSubmit={done}
      />
    );
  }
  return <TextInput {...rest} {...events} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />;
}
