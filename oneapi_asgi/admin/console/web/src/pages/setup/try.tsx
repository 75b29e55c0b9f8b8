import { Alert, Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { IconCheck, IconSend } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { BASE } from "../../api";
import { useAct } from "../../parts/act";
import { Snippet } from "../../parts/copy";
import { Failed } from "../../parts/failed";

interface Completion {
  choices: { message: { content: string | null } }[];
}

interface Refused {
  error?: { message?: string };
}

/** A call as an application makes it: sent from here, or copied. */
async function call(model: string, token: string, text: string): Promise<string> {
  const answer = await fetch(`${BASE}v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: text }] }),
  });
  const said = (await answer.json()) as Completion & Refused;
  if (!answer.ok) throw new Error(said.error?.message ?? String(answer.status));
  return said.choices[0]?.message.content ?? "";
}

export function TryStep({ model, token, onDone }: { model: string; token: string; onDone: () => void }) {
  const { t } = useTranslation("setup");
  const send = useAct(() => call(model, token, t("call.question")), { quiet: true, after: onDone });
  const snippets = { curl: curl(model, token), python: python(model, token), node: node(model, token) };
  return (
    <Stack className="panel padded">
      <Text size="sm">{t("call.intro")}</Text>
      <Tabs defaultValue="curl" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="curl">curl</Tabs.Tab>
          <Tabs.Tab value="python">Python (openai)</Tabs.Tab>
          <Tabs.Tab value="node">Node (openai)</Tabs.Tab>
        </Tabs.List>
        {Object.entries(snippets).map(([name, text]) => (
          <Tabs.Panel key={name} value={name} pt="sm">
            <Snippet value={text} what={name} />
          </Tabs.Panel>
        ))}
      </Tabs>
      {send.error ? <Failed error={send.error} /> : null}
      {send.isSuccess ? (
        <Alert color="teal" icon={<IconCheck aria-hidden />} title={t("call.works")} role="status">
          {t("call.worksSays")}
        </Alert>
      ) : null}
      {send.data ? <Text size="sm">{t("call.said", { answer: send.data })}</Text> : null}
      <Group>
        <Button
          variant={send.isSuccess ? "default" : "filled"}
          loading={send.isPending}
          leftSection={<IconSend size={18} />}
          onClick={() => send.mutate()}
        >
          {t("call.send")}
        </Button>
        <Button component={Link} href="/" variant={send.isSuccess ? "filled" : "subtle"}>
          {t("call.leave")}
        </Button>
      </Group>
    </Stack>
  );
}

function curl(model: string, token: string): string {
  return [
    `curl ${BASE}v1/chat/completions \\`,
    `  -H "Authorization: Bearer ${token}" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${quoted({ model, messages: [{ role: "user", content: "Say hello." }] })}'`,
  ].join("\n");
}

/** JSON within single quotes of a shell. */
function quoted(value: unknown): string {
  return JSON.stringify(value).replaceAll("'", String.raw`'\''`);
}

function python(model: string, token: string): string {
  return [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${BASE}v1", api_key="${token}")`,
    "answer = client.chat.completions.create(",
    `    model=${JSON.stringify(model)},`,
    `    messages=[{"role": "user", "content": "Say hello."}],`,
    ")",
    "print(answer.choices[0].message.content)",
  ].join("\n");
}

function node(model: string, token: string): string {
  return [
    `import OpenAI from "openai";`,
    "",
    `const client = new OpenAI({ baseURL: "${BASE}v1", apiKey: "${token}" });`,
    "const answer = await client.chat.completions.create({",
    `  model: ${JSON.stringify(model)},`,
    `  messages: [{ role: "user", content: "Say hello." }],`,
    "});",
    "console.log(answer.choices[0].message.content);",
  ].join("\n");
}
