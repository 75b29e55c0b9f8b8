import { Loader } from "@mantine/core";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useParams, useSearch } from "wouter";

import { BASE } from "../../api";
import { Frame } from "./frame";

/** Where One API has providers send browsers back to: they are led on to the administration, which signs in. */
export default function Returned() {
  const { t } = useTranslation(["signIn", "common"]);
  const { provider = "" } = useParams();
  const search = useSearch();
  useEffect(() => {
    location.replace(`${BASE}api/oauth/${encodeURIComponent(provider)}?${search}`);
  }, [provider, search]);
  return (
    <Frame title={t("returned")}>
      <Loader aria-label={t("common:loading")} />
    </Frame>
  );
}
