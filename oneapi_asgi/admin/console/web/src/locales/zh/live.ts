import type { Like } from "../like";
import type { live as english } from "../en/live";

export const live: Like<typeof english> = {
  column: {
    attempt: "尝试",
    channel: "渠道",
    first: "首字耗时",
    held: "预扣",
    model: "模型",
    running: "已运行",
    state: "状态",
    token: "令牌",
    user: "用户",
  },
  count: "进行中的调用",
  elsewhere: "在其他进程",
  elsewhereSays: "此调用由其他工作进程或副本处理；此处只知道为它预扣的额度。",
  more: "另有 {{number}} 个未显示：以上为最近开始的请求。",
  nothing: "没有进行中的调用",
  nothingSays: "调用从开始到结束都会显示在这里，结束后请看日志。",
  past: "最近 {{count}} 秒进行中的调用数",
  saysAll: "所有用户正在进行的调用。",
  saysOwn: "您正在进行的调用。",
  state: { streaming: "输出中", waiting: "等待中" },
  streaming: "{{number}} 个输出中",
  title: "实时",
  waiting: "{{number}} 个等待中",
  whole: "非流式",
};
