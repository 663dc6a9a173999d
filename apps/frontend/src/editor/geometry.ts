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
