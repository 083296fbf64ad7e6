// What is wrong, the worst first, in plain words, each with where to act: the first thing that one sees at an outage. A rule of
// its own without elements: lists in, [{kind, words, href, log}] out; `log` leads to the requests that it is said of.

import { expiryKind, moment } from "./cells.js";
import { flagWords, grpcWords, isFailure, ofService } from "./flags.js";
import { number, relative, t } from "./i18n.js";
import { address } from "./router.js";

/** Below this share a failing route is no news; from the second on it is an outage. */
export const TELL = 0.001;
export const SEVERE = 0.05;

export const share = (part, whole) => (part >= whole ? "100" : number(Math.min(99.9, (100 * part) / whole), part / whole < 0.1 || part / whole > 0.99 ? 1 : 0));
const most = (counts) => Object.entries(counts ?? {}).sort((one, two) => two[1] - one[1]);

/**
 * Why a route fails. The worker counts reasons for the whole gateway only: one is named where it alone explains the failures; where no
 * reason of the gateway's own does, the service itself answers so.
 */
function reason(route, minute) {
  const own = most(minute.errors).filter(([flag]) => isFailure(flag) && flag !== "NR");
  const all = own.reduce((sum, [, count]) => sum + count, 0);
  if (own.length && own[0][1] >= route.failed * 0.8 && minute.failing.length === 1) return { flag: own[0][0], words: flagWords(own[0][0]) };
  if (own.length && all >= minute.failed * 0.8) return { flag: own[0][0], words: own.slice(0, 2).map(([flag]) => flagWords(flag)).join(t("verdict.or")) };
  const [code] = most(route.grpcStatuses).find(([each]) => ["2", "4", "12", "13", "14", "15"].includes(each)) ?? [];
  return { flag: null, words: t("verdict.service", { answer: code ? grpcWords(code) : "5xx" }) };
}

function failing({ stats, routes }) {
  const minute = stats.lastMinute;
  if (!minute) return [];
  return minute.failing.filter((each) => each.requests && each.failed / each.requests >= TELL).map((each) => {
    const { flag, words } = reason(each, minute);
    const service = routes.find((route) => route.name === each.route)?.services?.[0]?.name;
    const part = each.failed / each.requests;
    return {
      kind: part >= SEVERE ? "bad" : "warn", weight: each.failed,
      words: t("verdict.failing", { share: share(each.failed, each.requests), route: each.route, reason: words }),
      href: service && (!flag || ofService(flag)) ? address("sources", { edit: service.replace(/\.[^.]+$/, "") }) : address("routes", { edit: each.route }),
      log: address("access-log", { route: each.route }),
    };
  });
}

/** What no route is to blame for: requests that found none, or were refused before. */
function elsewhere({ stats }) {
  const minute = stats.lastMinute;
  if (!minute?.requests) return [];
  // Of those that had a route is told there.
  return most(minute.errors).filter(([flag, count]) => (["NR", "DPE", "DT"].includes(flag) || (flag === "UO" && count > minute.failed)) && count / minute.requests >= (flag === "NR" ? SEVERE : TELL * 10))
    .map(([flag, count]) => ({ kind: flag === "UO" ? "bad" : "warn", words: t("verdict.refused", { share: share(Math.min(count, minute.requests), minute.requests), reason: flagWords(flag) }), href: flag === "NR" ? address("tester") : address("workers"), log: address("access-log", { flag }) }));
}

function ofWorkers({ workers, stats }) {
  const found = workers.flatMap((worker) => [
    worker.heldBack?.length && { kind: "bad", words: t("overview.heldBack", { worker: worker.id, n: worker.heldBack.length }), href: address("workers") },
    worker.degraded?.length && { kind: "warn", words: t("overview.degraded", { worker: worker.id, n: worker.degraded.length }), href: address("workers") },
  ]).filter(Boolean);
  if (workers.some((each) => each.state === "serving")) return found;
  // One that answers at its inspection socket carries traffic, connected or not.
  return [{ kind: "bad", words: stats.available && stats.workers ? t("verdict.apart") : t("overview.noWorker"), href: address("workers") }, ...found];
}

function ofCertificates({ certificates }) {
  return certificates.map((each) => ({ name: each.name, end: moment(each.validityEnd) })).filter(({ end }) => end && expiryKind(end) !== "good").sort((one, two) => one.end - two.end)
    .map(({ name, end }) => ({ kind: "warn", words: t(end < Date.now() ? "overview.expired" : "overview.expires", { name, when: relative(end) }), href: address("certificates", { edit: name }) }));
}

const ORDER = ["bad", "warn"];

export function verdict(known) {
  const shadowed = known.shadowed.length ? [{ kind: "warn", words: t("tester.shadowed", { n: known.shadowed.length }), href: address("tester") }] : [];
  const all = [...ofWorkers(known), ...failing(known), ...elsewhere(known), ...ofCertificates(known), ...shadowed];
  return all.map((each, at) => [each, at]).sort(([one, a], [two, b]) => ORDER.indexOf(one.kind) - ORDER.indexOf(two.kind) || a - b).map(([each]) => each);
}

/** When nothing is wrong: what goes on. */
export function calm({ stats }) {
  const last = stats.recent.at(-1);
  if (!stats.available || !stats.lastMinute) return t("verdict.well");
  if (!stats.lastMinute.requests) return t("verdict.quiet");
  return t("verdict.busy", { rate: number(stats.lastMinute.requests / stats.lastMinute.seconds, 1), p99: last?.p99 != null ? number(last.p99, 1) : "–" });
}

