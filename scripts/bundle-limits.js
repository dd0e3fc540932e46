/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 48.7,
  openRealmAndClient: 90.6,
  record: 5,
  everything: 97.8,
  testing: 28,
};
