/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 48.1,
  openRealmAndClient: 87.2,
  record: 5,
  everything: 94.3,
  testing: 28,
};
