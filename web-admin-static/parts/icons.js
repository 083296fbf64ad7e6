// Small drawings of our own, in strokes, 20 by 20.

import { svg } from "../dom.js";

const SHAPES = {
  overview: "M3 11l7-7 7 7M5 9.5V16h10V9.5",
  routes: "M3 10h4.5l4-5H17M7.5 10l4 5H17M14.5 2.5L17 5l-2.5 2.5M14.5 12.5L17 15l-2.5 2.5",
  domains: "M10 3a7 7 0 1 0 0 14a7 7 0 1 0 0-14M3 10h14M10 3c-4 4-4 10 0 14M10 3c4 4 4 10 0 14",
  certificates: "M5 3h7l3 3v7M5 3v14h4M8 7h4M8 10h3M14 12a2 2 0 1 0 0 4a2 2 0 1 0 0-4M13 16v2l1-.6 1 .6v-2",
  listeners: "M3 10h4M13 10h4M10 3v4M10 13v4M10 7a3 3 0 1 0 0 6a3 3 0 1 0 0-6",
  proxies: "M3 10h4M13 10h4M7 6h6v8H7zM14.5 7.5L17 10l-2.5 2.5",
  services: "M3 5h14v4H3zM3 11h14v4H3zM6 7h.01M6 13h.01",
  sources: "M10 3c-4 0-6 1-6 2.5S6 8 10 8s6-1 6-2.500S14 3 10 3M4 5.500v9C4 16 6 17 10 17s6-1 6-2.500v-9M4 10c0 1.5 2 2.5 6 2.500s6-1 6-2.5",
  consumers: "M7 4a3 3 0 1 0 0 6a3 3 0 1 0 0-6M2 16c0-3 2-4 5-4s5 1 5 4M13 5l4 4M17 5l-4 4",
  workers: "M6 6h8v8H6zM8 3v3M12 3v3M8 14v3M12 14v3M3 8h3M3 12h3M14 8h3M14 12h3",
  versions: "M10 4a6 6 0 1 1-5.6 4M4 3v5h5M10 7v3.500l2.5 1.5",
  streams: "M3 7c2.3-3 4.6-3 7 0s4.7 3 7 0M3 13c2.3-3 4.6-3 7 0s4.7 3 7 0",
  tester: "M8 3h4M9 3v5l-4.5 7.500A1 1 0 0 0 5.4 17h9.200a1 1 0 0 0 .9-1.500L11 8V3M7 13h6",
  users: "M10 3.500a3 3 0 1 0 0 6a3 3 0 1 0 0-6M4 17c0-4 2.5-5.5 6-5.500s6 1.5 6 5.5",
  audit: "M5 3h10v14H5zM8 7h4M8 10h4M8 13h2",
  "access-log": "M3 5h2M8 5h9M3 10h2M8 10h9M3 15h2M8 15h6",
  transfer: "M4 7h11l-3-3M16 13H5l3 3",
  settings: "M4 6h7M15 6h1M4 10h2M10 10h6M4 14h6M14 14h2M13 4.500a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3M8 8.500a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3M12 12.500a1.5 1.5 0 1 0 0 3a1.5 1.5 0 1 0 0-3",
  reference: "M4 4h5a2 2 0 0 1 1 .6A2 2 0 0 1 11 4h5v11h-5a1 1 0 0 0-1 1a1 1 0 0 0-1-1H4zM10 5v11",
  tokens: "M7 9a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l7-7M14 6l2 2M12 8l1.5 1.5",
  sessions: "M3 5h14v8H3zM7 17h6M10 13v4M8 8l1.5 1.5L12.5 7",
  try: "M6 4l9 6-9 6z",
  menu: "M3 5h14M3 10h14M3 15h14",
  close: "M5 5l10 10M15 5L5 15",
  search: "M9 4a5 5 0 1 0 0 10a5 5 0 1 0 0-10M13 13l4 4",
  refresh: "M16 10a6 6 0 1 1-1.8-4.300M16 3v4h-4",
  edit: "M4 16l.8-3.500L13 4.300l2.7 2.7-8.2 8.200z",
  copy: "M7 7h9v9H7zM13 7V4H4v9h3",
  delete: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  add: "M10 4v12M4 10h12",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  check: "M4 10.500l4 4 8-9",
  warning: "M10 3l8 14H2zM10 8v4M10 14.500h.01",
  sun: "M10 6.500a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7M10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.300l1.4 1.400M14.3 14.300l1.4 1.400M4.3 15.700l1.4-1.400M14.3 5.700l1.4-1.4",
  moon: "M16 12A7 7 0 0 1 8 4a6.5 6.5 0 1 0 8 8",
  screen: "M3 4h14v9H3zM8 17h4M10 13v4",
  file: "M6 3h6l3 3v11H6zM12 3v3h3",
};

export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: SHAPES[name], fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" }));
}
