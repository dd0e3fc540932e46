export declare const bundleLimits: Readonly<
  Record<'openRealm' | 'openRealmAndClient' | 'record' | 'everything' | 'testing' | 'angular' | 'inspector', number>
>;
