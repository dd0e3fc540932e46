import type { NamedTouch, SharedPage } from '../sessions/shared-page.js';
import type { TouchChange } from '../history/touches.js';

/** A touch that changes a watched value of an object, or that makes or deletes it. */
export interface ChangeTouch extends NamedTouch {
  readonly change: TouchChange;
}

/** The touches of a page of the history, as far as sessions select from their types. */
export interface PageTouches {
  readonly changed: readonly ChangeTouch[];
  /**
   * Objects that exist all the time and of which no watched value changes in the whole page, by their texts. The page
   * does not say in which views they are.
   */
  readonly unchanged: ReadonlyMap<string, NamedTouch>;
  /** Whether a changeset of the page has no touches. */
  readonly isIncomplete: boolean;
}

/**
 * Reads the touches of a page. Touches without a changed value are left out where another touch of the same object
 * says in which views it is. Throws a `StorageError` for damaged bytes.
 */
export const readPageTouches = (page: SharedPage, hasType: (type: string) => boolean): PageTouches => {
  const changed: ChangeTouch[] = [];
  const unchanged = new Map<string, NamedTouch>();
  let isIncomplete = false;
  for (const touches of page.readTouches()) {
    if (touches === null) isIncomplete = true;
    for (const touch of touches ?? []) {
      if (!hasType(touch.type)) continue;
      if (touch.change === null) unchanged.set(touch.text, touch);
      else changed.push({ ...touch, change: touch.change });
    }
  }
  if (unchanged.size > 0) for (const { text } of changed) unchanged.delete(text);
  return { changed, unchanged, isIncomplete };
};
