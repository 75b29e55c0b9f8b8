import { ActionIcon, Alert, Box, Group, Text, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";
import { memo } from "react";
import { useTranslation } from "react-i18next";

import { Failure } from "../../api";
import { number, span } from "../../format";
import { Copy } from "../../parts/copy";
import { Failed } from "../../parts/failed";
import { Markdown } from "../../parts/markdown";
import { Money } from "../../parts/money";
import { type Answer, Refused } from "./chat";
import type { Shown } from "./talk";

/** One turn of the conversation. While an answer comes it is plain text, and Markdown once it is whole. */
export const TurnView = memo(function TurnView({ turn, onAgain }: { turn: Shown; onAgain: (() => void) | null }) {
  const { t } = useTranslation("playground");
  const { role, text, state, answer } = turn;
  const running = state === "running";
  return (
    <Box component="article" className={`turn ${role}`} aria-busy={running} aria-label={t(role)}>
      {answer?.thoughts ? (
        <details open={running && !text}>
          <summary>{t("thoughts")}</summary>
          <Text size="sm" c="dimmed" className="plain">
            {answer.thoughts}
          </Text>
        </details>
      ) : null}
      {role === "user" || running ? (
        <div className="plain">
          {text}
          {running ? <span className="caret" aria-hidden /> : null}
        </div>
      ) : (
        <Markdown text={text} />
      )}
      {state === "failed" ? <Trouble error={turn.error} /> : null}
      {state === "stopped" ? (
        <Text size="sm" c="dimmed" fs="italic">
          {t("stopped")}
        </Text>
      ) : null}
      {role === "assistant" && !running ? (
        <Group gap="xs" mt={6} wrap="nowrap" align="center">
          {answer ? <Facts answer={answer} cost={turn.cost} finish={answer.finish} /> : null}
          <Group gap={2} ml="auto" wrap="nowrap">
            {text ? <Copy value={text} what={t("assistant")} /> : null}
            {onAgain ? (
              <Tooltip label={t("again")}>
                <ActionIcon onClick={onAgain} aria-label={t("again")}>
                  <IconRefresh size={16} />
                </ActionIcon>
              </Tooltip>
            ) : null}
          </Group>
        </Group>
      ) : null}
    </Box>
  );
});

/** Seconds within which an answer says nothing of how fast the model is. */
const SHORT = 0.05;

/** How long it took, how fast it was, how much it was, and what it cost. */
function Facts({ answer, cost, finish }: { answer: Answer; cost: number | null; finish: string }) {
  const { t } = useTranslation("playground");
  const { began, first, ended, usage } = answer;
  const seconds = first !== null && ended !== null ? (ended - first) / 1000 : 0;
  const facts = [
    first !== null && t("facts.first", { span: span((first - began) / 1000) }),
    ended !== null && t("facts.all", { span: span((ended - began) / 1000) }),
    usage && seconds > SHORT && t("facts.speed", { speed: number(usage.completion_tokens / seconds, 1) }),
    usage && t("facts.usage", { input: number(usage.prompt_tokens), output: number(usage.completion_tokens) }),
    finish === "length" && t("facts.length"),
  ].filter((fact) => typeof fact === "string");
  return (
    <Text size="xs" c="dimmed" data-facts>
      {facts.join(" · ")}
      {facts.length > 0 && cost !== null ? " · " : ""}
      {cost === null ? null : <Money nano={cost} />}
    </Text>
  );
}

function Trouble({ error }: { error: unknown }) {
  const { t } = useTranslation("playground");
  if (!(error instanceof Refused)) {
    return <Failed error={error instanceof TypeError ? new Failure("", 0) : error} />;
  }
  const says = error.message || t("refused", { status: error.status });
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t("failed")} role="alert">
      {says}
    </Alert>
  );
}
