import type { AcceptedBind } from '../sessions/bind.js';
import type { Version } from '../../model/version.js';
import { Bootstrap, keepPositions, resumeBootstrap, type BootstrapOptions, type ScanPosition } from './bootstrap.js';
import type { ServedView } from './served-view.js';
import type { ViewDifference } from './view-difference.js';

/** The bootstrap of a session that is under way, if there is one. Plain state that one feed owns. */
export class ViewBootstraps {
  current: Bootstrap | null = null;

  constructor(private readonly acceptedBind: Pick<AcceptedBind, 'realm' | 'replica'>) {}

  /** Begins one, where a position says if that is possible. Returns whether it is. */
  begin(options: Omit<BootstrapOptions, 'positions'>, position: string | null): boolean {
    const { realm, replica } = this.acceptedBind;
    const { source, target } = options;
    const positions = keepPositions(realm.hiddenPositions, replica.id, source, target);
    this.current = new Bootstrap({ ...options, positions });
    return this.resumeAt(position) !== null;
  }

  /** Begins one that has the changes of the placed view as its members. */
  beginChanges(source: ServedView, number: Version, sentTo: Version, { changes }: ViewDifference): Bootstrap {
    const version = this.acceptedBind.realm.history.log.head;
    this.begin({ number, version, sentTo, source, target: source, scans: [], plans: [] }, null);
    this.requireCurrent().concerned.addChanges(changes);
    return this.requireCurrent();
  }

  /** Goes on where a position says, maybe with the pages of an earlier connection. `null`: that is not possible. */
  resumeAt(text: string | null): ScanPosition | null {
    const resumed = this.current && resumeBootstrap(this.current, text, this.acceptedBind.realm.history);
    if (resumed === null) return null;
    this.current = resumed.bootstrap;
    return resumed.at;
  }

  /** Lets the client request one page more, which the announcement of another view answers. Returns whether it will. */
  overtake(): boolean {
    if (this.current === null) return false;
    this.current.isOvertaken = true;
    return true;
  }

  /** Returns the one under way. */
  requireCurrent(): Bootstrap {
    if (this.current === null) throw new Error('Defect: no view is under way.');
    return this.current;
  }
}
