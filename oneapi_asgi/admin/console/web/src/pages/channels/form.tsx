import { Alert, Autocomplete, Button, Center, Group, Loader, SimpleGrid, Stack, Textarea } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconArrowLeft, IconInfoCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useParams, useSearchParams } from "wouter";

import { api, ask } from "../../api";
import { useAct } from "../../parts/act";
import { Failed, tellDone } from "../../parts/failed";
import { useKinds } from "../../parts/kinds";
import { Page } from "../../parts/page";
import { useUnsaved } from "../../parts/unsaved";
import { Access, type ChannelForm } from "./access";
import { CredentialFields } from "./credentials";
import { type Channel, type Kind, NO_KEYS_EDIT, singleModels, useTags } from "./data";
import { KeyStates } from "./key-states";
import { Models } from "./models";
import { keysOf, shapeOf } from "./providers";
import { Requests, Routing } from "./requests";
import { Section } from "./section";
import { TestDialog } from "./test";
import { changesOf, draftOf, mistakesOf, NEW, tellMistake, type Values, valuesOf } from "./values";

export default function ChannelPage() {
  const { t } = useTranslation(["channels", "common"]);
  const { id } = useParams<{ id?: string }>();
  const kinds = useKinds();
  const number = Number(id);
  const [saves, setSaves] = useState(0);
  const found = useQuery({
    queryKey: ["channels", "one", number],
    queryFn: () => ask(() => api.GET("/channel/{id}", { params: { path: { id: number } } })),
    enabled: id !== undefined && Number.isInteger(number),
    refetchOnMount: "always",
  });
  const title = id === undefined ? t("add") : t("form.title", { name: found.data?.name ?? `#${id}` });
  // what was read for another look at it may have been changed since
  const read = found.data !== undefined && found.isFetchedAfterMount;
  const ready = kinds.data !== undefined && (id === undefined || read);
  const failed = found.error ? found : kinds.error ? kinds : null;
  return (
    <Page
      title={title}
      actions={
        <Button component={Link} href="/channels" variant="default" leftSection={<IconArrowLeft size={16} />}>
          {t("title")}
        </Button>
      }
    >
      {failed ? <Failed error={failed.error} again={failed.refetch} /> : null}
      {ready ? (
        <Form
          key={`${id ?? "new"} ${saves}`}
          channel={found.data ?? null}
          kinds={kinds.data}
          saved={() => setSaves((count) => count + 1)}
        />
      ) : failed ? null : (
        <Center mih={240}>
          <Loader aria-label={t("common:loading")} />
        </Center>
      )}
    </Page>
  );
}

interface Props {
  channel: Channel | null;
  kinds: readonly Kind[];
  /** Whoever goes on from there changes what is saved by now. */
  saved: () => void;
}

