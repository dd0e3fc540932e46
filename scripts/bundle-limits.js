/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 63.7,
  openRealmAndClient: 110.4,
  record: 5,
  everything: 128.8,
  testing: 28.5,
  angular: 2,
  /** Added to an app that has a client. */
  inspector: 12,
};
