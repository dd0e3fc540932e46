/** The commands that `main.ts` sends to a device, and the messages that a device sends back. */
export type DeviceCommand =
  | { readonly cue: 'import' }
  /** Edits a hundred films, some of which the other device edits too. `pace`: milliseconds between two edits. */
  | { readonly cue: 'edit'; readonly round: number; readonly pace: number; readonly offline: boolean }
  | { readonly cue: 'resume' }
  /** Waits until everything is uploaded and downloaded. */
  | { readonly cue: 'settle' }
  | { readonly cue: 'digest' }
  | { readonly cue: 'leave' };

export type Stream = 'connectionState$' | 'syncState$' | 'uploads' | 'downloads';

export type DeviceMessage =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'done';
      readonly cue: DeviceCommand['cue'];
      readonly digest?: string;
      readonly objects?: number;
      readonly changesets?: number;
    }
  /** One value of a stream. */
  | { readonly kind: 'marble'; readonly stream: Stream; readonly letter: string }
  /** The progress of the present wait, from 0 to 1. */
  | { readonly kind: 'progress'; readonly of: string; readonly done: number };

export interface DeviceSettings {
  readonly name: 'A' | 'B';
  readonly url: string;
  readonly folder: string;
}
