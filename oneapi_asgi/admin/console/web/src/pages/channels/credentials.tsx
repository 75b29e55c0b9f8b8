import {
  Button,
  FileButton,
  Input,
  PasswordInput,
  SegmentedControl,
  SimpleGrid,
  Switch,
  Textarea,
} from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

import type { ChannelForm } from "./access";
import type { Kind } from "./data";
import { type Credentials, KEY_PARTS, type KeyPart, keysOf, shapeOf } from "./providers";

/** The keys of a channel, in the parts that its provider gives them out in, or whole, one a line. They go in, and never
 * come back. */
export function CredentialFields({ form, kind, fresh }: { form: ChannelForm; kind: Kind | undefined; fresh: boolean }) {
  const { t } = useTranslation("channels");
  const { keys, replace, apart } = form.values;
  const shape = shapeOf(form.values.provider);
  const parted = shape !== "plain" && !keys.whole;
  const typed = keysOf(shape, keys);
  const several = Array.isArray(typed) && typed.length > 1;
  function set(change: Partial<Credentials>) {
    form.setFieldValue("keys", { ...keys, ...change });
    form.clearFieldError("keys");
  }
  return (
    <>
      {shape === "plain" ? null : (
        <SegmentedControl
          aria-label={t("form.keyKind")}
          data={[
            { value: "parts", label: t(`form.shape.${shape}`) },
            { value: "whole", label: t(`form.shapeWhole.${shape}`) },
          ]}
          value={keys.whole ? "whole" : "parts"}
          onChange={(value) => set({ whole: value === "whole" })}
        />
      )}
      {parted ? (
        <Parts
          parts={keys.parts}
          names={KEY_PARTS[shape]}
          onChange={(parts) => set({ parts })}
          wrong={Boolean(form.errors["keys"])}
        />
      ) : (
        <Textarea
          label={t(fresh ? "form.keys" : "form.keysMore")}
          description={kind?.key_format ? t("form.keysSays", { format: kind.key_format }) : t("form.keysLines")}
          value={keys.lines}
          onChange={(event) => set({ lines: event.currentTarget.value })}
          error={form.errors["keys"]}
          autosize
          minRows={2}
          maxRows={10}
          autoComplete="off"
          spellCheck={false}
          className="mono"
        />
      )}
      {parted && form.errors["keys"] ? <Input.Error>{form.errors["keys"]}</Input.Error> : null}
      {fresh && several ? (
        <Switch
          label={t("form.apart", { count: typed.length })}
          description={t("form.apartSays")}
          checked={apart}
          onChange={(event) => form.setFieldValue("apart", event.currentTarget.checked)}
        />
      ) : null}
      {fresh ? null : (
        <Switch
          label={t("form.replace")}
          description={t("form.replaceSays")}
          checked={replace}
          onChange={(event) => form.setFieldValue("replace", event.currentTarget.checked)}
        />
      )}
    </>
  );
}

function Parts({
  parts,
  names,
  onChange,
  wrong,
}: {
  parts: Credentials["parts"];
  names: readonly KeyPart[];
  onChange: (parts: Credentials["parts"]) => void;
  wrong: boolean;
}) {
  const { t } = useTranslation("channels");
  if (names[0] === "account") {
    return (
      <Account value={parts.account ?? ""} wrong={wrong} onChange={(account) => onChange({ ...parts, account })} />
    );
  }
  return (
    <SimpleGrid cols={{ base: 1, sm: 3 }}>
      {names.map((name) => (
        <PasswordInput
          key={name}
          label={t(`form.part.${name}`)}
          value={parts[name] ?? ""}
          onChange={(event) => onChange({ ...parts, [name]: event.currentTarget.value })}
          error={wrong}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ "aria-label": t("form.show", { what: t(`form.part.${name}`) }) }}
        />
      ))}
    </SimpleGrid>
  );
}

function Account({ value, wrong, onChange }: { value: string; wrong: boolean; onChange: (value: string) => void }) {
  const { t } = useTranslation("channels");
  async function read(file: File | null) {
    if (file) onChange(await file.text());
  }
  return (
    <div>
      <Textarea
        label={t("form.part.account")}
        description={t("form.accountSays")}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        error={wrong}
        autosize
        minRows={4}
        maxRows={12}
        spellCheck={false}
        className="mono"
      />
      <FileButton onChange={(file) => void read(file)} accept="application/json,.json">
        {(button) => (
          <Button {...button} variant="subtle" size="compact-sm" mt="xs" ml={-8} leftSection={<IconUpload size={14} />}>
            {t("form.upload")}
          </Button>
        )}
      </FileButton>
    </div>
  );
}
