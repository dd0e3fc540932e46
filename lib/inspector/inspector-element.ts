import type { SyncClient } from '../client/sync-client.js';
import { InvalidArgumentError, InvalidStateError } from '../model/errors.js';
import { runOutsideZones } from './frames.js';
import { inspectorStyles } from './inspector-styles.js';
import { InspectorView } from './inspector-view.js';
import { coreOf } from './simulate-offline.js';

const tagName = 'tidemark-inspector';

/**
 * The custom element `<tidemark-inspector>`: shows the sessions of a client while it is in the document.
 *
 * It records from the moment at which it is in the document and has a client. To remove it from the document ends that.
 *
 * @example
 * ```ts
 * const inspector = mountInspector(client, document.body);
 * inspector.remove();
 * ```
 */
export interface InspectorElement extends HTMLElement {
  /** The client that is shown; `null` for none. Setting it begins a new record. */
  client: SyncClient | null;
}

/** Creates the class of the element. In a function, because a server has no `HTMLElement`. */
const createElementClass = () =>
  class extends HTMLElement implements InspectorElement {
    readonly #root = this.attachShadow({ mode: 'open' });
    #client: SyncClient | null = null;
    #view: InspectorView | null = null;

    constructor() {
      super();
      this.adoptedCallback();
    }

    get client(): SyncClient | null {
      return this.#client;
    }
    /** Frameworks set `undefined` when a template names no client. */
    set client(client: SyncClient | null | undefined) {
      const next = client ?? null;
      if (next !== null) coreOf(next); // Throws for anything else.
      this.#client = next;
      this.#begin();
    }

    connectedCallback(): void {
      const { client } = this;
      // A client that the page set before the element was defined hides the property of this class.
      delete (this as Partial<InspectorElement>).client;
      this.client = client;
    }

    /** Sets the styles, which a document does not take from another one. */
    adoptedCallback(): void {
      const page = this.ownerDocument.defaultView;
      if (!page) return; // The content of a template element.
      const sheet = new page.CSSStyleSheet(); // A strict Content Security Policy forbids style elements.
      sheet.replaceSync(inspectorStyles);
      this.#root.adoptedStyleSheets = [sheet];
    }

    disconnectedCallback(): void {
      this.#end();
    }

    #begin(): void {
      this.#end();
      const client = this.#client;
      if (client === null || !this.isConnected) return;
      runOutsideZones(() => {
        this.#view = new InspectorView(this.#root, coreOf(client));
      });
    }

    #end(): void {
      this.#view?.end();
      this.#view = null;
      this.#root.replaceChildren();
    }
  };

/**
 * Defines the custom element `<tidemark-inspector>` in this page. Does nothing when it is defined, and nothing where
 * there are no custom elements, as on a server.
 *
 * @example
 * ```ts
 * defineInspector();
 * document.querySelector('tidemark-inspector').client = client;
 * ```
 */
export const defineInspector = (): void => {
  if (typeof customElements === 'undefined' || customElements.get(tagName)) return;
  customElements.define(tagName, createElementClass());
};

/**
 * Shows what the sessions of a client do, as a live marble diagram with the reasons in words.
 *
 * @param client - The client, made by `createSyncClient`.
 * @param parent - The element to which the inspector is appended.
 * @returns The new element. `remove()` ends it.
 * @throws InvalidArgumentError when `client` or `parent` is anything else.
 * @throws InvalidStateError outside of a browser.
 *
 * @example
 * ```ts
 * mountInspector(client, document.querySelector('#inspector'));
 * ```
 */
export const mountInspector = (client: SyncClient, parent: Element): InspectorElement => {
  if (typeof customElements === 'undefined')
    throw new InvalidStateError(
      'mountInspector needs a page in a browser. Call it after the page has loaded, not on a server.',
    );
  coreOf(client); // Throws for anything else.
  // Elements of other documents count, so `instanceof` cannot be used.
  if (!(parent as Element | null)?.append) throw new InvalidArgumentError('parent', 'an element', parent);
  defineInspector();
  const element = document.createElement(tagName) as InspectorElement;
  element.client = client;
  parent.append(element);
  return element;
};
