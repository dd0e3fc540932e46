/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 60.8,
  openRealmAndClient: 103.4,
  record: 5,
  everything: 110.6,
  testing: 28,
};
