import { Stepper } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api";
import { Page } from "../../parts/page";
import { ChannelStep } from "./channel";
import { TokenStep } from "./token";
import { TryStep } from "./try";

export type Channel = Schemas["ChannelRow"];

/** What a new gateway needs before its first call: an account at a provider, a token, and a call that shows that it works. */
export default function Setup() {
  const { t } = useTranslation("setup");
  const narrow = useMediaQuery("(max-width: 48em)");
  const [step, setStep] = useState(1);
  const [model, setModel] = useState("");
  const [key, setKey] = useState("");
  return (
    <Page title={t("title")} says={t("says")}>
      <div className="panel padded">
        <Stepper active={step} orientation={narrow ? "vertical" : "horizontal"} allowNextStepsSelect={false} size="sm">
          <Stepper.Step label={t("password.label")} description={t("password.says")} />
          <Stepper.Step label={t("channel.label")} description={t("channel.says")} />
          <Stepper.Step label={t("token.label")} description={t("token.says")} />
          <Stepper.Step label={t("call.label")} description={t("call.says")} />
        </Stepper>
      </div>
      {step === 1 ? (
        <ChannelStep
          onDone={(served) => {
            setModel(served);
            setStep(2);
          }}
        />
      ) : null}
      {step === 2 ? (
        <TokenStep
          onDone={(made) => {
            setKey(made);
            setStep(3);
          }}
        />
      ) : null}
      {step >= 3 ? <TryStep model={model} token={key} onDone={() => setStep(4)} /> : null}
    </Page>
  );
}
