import type { Like } from "../like";
import type { audit as english } from "../en/audit";

export const audit: Like<typeof english> = {
  action: "操作",
  actor: "操作者",
  address: "地址",
  amount: "金额",
  at: "时间",
  detail: "操作详情",
  facts: "详细信息",
  gateway: "网关",
  kind: { all: "全部", label: "类型", manage: "管理", system: "系统", test: "测试", topup: "充值" },
  nothing: "没有符合条件的记录",
  nothingSays: "在此所做的每项更改都会记录：由谁、何时、从何处。",
  request: "请求 ID",
  saysAll: "所有更改，由谁、从何处所做。",
  saysOwn: "您所做的更改。",
  target: "对象",
  title: "审计",
  user: "涉及用户",
  what: "内容",
};
