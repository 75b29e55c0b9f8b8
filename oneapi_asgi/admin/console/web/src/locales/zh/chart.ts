import type { Like } from "../like";
import type { chart as english } from "../en/chart";

export const chart: Like<typeof english> = {
  asChart: "显示为图表",
  asTable: "显示为表格",
  day: "日期（UTC）",
  hour: "小时",
  legend: "{{title}} 的各项：选择要显示的",
  nothing: "无数据",
  sum: "合计",
};
