import { createWorld, bread, milk, schema } from './realm-world.js';
import { until } from './until.js';
import {
  Component,
  createEnvironmentInjector,
  EnvironmentInjector,
  provideZonelessChangeDetection,
  runInInjectionContext,
  signal,
} from '@angular/core';
import { BrowserTestingModule, platformBrowserTesting } from '@angular/platform-browser/testing';
import { getTestBed, TestBed } from '@angular/core/testing';
import { BehaviorSubject, defer, filter, finalize, map, of, throwError } from 'rxjs';
import { type InvalidArgumentError, memoryStorage, type Realm, StorageError } from 'tidemark';
import {
  createRealmToken,
  injectObject,
  injectObjects,
  injectRealm,
  provideRealm,
  provideSyncClient,
  type RealmRef,
  type RegisteredSchema,
} from 'tidemark/angular';

declare module 'tidemark/angular' {
  interface RegisteredRealm {
    schema: typeof schema;
  }
}

const notes = { Note: { primaryKey: 'id', properties: { id: 'int', text: 'string' } } } as const;
const notesRealm = createRealmToken<typeof notes>('notes');

getTestBed().initTestEnvironment(BrowserTestingModule, platformBrowserTesting());

/** Runs in the injection context of an injector that can be destroyed, with these providers. */
const inject = <A>(providers: Parameters<typeof createEnvironmentInjector>[0], create: () => A) => {
  const injector = createEnvironmentInjector(providers, TestBed.inject(EnvironmentInjector));
  return { ...runInInjectionContext(injector, create), injector };
};
const local = () => provideRealm({ schema, storage: memoryStorage() });
const addTasks = (realm: Pick<RealmRef<RegisteredSchema>, 'write'>) =>
  realm.write((tx) => [milk, bread].forEach((task) => tx.create('Task', task)));

/** Counts the subscriptions to the live queries of a realm. */
const watchQueries = (realm: Realm<RegisteredSchema>) => {
  const counts = { made: 0, active: 0 };
  const { objects$ } = realm;
  const watched = (...given: Parameters<typeof objects$>) =>
    defer(() => {
      counts.made += 1;
      counts.active += 1;
      return objects$(...given).pipe(finalize(() => (counts.active -= 1)));
    });
  Object.assign(realm, { objects$: watched });
  return counts;
};

beforeEach(() => {
  TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection()] });
});

describe('injectObjects', () => {
  it('has the objects in the first read when the realm is open', async () => {
    const { realm, tasks } = inject([local()], () => ({ realm: injectRealm(), tasks: injectObjects('Task') }));
    await addTasks(realm);
    expect(tasks.status()).toBe('resolved');
    expect(tasks.hasValue()).toBe(true);
    expect(tasks.value()).toEqual([bread, milk]);
  });

  it('has the objects of another query in the read after its signal changed', async () => {
    const done = signal(false);
    const { realm, tasks } = inject([local()], () => ({
      realm: injectRealm(),
      tasks: injectObjects('Task', () => ({ where: { done: done() } })),
    }));
    await addTasks(realm);
    expect(tasks.value()).toEqual([milk]);
    done.set(true);
    expect(tasks.value()).toEqual([bread]);
  });

  it('follows one query at a time, from the first read until its injector is destroyed', async () => {
    const done = signal(false);
    const { realm, tasks, injector } = inject([local()], () => ({
      realm: injectRealm(),
      tasks: injectObjects('Task', () => ({ where: { done: done() } })),
    }));
    const queries = watchQueries(await realm.opened());
    expect(queries).toEqual({ made: 0, active: 0 });
    tasks.value();
    tasks.value();
    expect(queries).toEqual({ made: 1, active: 1 });
    done.set(true);
    tasks.value();
    expect(queries).toEqual({ made: 2, active: 1 });
    injector.destroy();
    done.set(false);
    expect(() => tasks.value()).not.toThrow();
    expect(queries).toEqual({ made: 2, active: 0 });
  });

  it('is loading, with an empty list, until the storage is open', async () => {
    const isReady = new BehaviorSubject(false);
    const storage = isReady.pipe(
      filter((ready) => ready),
      map(() => memoryStorage()),
    );
    const { tasks } = inject([provideRealm({ schema, storage })], () => ({ tasks: injectObjects('Task') }));
    expect([tasks.status(), tasks.isLoading(), tasks.hasValue(), tasks.value()]).toEqual(['loading', true, false, []]);
    isReady.next(true);
    await until(() => tasks.hasValue());
    expect([tasks.status(), tasks.isLoading(), tasks.value()]).toEqual(['resolved', false, []]);
  });

  it('has the error of a realm that cannot be opened, until it is opened again', async () => {
    let isUsed = true;
    const storage = defer(() => (isUsed ? throwError(() => new StorageError('It is in use.')) : of(memoryStorage())));
    const { realm, tasks } = inject([provideRealm({ schema, storage })], () => ({
      realm: injectRealm(),
      tasks: injectObjects('Task'),
    }));
    expect(tasks.status()).toBe('error');
    expect(tasks.error()).toBeInstanceOf(StorageError);
    expect(() => tasks.value()).toThrow('It is in use.');
    await expect(realm.write(() => 1)).rejects.toThrow('It is in use.');
    isUsed = false;
    realm.reload();
    await until(() => tasks.hasValue());
    expect(tasks.value()).toEqual([]);
    expect(tasks.error()).toBeUndefined();
  });

  it('has the error of an invalid query, and the objects of the next one', () => {
    const property = signal('titel');
    const { tasks } = inject([local()], () => ({
      tasks: injectObjects('Task', () => ({ where: { [property()]: 'x' } })),
    }));
    expect((tasks.error() as InvalidArgumentError).message).toContain('titel');
    property.set('title');
    expect(tasks.value()).toEqual([]);
  });

  it('selects a realm by its token', async () => {
    const { notesRef, tasks, found } = inject(
      [local(), provideRealm({ schema: notes, storage: memoryStorage() }, notesRealm)],
      () => ({
        notesRef: injectRealm({ realm: notesRealm }),
        tasks: injectObjects('Task'),
        found: injectObjects('Note', {}, { realm: notesRealm }),
      }),
    );
    await notesRef.write((tx) => tx.create('Note', { id: 1, text: 'hello' }));
    expect(tasks.value()).toEqual([]);
    expect(found.value()).toEqual([{ id: 1, text: 'hello' }]);
  });

  it('says where it must be called', () => {
    expect(() => injectObjects('Task')).toThrow(/injection context/);
  });
});

