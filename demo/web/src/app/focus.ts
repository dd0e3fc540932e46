import { Injectable, signal } from '@angular/core';

/** The task that is to get the keyboard focus: by its id, or by its row among the visible ones of a column. */
export type WantedFocus = { readonly id: string } | { readonly column: string; readonly row: number };

/** The keyboard focus on the board of one device. */
@Injectable()
export class Focus {
  /** The id of the task that had the focus last. */
  readonly active = signal<string | null>(null);
  /** A task that may not be in the page yet, because it is being written or is out of sight. */
  readonly wanted = signal<WantedFocus | null>(null);
}
