import { createHash } from 'node:crypto';
import pino from 'pino';
import type { ServerEvent } from '../server/index.js';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * A hash that is the same for the same user, so that the connections of a user can be found without their name in the
 * logs.
 */
const userHashOf = (user: string): string => createHash('sha256').update(user).digest('hex').slice(0, 12);

/** A log of lines of JSON: the events of a server, and messages of the command. */
export interface ServerLogger {
  readonly logEvent: (event: ServerEvent) => void;
  readonly info: (event: string, more?: object) => void;
  readonly warn: (event: string, more?: object) => void;
  readonly error: (event: string, error: unknown) => void;
}

/**
 * Writes one line of JSON for each event of the level or above. A line has only the fields of the event, and a hash
 * instead of the user.
 */
export const createServerLogger = (level: LogLevel, printLine: (line: string) => void): ServerLogger => {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => printLine(line.trimEnd()) },
  );
  return {
    logEvent: (serverEvent) => {
      const { level: severity, ...event } = serverEvent;
      if (event.event === 'failed') {
        const { error, text: _text, ...rest } = event; // `err` has the text.
        logger[severity]({ ...rest, err: error });
      } else if (event.event === 'closed') {
        logger[severity]({ ...event, user: event.user === null ? null : userHashOf(event.user) });
      } else logger[severity](event);
    },
    info: (event, more = {}) => logger.info({ event, ...more }),
    warn: (event, more = {}) => logger.warn({ event, ...more }),
    error: (event, error) => logger.error({ event, err: error }),
  };
};