it('injectObject follows its key, and has undefined without one', async () => {
  const key = signal<string | undefined>('milk');
  const { realm, task } = inject([local()], () => ({
    realm: injectRealm(),
    task: injectObject('Task', () => key()),
  }));
  expect([task.value(), task.status()]).toEqual([undefined, 'resolved']);
  await addTasks(realm);
  await until(() => task.value() !== undefined);
  expect(task.value()).toEqual(milk);
  key.set('bread');
  expect(task.value()).toEqual(bread);
  key.set(undefined);
  expect(task.value()).toBeUndefined();
});

it('a realm is opened when it is injected, and closed with its injector', async () => {
  let opened = 0;
  const storage = defer(() => {
    opened += 1;
    return of(memoryStorage());
  });
  const { injector } = inject([provideRealm({ schema, storage })], () => ({}));
  expect(opened).toBe(0);
  const ref = runInInjectionContext(injector, () => injectRealm());
  expect(opened).toBe(1);
  const realm = await ref.opened();
  injector.destroy();
  await until(() => {
    try {
      realm.objects('Task');
      return false;
    } catch {
      return true;
    }
  });
  await expect(realm.write(() => 1)).rejects.toThrow('closed');
});

it('a wait for a realm ends with an error when its injector is destroyed', async () => {
  const { ref, injector } = inject(
    [provideRealm({ schema, storage: new BehaviorSubject(0).pipe(filter(() => false)) as never })],
    () => ({
      ref: injectRealm(),
    }),
  );
  const opened = ref.opened();
  injector.destroy();
  await expect(opened).rejects.toThrow('was destroyed before it had opened');
});

it('a component shows a change of another device', async () => {
  const world = createWorld();
  TestBed.configureTestingModule({
    providers: [
      provideSyncClient(world.options),
      provideRealm({ schema, storage: memoryStorage(), sync: { realm: 'team' } }),
    ],
  });
  class List {
    readonly tasks = injectObjects('Task');
  }
  const ListComponent = Component({
    template: '@for (task of tasks.value(); track task.id) {<li>{{ task.title }}</li>}',
  })(List);
  const { nativeElement } = TestBed.createComponent(ListComponent) as { nativeElement: HTMLElement };
  const other = await world.openOther();
  await other.write((tx) => tx.create('Task', milk));
  await until(() => nativeElement.textContent === 'Buy milk');
  TestBed.resetTestingModule();
  await world.close();
});
