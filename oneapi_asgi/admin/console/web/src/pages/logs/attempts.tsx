import { Anchor, Text, Timeline } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Schemas } from "../../api";
import { span } from "../../format";
import { type Call, Heading } from "./facts";

type Attempt = Schemas["CallAttempt"];

function served({ failure, status }: Attempt): boolean {
  return failure === "" && status !== null && status < 400;
}

/** Whom the call was put to, one after another, until somebody served. */
export function Attempts({ call: { attempts } }: { call: Call }) {
  const { t } = useTranslation("logs");
  return (
    <section>
      <Heading>{t("attempts.title")}</Heading>
      {attempts.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t("attempts.none")}
        </Text>
      ) : (
        <Timeline bulletSize={22} lineWidth={2} active={attempts.length} mt="xs">
          {Object.entries(attempts).map(([place, attempt]) => (
            <Timeline.Item
              key={place}
              color={served(attempt) ? "teal" : "red"}
              bullet={served(attempt) ? <IconCheck size={13} aria-hidden /> : <IconX size={13} aria-hidden />}
              title={<Who attempt={attempt} place={Number(place) + 1} />}
            >
              <Text size="sm" className={served(attempt) ? "anywhere" : "anywhere bad"}>
                {attempt.failure || t(served(attempt) ? "attempts.served" : "attempts.refused")}
              </Text>
              <Text size="xs" c="dimmed">
                {[
                  attempt.upstream_model,
                  attempt.status === null ? t("attempts.noAnswer") : t("attempts.status", { status: attempt.status }),
                  span(attempt.duration),
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </Text>
            </Timeline.Item>
          ))}
        </Timeline>
      )}
    </section>
  );
}

function Who({ attempt, place }: { attempt: Attempt; place: number }) {
  const { t } = useTranslation("logs");
  if (!attempt.channel) return <Text size="sm">{t("attempts.place", { count: place })}</Text>;
  return (
    <Text size="sm" component="div">
      <Anchor component={Link} href={`/channels/${attempt.channel}`} fz="sm">
        {attempt.channel_name || `#${attempt.channel}`}
      </Anchor>
      {attempt.key === null ? null : ` · ${t("attempts.key", { place: attempt.key + 1 })}`}
    </Text>
  );
}
