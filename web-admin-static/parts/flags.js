// Response flags and statuses in words, and where one acts on each.

import { has, t } from "./i18n.js";

/** The service's doing, or that of the way to it. */
const UPSTREAM = new Set(["UH", "UF", "UR", "UC", "UPE", "UT"]);

/** What a client brought about, or an operator: no failure of the gateway or of a service. */
const HARMLESS = new Set(["DC", "AD", "UA", "RL", "EO", "RC", "MD", "AB"]);

export const ofService = (flag) => UPSTREAM.has(flag);
export const isFailure = (flag) => !HARMLESS.has(flag);

/** "no healthy endpoint (UH)". */
export function flagWords(flag) {
  return has(`flag.${flag}`) ? `${t(`flag.${flag}`)} (${flag})` : flag;
}

const GRPC = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];

export function grpcWords(code) {
  return GRPC[Number(code)] ?? String(code);
}
