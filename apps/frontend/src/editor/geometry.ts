/** How big a node is drawn and where its ports are, without measuring. Pure. */
import { isResource, MAIN, type Ports } from "~/model/graph";

export const WIDTH = 216;
export const HEAD = 54;
const ROW = 24;
const FOOT = 28;

export interface Geometry {
  width: number;
  height: number;
  inputs: Place[];
  outputs: Place[];
}

export interface Place {
  name: string;
  resource: string;
  required: boolean;
  description: string;
  /** Across, for a resource port; down, for a data port. */
  offset: number;
  /** Shown beside the port; a lone main port needs no name. */
  label: string;
}

export function geometry(ports: Ports): Geometry {
  const inData = ports.inputs.filter((port) => !isResource(port));
  const outData = ports.outputs.filter((port) => !isResource(port));
  const inParts = ports.inputs.filter(isResource);
  const outParts = ports.outputs.filter(isResource);
  const rows = Math.max(labelled(inData) ? inData.length : 0, labelled(outData) ? outData.length : 0);
  const height = HEAD + rows * ROW + (rows > 0 ? 6 : 0) + (inParts.length > 0 ? FOOT : 0);
  const down = (list: typeof inData): Place[] =>
    list.map((port, index) => ({
      name: port.name ?? MAIN,
      resource: "",
      required: false,
      description: port.description ?? "",
      offset: labelled(list) ? HEAD + index * ROW + ROW / 2 : HEAD / 2,
      label: labelled(list) ? (port.name ?? MAIN) : "",
    }));
  const across = (list: typeof inData): Place[] =>
    list.map((port, index) => ({
      name: port.name ?? "",
      resource: port.resource || (port.name ?? ""),
      required: port.required ?? false,
      description: port.description ?? "",
      offset: ((index + 0.5) / list.length) * WIDTH,
      label: port.name ?? "",
    }));
  return {
    width: WIDTH,
    height,
    inputs: [...down(inData), ...across(inParts)],
    outputs: [...down(outData), ...across(outParts)],
  };
}

function labelled(list: { name?: string }[]): boolean {
  return list.length > 1 || (list.length === 1 && list[0]?.name !== MAIN);
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Smaller, and names can not be read. */
const LEGIBLE = 0.72;
/** Beside what lies on the canvas at its upper left, and what says at the right how to go on. */
const EDGE = { left: 56, top: 68, right: 64, bottom: 40 };

/** How a drawing is first seen: all of it where it can be read so, and otherwise from where it begins. */
export function opening(nodes: Box[], room: { width: number; height: number }) {
  const first = nodes.reduce<Box | undefined>((a, b) => (a && a.x <= b.x ? a : b), undefined);
  if (!first) return { x: 0, y: 0, zoom: 1 };
  const left = first.x;
  const top = Math.min(...nodes.map((node) => node.y));
  const width = Math.max(...nodes.map((node) => node.x + node.width)) - left;
  const height = Math.max(...nodes.map((node) => node.y + node.height)) - top;
  const across = room.width - EDGE.left - EDGE.right;
  const down = room.height - EDGE.top - EDGE.bottom;
  const zoom = Math.min(1, Math.max(LEGIBLE, Math.min(across / width, down / height)));
  const spareX = across - width * zoom;
  const spareY = down - height * zoom;
  // The beginning stands in the middle of its height, unless that would leave room empty above or below.
  const middle = (first.y + first.height / 2 - top) * zoom;
  const y = spareY >= 0 ? spareY / 2 : Math.max(spareY, Math.min(0, down / 2 - middle));
  return {
    x: EDGE.left + Math.max(0, spareX / 2) - left * zoom,
    y: EDGE.top + y - top * zoom,
    zoom,
  };
}
