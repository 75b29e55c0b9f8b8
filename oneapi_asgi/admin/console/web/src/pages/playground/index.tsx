import { ActionIcon, Box, Button, Collapse, Grid, Group, Text, Textarea, Tooltip } from "@mantine/core";
import { useDisclosure, useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconAdjustments, IconMessage, IconPlayerStop, IconSend, IconTerminal2, IconTrash } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { useCopying } from "../../parts/copying";
import { Empty } from "../../parts/empty";
import { useModels } from "../../parts/models";
import { Page } from "../../parts/page";
import { curlOf } from "./chat";
import { usePageKey } from "./key";
import { type Choice, SettingsPanel } from "./settings";
import { messagesOf, useTalk } from "./talk";
import { TurnView } from "./turn";

export default function Playground() {
  const { t } = useTranslation("playground");
  const [kept, keep] = useLocalStorage({ key: "playground-model", defaultValue: "", getInitialValueInEffect: false });
  const models = useModels().data ?? [];
  const [choice, setChoice] = useState<Choice>({
    settings: { model: "", system: "", temperature: null, maxTokens: null },
    pasted: null,
  });
  const model = choice.settings.model || (models.includes(kept) ? kept : models[0]) || "";
  const settings = { ...choice.settings, model };
  const ofPage = usePageKey();
  const talk = useTalk(async () => choice.pasted ?? (await ofPage()));
  const [shown, panel] = useDisclosure(false);
  const wide = useMediaQuery("(min-width: 62em)", true, { getInitialValueInEffect: false });
  const running = talk.turns.at(-1)?.state === "running";
  const ready = model !== "" && choice.pasted !== "" && !running;
  const panelOf = (
    <SettingsPanel
      choice={{ ...choice, settings }}
      set={(next) => {
        if (next.settings.model !== model) keep(next.settings.model);
        setChoice(next);
      }}
    />
  );
  return (
    <Page
      title={t("title")}
      says={t("says")}
      actions={
        <>
          {wide ? null : (
            <Button
              variant="default"
              leftSection={<IconAdjustments size={16} />}
              onClick={panel.toggle}
              aria-expanded={shown}
            >
              {t("settings")}
            </Button>
          )}
          <CopyCurl text={() => curlOf({ ...settings, messages: messagesOf(settings.system, talk.turns) })} />
          <Tooltip label={t("clear")}>
            <ActionIcon
              variant="default"
              size={36}
              onClick={talk.clear}
              disabled={talk.turns.length === 0}
              aria-label={t("clear")}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </Tooltip>
        </>
      }
    >
      {wide ? null : (
        <Collapse expanded={shown}>
          <div className="panel padded">{panelOf}</div>
        </Collapse>
      )}
      <Grid>
        <Grid.Col span={{ base: 12, md: 8 }}>
          <div className="panel talk">
            <Conversation talk={talk} onAgain={() => talk.again(settings)} />
            <Question
              running={running}
              ready={ready}
              onSend={(text) => void talk.send(text, settings)}
              onStop={talk.stop}
            />
          </div>
        </Grid.Col>
        {wide ? (
          <Grid.Col span={4}>
            <div className="panel padded">{panelOf}</div>
          </Grid.Col>
        ) : null}
      </Grid>
    </Page>
  );
}

function CopyCurl({ text }: { text: () => string }) {
  const { t } = useTranslation(["playground", "common"]);
  const { copied, copy } = useCopying();
  return (
    <Tooltip label={copied ? t("common:copied") : t("curlSays")}>
      <Button variant="default" leftSection={<IconTerminal2 size={16} />} onClick={() => copy(text())}>
        {t("curl")}
      </Button>
    </Tooltip>
  );
}

/** What was said, scrolled to its end as it grows unless the reader has scrolled away from it. */
function Conversation({ talk, onAgain }: { talk: ReturnType<typeof useTalk>; onAgain: () => void }) {
  const { t } = useTranslation("playground");
  const box = useRef<HTMLElement>(null);
  const follows = useRef(true);
  const { turns } = talk;
  useEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }); // whatever has made it longer
  return (
    <Box
      component="section"
      ref={box}
      className="turns"
      role="log"
      aria-live="polite"
      aria-label={t("conversation")}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {turns.length === 0 ? (
        <Empty icon={<IconMessage />} title={t("empty.title")}>
          {t("empty.says")}
        </Empty>
      ) : (
        turns.map((turn, at) => (
          <TurnView key={turn.id} turn={turn} onAgain={at === turns.length - 1 ? onAgain : null} />
        ))
      )}
    </Box>
  );
}

interface QuestionProps {
  running: boolean;
  ready: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}

function Question({ running, ready, onSend, onStop }: QuestionProps) {
  const { t } = useTranslation("playground");
  const [text, setText] = useState("");
  function send() {
    if (!ready || !text.trim()) return;
    setText("");
    onSend(text.trim());
  }
  function onKeyDown(event: KeyboardEvent) {
    // Enter also ends a word that an input method composes.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  }
  return (
    <form
      className="question"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Group gap="xs" wrap="nowrap" align="flex-end">
        <Textarea
          aria-label={t("question")}
          placeholder={t("question")}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          autosize
          minRows={1}
          maxRows={8}
          flex={1}
          autoFocus
        />
        {running ? (
          <Button color="red" variant="light" leftSection={<IconPlayerStop size={16} />} onClick={onStop}>
            {t("stop")}
          </Button>
        ) : (
          <Button type="submit" leftSection={<IconSend size={16} />} disabled={!ready || !text.trim()}>
            {t("send")}
          </Button>
        )}
      </Group>
      <Text size="xs" c="dimmed" mt={4} visibleFrom="sm">
        {t("keys")}
      </Text>
    </form>
  );
}
