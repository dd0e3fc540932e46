/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 62.2,
  openRealmAndClient: 105.5,
  record: 5,
  everything: 112.7,
  testing: 28,
  angular: 2,
  /** Added to an app that has a client. */
  inspector: 12,
};
