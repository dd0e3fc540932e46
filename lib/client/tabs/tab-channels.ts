import { Subscription } from 'rxjs';
import type { TabChannel, TabPlatform } from '../../storage/tab-platform.js';
import {
  type CommonMessage,
  type FollowerMessage,
  isTabMessage,
  type LeaderMessage,
  type TabMessage,
} from './tab-messages.js';
import { commonChannel, nameOfTab } from './tab-names.js';

export interface ChannelPorts {
  readonly platform: TabPlatform;
  readonly tab: string;
  readonly onCommon: (message: CommonMessage) => void;
  readonly onLeader: (message: LeaderMessage) => void;
}

/** The channels of a tab: to all tabs, and to its leader. Messages are lost while they are closed. */
export class TabChannels {
  #life = Subscription.EMPTY;
  #common: TabChannel | null = null;
  #own: TabChannel | null = null;

  constructor(private readonly ports: ChannelPorts) {}

  /** Opens the channels that are not open. */
  open(): void {
    if (!this.#life.closed) return;
    const { tab, onCommon, onLeader } = this.ports;
    this.#life = new Subscription();
    this.#own = this.#listen(nameOfTab(tab), (message) => onLeader(message as LeaderMessage));
    this.#common = this.#listen(commonChannel, (message) => onCommon(message as CommonMessage));
  }

  close(): void {
    this.#life.unsubscribe();
  }

  post(message: CommonMessage): void {
    this.#common?.post(message);
  }

  postToLeader(message: FollowerMessage): void {
    this.#own?.post(message);
  }

  #listen(name: string, receive: (message: TabMessage) => void): TabChannel {
    const channel = this.ports.platform.openChannel(name, (message) => {
      if (isTabMessage(message)) receive(message);
    });
    this.#life.add(() => channel.close());
    return channel;
  }
}
