import { createHash } from 'node:crypto';
import pino from 'pino';
import type { ServerEvent } from '../server/index.js';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The same for the same user, so that his connections are found; who has the logs alone does not have his name. */
const userHashOf = (user: string): string => createHash('sha256').update(user).digest('hex').slice(0, 12);

/** A log of lines of JSON: what happens to a server, and what a command says besides. */
export interface ServerLogger {
  readonly logEvent: (event: ServerEvent) => void;
  readonly info: (event: string, more?: object) => void;
  readonly warn: (event: string, more?: object) => void;
  readonly error: (event: string, error: unknown) => void;
}

/**
 * Writes a line of JSON for each event that is important enough. There is nothing in it but what the event has; of a
 * user only a mark.
 */
export const createServerLogger = (level: LogLevel, said: (line: string) => void): ServerLogger => {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => said(line.trimEnd()) },
  );
  return {
    logEvent: (told) => {
      const { level: weight, ...event } = told;
      if (event.event === 'failed') {
        const { error, ...rest } = event;
        logger[weight]({ ...rest, err: error });
      } else if (event.event === 'closed') {
        logger[weight]({ ...event, user: event.user === null ? null : userHashOf(event.user) });
      } else logger[weight](event);
    },
    info: (event, more = {}) => logger.info({ event, ...more }),
    warn: (event, more = {}) => logger.warn({ event, ...more }),
    error: (event, error) => logger.error({ event, err: error }),
  };
};
