import type { SchedulerLike } from 'rxjs';
import type { TabChannel } from '../lib/storage/tab-platform.js';
import type { TabProcess } from './tab-process.js';

/** The channels of one browser: BroadcastChannels in virtual time. */
export interface VirtualChannels {
  /** As `openChannel` of `TabPlatform`, for one tab. */
  readonly open: (tab: TabProcess, name: string, receive: (message: unknown) => void) => TabChannel;
  /** Closes the ends of a tab that has ended. Messages that it has posted still arrive. */
  readonly closeAll: (tab: TabProcess) => void;
  /** The number of messages that were posted on each channel. */
  readonly posted: () => ReadonlyMap<string, number>;
}

export interface ChannelOptions {
  readonly scheduler: SchedulerLike;
  /** Draws the milliseconds until a message arrives. */
  readonly latency: () => number;
}

interface ChannelEnd {
  readonly tab: TabProcess;
  readonly name: string;
  readonly receive: (message: unknown) => void;
  /** The messages from each tab that have not arrived. */
  readonly inFlight: Map<TabProcess, unknown[]>;
}

export const createVirtualChannels = ({ scheduler, latency }: ChannelOptions): VirtualChannels => {
  const ends = new Set<ChannelEnd>();
  const posted = new Map<string, number>();

  /** Sends a message to one end. What arrives is always the earliest message of its sender. */
  const send = (sender: TabProcess, end: ChannelEnd, message: unknown): void => {
    const messages = end.inFlight.get(sender) ?? [];
    end.inFlight.set(sender, messages);
    messages.push(message);
    scheduler.schedule(() => {
      const first = messages.shift();
      end.tab.run(() => {
        if (ends.has(end)) end.receive(first);
      });
    }, latency());
  };

  return {
    open: (tab, name, receive) => {
      const own: ChannelEnd = { tab, name, receive, inFlight: new Map() };
      if (!tab.isEnded()) ends.add(own);
      return {
        post: (message) => {
          if (!ends.has(own)) return;
          const copy: unknown = structuredClone(message); // Throws for functions, also when no other end is open.
          posted.set(name, (posted.get(name) ?? 0) + 1);
          let next: unknown = copy; // A copy takes as long as much of a world.
          for (const end of ends) {
            if (end === own || end.name !== name) continue;
            send(tab, end, next ?? structuredClone(message));
            next = null;
          }
        },
        close: () => void ends.delete(own),
      };
    },
    closeAll: (tab) => {
      for (const end of ends) if (end.tab === tab) ends.delete(end);
    },
    posted: () => posted,
  };
};
