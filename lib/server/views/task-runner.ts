import { Subscription, type Observable } from 'rxjs';

export interface TaskRunnerOptions {
  /** Returns the next piece of work; `null`: nothing can be done now. */
  readonly choose: () => Observable<never> | null;
  readonly failed: (thrown: unknown) => void;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
}

/** Runs one piece of work at a time. Subscribes to each. A class, because a server has ten thousand sessions. */
export class TaskRunner {
  private task: Subscription | null = null;
  private isChoosing = false;
  private isStopped = false;

  constructor(private readonly options: TaskRunnerOptions) {}

  /** Begins the next piece of work, unless one is under way. */
  start(): void {
    if (this.isChoosing) return;
    this.isChoosing = true;
    while (this.task === null && !this.isStopped) {
      const work$ = this.options.choose();
      if (work$ === null) break;
      this.run(work$);
    }
    this.isChoosing = false;
  }

  /** Ends the work that is under way. */
  cancel(): void {
    const { task } = this;
    this.task = null;
    task?.unsubscribe();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
  }

  private run(work$: Observable<never>): void {
    const task = new Subscription();
    this.task = task;
    this.options.teardown.add(task);
    const end = (): boolean => {
      const isCurrent = this.task === task;
      if (isCurrent) this.task = null;
      task.unsubscribe();
      return isCurrent;
    };
    const error = (thrown: unknown): void => {
      if (end()) this.options.failed(thrown);
    };
    const complete = (): void => {
      if (end()) this.start();
    };
    task.add(work$.subscribe({ error, complete }));
  }
}
