import type { ObjectState } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import { decodeObjectState } from './stored-objects.js';

/** An object at the head of the history. It is decoded or encoded when that is needed: large ones take long. */
export class HeadObject {
  constructor(
    private readonly text: string,
    private decoded: ObjectState | null,
    private encoded: Uint8Array | null,
  ) {}

  get state(): ObjectState {
    return (this.decoded ??= decodeObjectState(this.text, this.bytes));
  }

  get bytes(): Uint8Array {
    return (this.encoded ??= encodeState(this.state));
  }
}