function Form({ channel, kinds, saved }: Props) {
  const { t } = useTranslation(["channels", "common"]);
  const [, navigate] = useLocation();
  const [params, setParams] = useSearchParams();
  const [refusals, setRefusals] = useState(0);
  const [before] = useState(() => (channel ? valuesOf(channel) : NEW));
  const kindOf = (values: Values) => kinds.find(({ provider }) => provider === values.provider);
  const form: ChannelForm = useForm<Values>({
    initialValues: before,
    validate: (values) => {
      const mistakes = Object.entries(mistakesOf(values, kindOf(values)));
      return Object.fromEntries(mistakes.map(([field, mistake]) => [field, t(`form.mistake.${mistake}`)]));
    },
  });
  const kind = kindOf(form.values);
  const release = useUnsaved(form.isDirty());
  const save = useAct((values: Values) => sent(values, kindOf(values), channel, before), {
    renews: [["channels"], ["health"]],
    quiet: true,
  });
  useEffect(() => {
    if (refusals > 0) lookAtMistake();
  }, [refusals]);
  function refuse(error: unknown) {
    if (!tellMistake(error, form, kind)) return;
    save.reset();
    setRefusals((count) => count + 1);
  }
  function submit(values: Values, test: boolean) {
    save.mutate(values, {
      onSuccess: (rows) => {
        const [first] = rows;
        tellDone(channel ? t("common:saved") : t("added", { count: rows.length, name: first?.name ?? "" }));
        release();
        saved();
        navigate(test && first ? `/channels/${first.id}?test=1` : "/channels");
      },
      onError: refuse,
    });
  }
  const fixed = channel?.declared ?? false;
  return (
    <>
      <form
        noValidate
        autoComplete="off"
        onSubmit={form.onSubmit(
          (values) => submit(values, false),
          () => setRefusals((count) => count + 1),
        )}
        aria-label={t("title")}
      >
        <Stack maw={960}>
          {fixed ? <Alert icon={<IconInfoCircle aria-hidden />}>{t("declaredSays")}</Alert> : null}
          <fieldset disabled={fixed} className="bare">
            <Stack>
              <Section title={t("form.access")}>
                <Access form={form} kinds={kinds} fresh={channel === null} />
              </Section>
              <Section title={t("keys.title")} says={t("keys.says")}>
                {channel ? <KeyStates channel={channel} /> : null}
                <CredentialFields form={form} kind={kind} fresh={channel === null} />
              </Section>
              <Section title={t("models")}>
                <Models form={form} kind={kind} channel={channel} />
              </Section>
              <Section title={t("form.routing")} says={t("form.routingSays")}>
                <Routing form={form} />
              </Section>
              <Section title={t("form.requests")} says={t("form.requestsSays")}>
                <Requests form={form} kinds={kinds} />
              </Section>
            </Stack>
          </fieldset>
          <Section title={t("form.notes")}>
            <Notes form={form} />
          </Section>
          {save.error ? <Failed error={save.error} /> : null}
          <Group className="bar" justify="flex-end">
            <Button variant="default" component={Link} href="/channels">
              {t("common:cancel")}
            </Button>
            <Button
              variant="default"
              loading={save.isPending}
              onClick={() =>
                form.onSubmit(
                  (values) => submit(values, true),
                  () => setRefusals((count) => count + 1),
                )()
              }
            >
              {t("form.saveAndTest")}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {t("common:save")}
            </Button>
          </Group>
        </Stack>
      </form>
      {channel && params.has("test") ? (
        <TestDialog channel={channel} close={() => setParams(new URLSearchParams(), { replace: true })} />
      ) : null}
    </>
  );
}

function Notes({ form }: { form: ChannelForm }) {
  const { t } = useTranslation("channels");
  const tags = useTags();
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Autocomplete
          label={t("tag")}
          description={t("form.tagSays")}
          data={tags.map(({ tag }) => tag)}
          maxLength={255}
          {...form.getInputProps("tag")}
        />
        <Autocomplete
          label={t("form.testModel")}
          description={t("form.testModelSays")}
          data={singleModels(form.values.models)}
          limit={50}
          maxLength={255}
          {...form.getInputProps("test_model")}
        />
      </SimpleGrid>
      <Textarea
        label={t("form.note")}
        description={t("form.noteSays")}
        autosize
        minRows={2}
        maxRows={12}
        {...form.getInputProps("note")}
      />
    </>
  );
}

/** Those that were made, or the one that was changed. */
async function sent(
  values: Values,
  kind: Kind | undefined,
  channel: Channel | null,
  before: Values,
): Promise<Channel[]> {
  const typed = keysOf(shapeOf(values.provider), values.keys);
  const keys = Array.isArray(typed) ? typed : [];
  const draft = draftOf(values, kind, channel);
  if (!channel) {
    // The lines of `key` are a channel each, `keys` are all of one.
    const body = { ...draft, ...(values.apart ? { key: lines(values.provider, keys) } : { keys }) };
    return ask(() => api.POST("/channel", { body }));
  }
  const { id, key_count: count } = channel;
  const changes = changesOf(draftOf(before, kind, channel), draft);
  const body = { id, ...changes, ...(values.replace && keys.length > 0 ? { keys } : {}) };
  const row = await ask(() => api.PUT("/channel", { body }));
  if (!values.replace && keys.length > 0) {
    const edit = { ...NO_KEYS_EDIT, add: keys, count };
    await ask(() => api.PUT("/channel/{id}/keys", { params: { path: { id } }, body: edit }));
  }
  return [row];
}

function lines(provider: string, keys: readonly string[]): string {
  if (shapeOf(provider) !== "google") return keys.join("\n");
  return `[${keys.map((key) => (key.startsWith("{") ? key : JSON.stringify(key))).join(",")}]`;
}

/** Leads whoever fills in the form to what has to be mended. */
function lookAtMistake(): void {
  const field = document.querySelector<HTMLElement>("main [aria-invalid=true], main [data-invalid] input");
  field?.focus();
  field?.scrollIntoView({ block: "center" });
}
