/** What the stage manager (main.ts) tells a device, and what a device tells it. */
export type DeviceCommand =
  | { readonly cue: 'import' }
  /** Edits a hundred films, some of them the other device's too. `pace`: milliseconds between two edits. */
  | { readonly cue: 'edit'; readonly round: number; readonly pace: number; readonly offline: boolean }
  | { readonly cue: 'resume' }
  /** Waits until everything is up and everything is down. */
  | { readonly cue: 'settle' }
  | { readonly cue: 'digest' }
  | { readonly cue: 'leave' };

export type Stream = 'connectionState$' | 'syncState$' | 'uploads' | 'downloads';

export type DeviceMessage =
  | { readonly said: 'ready' }
  | {
      readonly said: 'done';
      readonly cue: DeviceCommand['cue'];
      readonly digest?: string;
      readonly objects?: number;
      readonly changesets?: number;
    }
  /** One marble. */
  | { readonly said: 'marble'; readonly stream: Stream; readonly letter: string }
  /** How far the present wait is, from 0 to 1. */
  | { readonly said: 'progress'; readonly of: string; readonly done: number };

export interface DeviceSettings {
  readonly name: 'A' | 'B';
  readonly url: string;
  readonly folder: string;
}
