import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { modals } from "@mantine/modals";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

interface Question {
  title: string;
  says: ReactNode;
  name: string;
  yes: string;
}

/** Asks before something that is gone for good: whoever wants it types the name of what goes. */
export function confirmedByName(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const id = modals.open({
      title: question.title,
      children: (
        <Named
          {...question}
          answer={(sure) => {
            resolve(sure);
            modals.close(id);
          }}
        />
      ),
      onClose: () => resolve(false),
    });
  });
}

function Named({ says, name, yes, answer }: Question & { answer: (sure: boolean) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    if (typed === name) answer(true);
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm" component="div">
          {says}
        </Text>
        <TextInput
          label={t("typeName", { name })}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          data-autofocus
        />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={() => answer(false)}>
            {t("cancel")}
          </Button>
          <Button type="submit" color="red" disabled={typed !== name}>
            {yes}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
