import { decodeArrayStart, encodeValue } from '../model/msgpack.js';
import { describeValue } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { type Field, InvalidField } from './field-codec.js';
import { clientLayouts, serverLayouts } from './message-layouts.js';
import type { ClientMessage, ServerFrame } from './messages.js';

/*
 * Encodes messages as frames and decodes them. A frame is one MessagePack array, [kind, field, field …]
 * (`message-layouts.ts`). Values after the last known field are skipped without being created: a later version of a
 * message can have more fields, and an attacker may send millions of values.
 */

interface MessageShape {
  readonly type: string;
  readonly kind: number;
  readonly fields: readonly (readonly [name: string, path: string, field: Field<unknown>])[];
  readonly agree: (message: never) => InvalidField | null;
}

const acceptAny = (): null => null;

const shapesOf = (layouts: object): readonly MessageShape[] =>
  Object.entries(layouts as Record<string, { kind: number; fields: object; agree?: MessageShape['agree'] }>).map(
    ([type, { kind, fields, agree = acceptAny }]) => ({
      type,
      kind,
      agree,
      fields: Object.entries(fields).map(
        ([name, field]) => [name, `${type}.${name}`, field as Field<unknown>] as const,
      ),
    }),
  );

const createCodec = <Message extends { readonly type: string }>(layouts: object) => {
  const shapes = shapesOf(layouts);
  const byType = new Map(shapes.map((shape) => [shape.type, shape]));
  const byKind = new Map<unknown, MessageShape>(shapes.map((shape) => [shape.kind, shape]));
  const kindExpected = `a kind of message: ${shapes.map(({ kind, type }) => `${kind} (${type})`).join(', ')}`;

  const fieldsOf = (kind: unknown): number => byKind.get(kind)?.fields.length ?? 0;

  /** Returns the positional array of a message. */
  const arrayOf = (message: Message): unknown[] => {
    const shape = byType.get(message.type);
    if (!shape) throw new TypeError(`There is no message type "${message.type}".`);
    const array: unknown[] = [shape.kind];
    for (const [name, , { write }] of shape.fields)
      array.push(write((message as unknown as Record<string, unknown>)[name]));
    if (array.at(-1) === undefined) array.pop(); // An absent last field.
    return array;
  };

  const messageOf = (value: unknown): Message | InvalidField => {
    if (!Array.isArray(value)) return new InvalidField('frame', 'an array', value);
    const array = value as readonly unknown[];
    const shape = byKind.get(array[0]);
    if (!shape) return new InvalidField('frame', kindExpected, array[0]);
    const { type, fields, agree } = shape;
    const message: Record<string, unknown> = { type };
    let index = 0;
    for (const [name, path, { read }] of fields) {
      const field = read(array[++index], path);
      if (field instanceof InvalidField) return field;
      if (field !== undefined) message[name] = field;
    }
    return agree(message as never) ?? (message as unknown as Message);
  };

  const decode = (frame: Uint8Array, valuesMax: number): Either<string, Message> => {
    const value = decodeArrayStart(frame, valuesMax, fieldsOf);
    if (isLeft(value))
      return left(`frame must be MessagePack, received ${frame.byteLength} bytes: ${value.left.slice(0, 100)}`);
    const message = messageOf(value.right);
    return message instanceof InvalidField
      ? left(`${message.path} must be ${message.expected}, received ${describeValue(message.received)}`)
      : right(message);
  };

  return { encode: (message: Message): Uint8Array => encodeValue(arrayOf(message)), decode };
};

const clientCodec = createCodec<ClientMessage>(clientLayouts);
const serverCodec = createCodec<ServerFrame>(serverLayouts);

/** Encodes a message of a client. The bytes belong to the caller. */
export const encodeClient = clientCodec.encode;

/** Encodes a message of a server. The bytes belong to the caller. */
export const encodeServer = serverCodec.encode;

/** Decodes like `decodeClient`, but rejects a frame of more than `valuesMax` values while it is read. */
export const decodeClientWithin = clientCodec.decode;

/**
 * Decodes a message of a client, or returns one line that says which field is invalid, what it must be, and what was
 * received. Never throws. All fields are within their limits then. The session decides whether the message is allowed
 * at this moment. Bodies of changesets are views of the frame.
 */
export const decodeClient = (frame: Uint8Array): Either<string, ClientMessage> =>
  clientCodec.decode(frame, limits.frameValuesMax);

/** Decodes a message of a server, as `decodeClient` does for clients. */
export const decodeServer = (frame: Uint8Array): Either<string, ServerFrame> =>
  serverCodec.decode(frame, limits.answerValuesMax);
