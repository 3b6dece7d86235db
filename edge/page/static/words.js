"use strict";
/* What the page says itself. What codes mean comes with the status, from the catalogue of the daemon. */
const WORDS = {
  zh: {
    html: "zh-CN",
    window: "窗口 {window}（{hall}）",
    asOf: "数据时间 {time} · hall-edge {version} · 已运行 {up}",
    lab: "试验模式：个人信息只用本机的密钥加密，不得用于正式办理",
    waiting: "正在等待本机服务的状态……",
    old: "已过时：{age}没有收到本机服务的状态，以下是旧内容。处理：在本机运行 systemctl status hall-edge 查看服务",
    fine: "一切正常",
    none: "没有配置设备",
    starting: "正在启动：{names}",
    more: "另有 {count} 个问题，见下",
    effect: "影响：{text}",
    action: "处理：{text}",
    who: "由{who}处理 · hall-edge explain {code}",
    devices: "设备", device: "名称", kind: "类型", state: "状态", proven: "最近应答",
    since: "进入此状态：{time}（{age}前）",
    provenAt: "最近应答：{time}",
    driver: "驱动 {driver}",
    model: "型号 {model}",
    firmware: "固件 {firmware}",
    explain: "详情：hall-edge explain {code}",
    simulated: "模拟",
    maintenance: "维护",
    never: "尚无应答",
    delivery: "数据送达",
    accepted: "已保存", sent: "已发送", brokered: "服务器已收", confirmed: "后台已确认",
    behind: "差 {count}",
    nobody: "未登记后台",
    up: "消息服务器：已连接",
    down: "消息服务器：未连接",
    kept: "本机待确认 {count} 条",
    keptSince: "本机待确认 {count} 条，最早 {age}前",
    refused: "服务器拒收 {count} 条",
    expired: "到期未确认 {count} 条",
    disk: "磁盘可用 {free}",
    subscriber: "后台系统", upto: "已确认到", backlog: "待确认", heard: "最近确认",
    unheard: "从未确认",
    problems: "其他问题",
    privacy: "隐私：今天完整读取证件 {reads} 次；本机存有含个人信息的记录 {kept} 条",
    oldest: "，最早一条已存 {age}",
    unknown: "隐私：存储不可用，数字未知",
    ago: "{age}前", now: "刚刚",
    s: "{n} 秒", min: "{n} 分钟", h: "{n} 小时", d: "{n} 天",
    and: "；",
  },
  en: {
    html: "en",
    window: "window {window} ({hall})",
    asOf: "as of {time} · hall-edge {version} · up for {up}",
    lab: "LAB MODE: personal data is sealed to a key of this PC only; not for real citizens",
    waiting: "waiting for the state of this PC's service …",
    old: "OUT OF DATE: the service of this PC has said nothing for {age}; what is below is old. Run systemctl status hall-edge on this PC",
    fine: "all is well",
    none: "no device is configured",
    starting: "starting: {names}",
    more: "{count} more, see below",
    effect: "effect: {text}",
    action: "action: {text}",
    who: "by: {who} · hall-edge explain {code}",
    devices: "devices", device: "name", kind: "kind", state: "state", proven: "last proven",
    since: "in this state since {time} ({age} ago)",
    provenAt: "last proven {time}",
    driver: "driver {driver}",
    model: "model {model}",
    firmware: "firmware {firmware}",
    explain: "details: hall-edge explain {code}",
    simulated: "simulated",
    maintenance: "maintenance",
    never: "not yet",
    delivery: "delivery",
    accepted: "accepted", sent: "sent", brokered: "brokered", confirmed: "confirmed",
    behind: "{count} behind",
    nobody: "no back office registered",
    up: "broker: connected",
    down: "broker: not connected",
    kept: "{count} kept on this PC",
    keptSince: "{count} kept on this PC, the oldest for {age}",
    refused: "{count} refused by the broker",
    expired: "{count} expired unconfirmed",
    disk: "disk: {free} free",
    subscriber: "back office", upto: "confirmed up to", backlog: "waiting", heard: "last heard",
    unheard: "never",
    problems: "other problems",
    privacy: "privacy: {reads} full reads today; {kept} records with personal data on this PC",
    oldest: ", the oldest for {age}",
    unknown: "privacy: the store does not answer, the figures are not known",
    ago: "{age} ago", now: "just now",
    s: "{n} s", min: "{n} min", h: "{n} h", d: "{n} d",
    and: "; ",
  },
};

/* Return the words `name` of a language with the values of `fields` in their braces. */
function say(lang, name, fields) {
  return WORDS[lang][name].replace(/\{(\w+)\}/g, (_, field) => String(fields[field]));
}

/* Return how long `seconds` are, roughly. */
function span(lang, seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 100) return say(lang, "s", { n: whole });
  if (whole < 6000) return say(lang, "min", { n: Math.floor(whole / 60) });
  if (whole < 172800) return say(lang, "h", { n: Math.floor(whole / 3600) });
  return say(lang, "d", { n: Math.floor(whole / 86400) });
}

function ago(lang, seconds) {
  return seconds < 2 ? say(lang, "now", {}) : say(lang, "ago", { age: span(lang, seconds) });
}
