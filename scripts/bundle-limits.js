/** Largest bundles for browsers, in kB after gzip and without RxJS, by what they import. Raising a limit is a decision. */
export const bundleLimits = {
  openRealm: 48.5,
  openRealmAndClient: 90.3,
  record: 5,
  everything: 97.5,
  testing: 28,
};
