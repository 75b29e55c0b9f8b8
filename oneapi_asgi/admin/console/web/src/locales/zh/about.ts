import type { Like } from "../like";
import type { about as english } from "../en/about";

export const about: Like<typeof english> = {
  empty: "本站还没有介绍。",
  emptyRoot: "请在“设置”中用 Markdown 编写。",
  title: "关于本站",
};
