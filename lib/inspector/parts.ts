/** The attributes of a new element. */
export type Attributes = Readonly<Record<string, string | number>>;

const svgNamespace = 'http://www.w3.org/2000/svg';

const fill = <E extends Element>(element: E, attributes: Attributes, children: readonly (Node | string)[]): E => {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
};

/** Creates an element of HTML with its attributes and children. */
export const createPart = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] => fill(document.createElement(name), attributes, children);

/** Creates an element of SVG with its attributes and children. */
export const createShape = (
  name: keyof SVGElementTagNameMap,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElement => fill(document.createElementNS(svgNamespace, name), attributes, children);

/** Creates a button that calls a function. */
export const createButton = (text: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement => {
  const button = createPart('button', { type: 'button', ...attributes }, text);
  button.onclick = onClick;
  return button;
};

/** Sets the text of an element if it differs: a screen reader repeats a text that is set again. */
export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text;
};
