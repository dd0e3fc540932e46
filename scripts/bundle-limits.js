/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 62.9,
  openRealmAndClient: 109.6,
  record: 5,
  everything: 126.9,
  testing: 28.5,
  angular: 2,
  /** Added to an app that has a client. */
  inspector: 12,
};
