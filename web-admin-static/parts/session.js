// Who is logged in, and what that person may do. The API decides; the page only leaves out what would be refused.

const ROLES = ["viewer", "editor", "admin"];

export let user = null;

/** The flat settings that the API tells before anybody has logged in. */
export let config = {};

export function setConfig(value) {
  config = value;
}

export function setUser(value) {
  user = value;
}

/** Whether the role is at least this one. */
export function may(role) {
  return ROLES.indexOf(user?.role ?? "admin") >= ROLES.indexOf(role);
}
