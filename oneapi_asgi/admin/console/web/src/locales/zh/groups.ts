import type { Like } from "../like";
import type { groups as english } from "../en/groups";

export const groups: Like<typeof english> = {
  add: "新建分组",
  cannot: "不小于 0，最多九位小数。",
  channels: "渠道",
  declared: "来自配置文件",
  declaredSays: "在网关的配置文件中声明，请在那里更改。",
  deleteSays: "此后该分组的用户按原价计费，渠道不变。",
  deleteTitle: "删除分组 {{name}} 的倍率？",
  edit: "编辑 {{name}}",
  empty: "没有分组",
  emptySays: "通过分组，可以让部分用户以不同的倍率计费，并使用各自的渠道。",
  of: "{{name}}",
  name: "名称",
  nameSays: "用户、令牌和渠道通过名称引用它。",
  note: "备注",
  pays: "计费",
  ratio: "倍率",
  ratioSays: "该分组实际支付的比例：1 为原价，0.8 为八折，0 为免费。",
  says: "各类用户的计费倍率，以及可用的渠道。",
  title: "分组",
  unset: "未设置",
  users: "用户",
  whole: "原价",
};
